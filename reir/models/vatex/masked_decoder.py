"""The masked-attention transformer decoder (Mask2Former, Cheng et al. 2022, section 3.2; VATEX, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.vatex.contextual import map_places, shrunk_padding

SCALES = 3


class MaskedAttentionLayer(nn.Module):
    """Attention to the pixels of a query's mask, then among the queries, then a perceptron; norms after each."""

    def __init__(self, *, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.cross = nn.MultiheadAttention(width, heads, batch_first=True)
        self.cross_norm = nn.LayerNorm(width)
        self.among = nn.MultiheadAttention(width, heads, batch_first=True)
        self.among_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feedforward)
        self.narrow = nn.Linear(feedforward, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, embedding: Tensor, keys: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
        """The queries (B, N, C) after the layer.

        ``embedding`` (B, N, C) tells the queries apart; ``keys`` are ``values`` (B, S, C) with their places; ``hidden``
        (B * heads, N, S) bool is true where a query may not look.
        """
        seen, _ = self.cross(queries + embedding, keys, values, attn_mask=hidden, need_weights=False)
        queries = self.cross_norm(queries + seen)
        placed = queries + embedding
        told, _ = self.among(placed, placed, queries, need_weights=False)
        queries = self.among_norm(queries + told)
        return self.norm(queries + self.narrow(F.relu(self.widen(queries))))


class MaskedAttentionDecoder(nn.Module):
    """L layers that look at three scales in turn, each through the masks of the layer before.

    After the norm that all layers share, one linear layer says whether a query is the object, and a perceptron of three
    layers gives F_q of equation 7. Both are asked before the first layer and after each.
    """

    def __init__(self, *, width: int, queries: int, heads: int, layers: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Parameter(torch.randn(queries, width))
        self.scales = nn.Parameter(torch.randn(SCALES, width))
        self.layers = nn.ModuleList(
            MaskedAttentionLayer(width=width, heads=heads, feedforward=feedforward) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.is_object = nn.Linear(width, 1)
        self.mask = nn.Sequential(
            *(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        )

    def forward(
        self, queries: Tensor, maps: Sequence[Tensor], finest: Tensor, padding: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits (B, N) and mask logits (B, N, h, w), each L + 1 times.

        Args:
            queries: (B, N, C), the initial ones.
            maps: three of (B, C, H_i, W_i), coarsest first.
            finest: F_v of equation 7, (B, C, h, w).
            padding: (B, H, W) bool, or None.
        """
        outside = [shrunk_padding(padding, level) for level in maps]
        values = [
            (level.flatten(2) + scale[:, None]).transpose(1, 2) for level, scale in zip(maps, self.scales, strict=True)
        ]
        keys = [value + map_places(cells, level) for value, cells, level in zip(values, outside, maps, strict=True)]
        embedding = self.embedding.expand(len(queries), -1, -1)

        is_object, masks = self._predict(queries, finest)
        class_logits, mask_logits = [is_object], [masks]
        for i, layer in enumerate(self.layers):
            scale = i % SCALES
            hidden = self._hidden(masks, maps[scale], outside[scale])
            queries = layer(queries, embedding, keys[scale], values[scale], hidden)
            is_object, masks = self._predict(queries, finest)
            class_logits.append(is_object)
            mask_logits.append(masks)
        return class_logits, mask_logits

    def _predict(self, queries: Tensor, finest: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.norm(queries)
        return self.is_object(normed)[..., 0], torch.einsum("bnc,bchw->bnhw", self.mask(normed), finest)

    @torch.no_grad()
    def _hidden(self, masks: Tensor, level: Tensor, outside: Tensor | None) -> Tensor:
        """Where queries may not look, (B * heads, N, S): outside their masks, where these have any, and on padding."""
        size = (int(level.shape[-2]), int(level.shape[-1]))
        shrunk = F.interpolate(masks.float(), size=size, mode="bilinear", align_corners=False).flatten(2)
        hidden = shrunk.sigmoid() < 0.5
        if outside is None:
            hidden &= ~hidden.all(dim=-1, keepdim=True)
        else:
            padding = outside.flatten(1)[:, None]
            hidden = torch.where((hidden | padding).all(dim=-1, keepdim=True), padding, hidden | padding)
        return hidden.repeat_interleave(self.heads, dim=0)
