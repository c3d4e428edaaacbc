"""Self-attention and feed-forward, shared by the decoder and the text encoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention; positions are added to queries and keys, not to values."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.o_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, *, positions: Tensor | None = None, key_mask: Tensor | None = None) -> Tensor:
        """(B, N, d) from ``x`` (B, N, d); ``key_mask`` (B, N) bool is True where a key may be seen."""
        batch, count, width = x.shape
        asked = x if positions is None else x + positions
        q, k, v = (
            layer(source).view(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for layer, source in ((self.q_proj, asked), (self.k_proj, asked), (self.v_proj, x))
        )
        # Plain products: for tens of queries the fused CPU kernel's backward costs five times as much.
        scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        if key_mask is not None:
            scores = scores.masked_fill(~key_mask[:, None, None, :], -1e4)
        mixed = scores.softmax(-1).to(v.dtype) @ v
        result: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return result


class FeedForward(nn.Module):
    """Two linear layers with a ReLU (or GELU) between them."""

    def __init__(self, *, width: int, hidden: int, outputs: int | None = None, gelu: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width if outputs is None else outputs)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        """(..., outputs) from ``x`` (..., width)."""
        inner = self.fc1(x)
        result: Tensor = self.fc2(F.gelu(inner) if self.gelu else F.relu(inner))
        return result
