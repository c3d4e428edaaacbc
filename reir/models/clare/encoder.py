"""The deformable encoder: every position of its levels attends to points of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward
from reir.models.clare.checkpointing import run_layer
from reir.models.clare.deformable import DeformableAttention
from reir.models.clare.geometry import level_centres, sine_code


class EncoderLayer(nn.Module):
    """Deformable self-attention and feed-forward, each with residual and post-norm (Deformable DETR)."""

    def __init__(self, *, width: int, heads: int, levels: int, points: int, feedforward: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(width=width, heads=heads, levels=levels, points=points)
        self.attention_norm = nn.LayerNorm(width)
        self.feedforward = FeedForward(width=width, hidden=feedforward)
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        references: Tensor,
        shapes: Sequence[tuple[int, int]],
        padding: Sequence[Tensor] | None,
    ) -> Tensor:
        """(B, S, d) from ``x`` (B, S, d); ``references`` (B, S, 2); ``padding`` (B, H_l W_l) bool for each level."""
        levels = x.split([rows * columns for rows, columns in shapes], dim=1)
        x = self.attention_norm(x + self.attention(x + positions, references, levels, shapes, padding=padding))
        result: Tensor = self.feedforward_norm(x + self.feedforward(x))
        return result


class Encoder(nn.Module):
    """A stack of encoder layers over several levels."""

    def __init__(self, *, layers: int, width: int, heads: int, levels: int, points: int, feedforward: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(width=width, heads=heads, levels=levels, points=points, feedforward=feedforward)
            for _ in range(layers)
        )
        self.level_code = nn.Parameter(torch.randn(levels, width) * 0.02)
        self.checkpointing = False

    def forward(
        self, x: Tensor, shapes: Sequence[tuple[int, int]], *, extent: Tensor | None, padding: Sequence[Tensor] | None
    ) -> Tensor:
        """(B, S, d) from ``x`` (B, S, d), ``extent`` (B, 2), ``padding`` (B, H_l W_l) by level; None: no padding."""
        batch, _, width = x.shape
        centres = level_centres(shapes, x.device)[None]  # (1, S, 2) of the canvas
        relative = centres if extent is None else centres / extent[:, None]
        code = sine_code(relative.flip(-1), width // 2)  # y before x, as in DETR
        sizes = torch.tensor([rows * columns for rows, columns in shapes], device=x.device)
        positions = code + self.level_code.repeat_interleave(sizes, dim=0, output_size=code.shape[1])
        references = centres.expand(batch, -1, -1)
        for layer in self.layers:
            x = run_layer(layer, x, positions, references, shapes, padding, checkpointing=self.checkpointing)
        return x
