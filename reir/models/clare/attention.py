"""Self-attention and feed-forward, shared by the decoder and the text encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEVER_SEEN = -1e4
"""Score of a key that may not be seen: nothing after the softmax, and no NaN where none may be."""

PLAIN_QUERIES = 128
"""Up to so many queries the plain products are taken: the fused CPU kernel's backward costs five times as much then."""


def plain_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """Attention (B, h, N, c) written out; ``seen`` is True where a key may be seen, broadcast to (B, h, N, N)."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    if seen is not None:
        scores = scores.masked_fill(~seen, NEVER_SEEN)
    return scores.softmax(-1).to(v.dtype) @ v


def fused_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """``plain_attention`` without its (B, h, N, N) scores in memory."""
    bias = None if seen is None else torch.zeros_like(seen, dtype=q.dtype).masked_fill(~seen, NEVER_SEEN)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


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

    def forward(
        self,
        x: Tensor,
        *,
        positions: Tensor | None = None,
        key_mask: Tensor | None = None,
        pair_mask: Tensor | None = None,
    ) -> Tensor:
        """(B, N, d) from ``x`` (B, N, d); ``key_mask`` (B, N) bool is True where a key may be seen.

        ``pair_mask`` (N, N) bool is True where the query of a row may see the key of a column.
        """
        batch, count, width = x.shape
        asked = x if positions is None else x + positions
        q, k, v = (
            layer(source).view(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for layer, source in ((self.q_proj, asked), (self.k_proj, asked), (self.v_proj, x))
        )
        seen = None if key_mask is None else key_mask[:, None, None, :]
        if pair_mask is not None:
            seen = pair_mask if seen is None else seen & pair_mask
        attend = plain_attention if count <= PLAIN_QUERIES else fused_attention
        mixed = attend(q, k, v, seen)
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
