"""Word-level text features: CLIP's text transformer, all of its tokens, and which of them are words."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from reir.models.towers.clip_words import VOCABULARY_SIZE, ClipWords

CONTEXT_LENGTH = 77
"""Tokens that a text transformer without a tower reads."""

_END = VOCABULARY_SIZE - 1


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """``words`` (B, T, C), f_w of the paper, and ``sentence`` (B, C), what the end mark has read."""

    words: Tensor
    sentence: Tensor


def tokenize(expressions: Sequence[str], *, context_length: int = CONTEXT_LENGTH) -> tuple[Tensor, Tensor]:
    """CLIP's token ids (B, T) int64 of expressions, and which of them are words (B, T) bool.

    Words are the tokens between the two marks: CLIP's text transformer is causal, so the last of them has read them
    all. An expression without any has its end mark for a word.
    """
    ids = torch.from_numpy(_tokenizer(context_length).encode(expressions))
    return ids, word_mask(ids)


def word_mask(token_ids: Tensor) -> Tensor:
    """Which tokens (B, T) are words; see ``tokenize``."""
    place = torch.arange(token_ids.shape[1], device=token_ids.device)
    end = end_of(token_ids)[:, None]
    words: Tensor = (place > 0) & (place < end) | (place == end) & (end == 1)
    return words


def end_of(token_ids: Tensor) -> Tensor:
    """The place (B,) of the end mark."""
    return (token_ids == _END).int().argmax(dim=1)


@cache
def _tokenizer(context_length: int) -> ClipWords:
    return ClipWords(context_length)


class TextHalf(nn.Module):
    """The text transformer inside open_clip's ``CLIP``, up to its last norm; ``copied``: with weights of its own."""

    def __init__(self, clip: Any, *, copied: bool) -> None:
        super().__init__()
        take = deepcopy if copied else _itself
        self.token_embedding = take(clip.token_embedding)
        self.positional_embedding = take(clip.positional_embedding)
        self.transformer = take(clip.transformer)
        self.ln_final = take(clip.ln_final)
        self.register_buffer("attn_mask", clip.attn_mask, persistent=False)


def _itself(part: Any) -> Any:
    return part


class TextEncoder(nn.Module):
    """f_w: the outputs of a text transformer, after its last norm, projected to C channels and normalised.

    ``transformer`` is open_clip's ``TextTransformer`` or a ``TextHalf``; both have the same parts. While it is
    ``frozen`` it keeps its weights, and a checkpoint leaves them out.
    """

    def __init__(self, *, transformer: nn.Module, inner: int, width: int, frozen: bool) -> None:
        super().__init__()
        self.transformer = transformer.requires_grad_(not frozen)
        self.frozen = frozen
        self.project = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, token_ids: Tensor) -> TextFeatures:
        """The features of tokens (B, T); those that are no words are for the mask to leave out."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            inner = _outputs(self.transformer, token_ids)
        words = self.norm(self.project(inner))
        rows = torch.arange(len(words), device=words.device)
        return TextFeatures(words, words[rows, end_of(token_ids)])


def _outputs(transformer: Any, token_ids: Tensor) -> Tensor:
    """All outputs (B, T, W) of a causal text transformer of open_clip, after its last norm."""
    length = token_ids.shape[1]
    x = transformer.token_embedding(token_ids) + transformer.positional_embedding[:length]
    x = transformer.transformer(x, attn_mask=transformer.attn_mask[:length, :length])
    return transformer.ln_final(x)
