"""The decoder: queries attend to each other and, deformably, to the maps; every layer refines the boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward, SelfAttention
from reir.models.clare.checkpointing import run_layer
from reir.models.clare.deformable import DeformableAttention
from reir.models.clare.proposals import BoxHead


class DecoderLayer(nn.Module):
    """Self-attention, deformable cross-attention, feed-forward; residual and post-norm (Deformable DETR)."""

    def __init__(self, *, width: int, heads: int, levels: int, points: int, feedforward: int) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width=width, heads=heads)
        self.self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = DeformableAttention(width=width, heads=heads, levels=levels, points=points)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feedforward = FeedForward(width=width, hidden=feedforward)
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        references: Tensor,
        memory: Sequence[Tensor],
        shapes: Sequence[tuple[int, int]],
        *,
        query_mask: Tensor | None = None,
        pair_mask: Tensor | None = None,
        padding: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """(B, M, d) from queries ``x`` and ``positions`` (B, M, d) and ``references`` (B, M, 4) of the canvas.

        ``query_mask`` (B, M) bool is True for real queries, ``pair_mask`` (M, M) bool where one may see another;
        ``memory`` (B, H_l W_l, d) and ``padding`` (B, H_l W_l) bool by level.
        """
        attended = self.self_attention(x, positions=positions, key_mask=query_mask, pair_mask=pair_mask)
        x = self.self_attention_norm(x + attended)
        seen = self.cross_attention(x + positions, references, memory, shapes, padding=padding)
        x = self.cross_attention_norm(x + seen)
        result: Tensor = self.feedforward_norm(x + self.feedforward(x))
        return result


@dataclass(frozen=True, slots=True)
class Decoded:
    """Refined queries; boxes relative to the picture, in centre form."""

    hidden: Tensor  # (B, M, d)
    boxes_cxcywh: Tensor  # (L, B, M, 4)
    objectness: Tensor  # (L, B, M)


class Decoder(nn.Module):
    """A stack of decoder layers with iterative box refinement; each layer has a box and an objectness head.

    ``levels`` names, for each layer, the maps that it looks at. *Differs from Deformable DETR* where not all layers see
    all maps: the finest map costs most and serves the last refinement.
    """

    def __init__(
        self,
        *,
        levels: Sequence[Sequence[int]],
        width: int,
        heads: int,
        points: int,
        feedforward: int,
        update: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.update = update
        self.layers = nn.ModuleList(
            DecoderLayer(width=width, heads=heads, levels=len(seen), points=points, feedforward=feedforward)
            for seen in levels
        )
        self.levels = tuple(tuple(seen) for seen in levels)
        self.box = nn.ModuleList(BoxHead(width=width) for _ in levels)
        self.score = nn.ModuleList(nn.Linear(width, 1) for _ in levels)
        self.checkpointing = False

    def forward(
        self,
        content: Tensor,
        positions: Tensor,
        references: Tensor,
        memory: Sequence[Tensor],
        shapes: Sequence[tuple[int, int]],
        *,
        extent: Tensor | None,
        query_mask: Tensor | None,
        padding: Sequence[Tensor] | None,
        pair_mask: Tensor | None = None,
    ) -> Decoded:
        """Refined queries from ``content``, ``positions`` (B, M, d) and ``references`` (B, M, 4) of the picture.

        ``memory``, ``shapes`` and ``padding`` are those of all levels.
        """
        boxes, scores = [], []
        x = content
        scale = None if extent is None else torch.cat([extent, extent], -1)[:, None]
        for seen, layer, box, score in zip(self.levels, self.layers, self.box, self.score, strict=True):
            x = run_layer(
                layer,
                x,
                positions,
                references if scale is None else references * scale,
                [memory[level] for level in seen],
                [shapes[level] for level in seen],
                query_mask=query_mask,
                pair_mask=pair_mask,
                padding=None if padding is None else [padding[level] for level in seen],
                checkpointing=self.checkpointing,
            )
            refined = self.update(references, box(x))
            boxes.append(refined)
            scores.append(score(x)[..., 0].float())
            references = refined.detach()
        return Decoded(x, torch.stack(boxes), torch.stack(scores))
