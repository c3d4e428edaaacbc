"""The small text encoder: token and position codes, pre-norm transformer layers, mean over tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward, SelfAttention


class TextLayer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, *, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width=width, heads=heads)
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward = FeedForward(width=width, hidden=feedforward, gelu=True)

    def forward(self, x: Tensor, token_mask: Tensor) -> Tensor:
        """(Q, T, d) from ``x`` (Q, T, d) and ``token_mask`` (Q, T) bool."""
        x = x + self.attention(self.attention_norm(x), key_mask=token_mask)
        result: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return result


class TextEncoder(nn.Module):
    """Sentence features F_t (Q, d) of token ids; the mean of the token states, padding left out."""

    def __init__(
        self, *, vocabulary: int, max_tokens: int, width: int, layers: int, heads: int, feedforward: int
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(max_tokens, width) * 0.02)
        nn.init.normal_(self.tokens.weight, std=0.05)
        self.layers = nn.ModuleList(TextLayer(width=width, heads=heads, feedforward=feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """F_t (Q, d) from ``token_ids`` (Q, T) and ``token_mask`` (Q, T) bool, True for a token."""
        x = self.tokens(token_ids) + self.places[: token_ids.shape[1]]
        for layer in self.layers:
            x = layer(x, token_mask)
        weight = token_mask[..., None].to(x.dtype)
        states = self.norm(x)
        result: Tensor = (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return result
