"""Expressions to token ids for the text branch, with neither torch nor open_clip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Whitespace

from reir.types import Array, IntArray

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_ID, UNKNOWN_ID = 0, 1

_FUNCTION_WORD = re.compile("an?|the|this|that|these|those|which|who|its?|is|are|be|being|of|to|in|at|by|and|or")
"""Words that hold a description together and describe nothing by themselves."""


class WordTokenizer:
    """One token a word over a closed vocabulary; id 0 pads, id 1 stands for any other word.

    The world of a small model is small: a word it was never taught is better named to the user
    (``unknown_words``) than cut into pieces that it was never taught either.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int = 32) -> None:
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.vocabulary_size: int = tokenizer.get_vocab_size()

    @classmethod
    def from_words(cls, words: Iterable[str], *, max_tokens: int = 32) -> WordTokenizer:
        """A tokenizer that knows exactly these words (sorted, so that ids do not depend on their order)."""
        vocabulary = {PAD: PAD_ID, UNKNOWN: UNKNOWN_ID}
        for word in sorted(set(words)):
            vocabulary[word] = len(vocabulary)
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
        tokenizer.normalizer = Normalizers([NFKC(), Lowercase()])
        tokenizer.pre_tokenizer = Whitespace()
        return cls(tokenizer, max_tokens=max_tokens)

    @classmethod
    def from_file(cls, path: Path, *, max_tokens: int = 32) -> WordTokenizer:
        """The tokenizer stored by ``save``."""
        return cls(Tokenizer.from_file(str(path)), max_tokens=max_tokens)

    def save(self, path: Path) -> None:
        """Write the tokenizer as one JSON file of the ``tokenizers`` library."""
        self._tokenizer.save(str(path))

    def encode(self, expressions: Sequence[str]) -> tuple[IntArray, Array]:
        """Token ids (Q, T) int64 and mask (Q, T) bool, True where there is a token.

        T is the longest expression of the batch, at least 1 and at most ``max_tokens``. An expression with no
        word at all becomes one unknown token, so that no row is empty.
        """
        encodings = self._tokenizer.encode_batch(list(expressions))
        rows = [encoding.ids[: self.max_tokens] or [UNKNOWN_ID] for encoding in encodings]
        width = max((len(row) for row in rows), default=1)
        ids = np.full((len(rows), width), PAD_ID, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = True
        return ids, mask

    def unknown_words(self, expression: str) -> list[str]:
        """Words of the expression that are not in the vocabulary, in order, each once."""
        encoding = self._tokenizer.encode(expression)
        words = (expression[start:end] for start, end in encoding.offsets)
        unknown = [word for word, token in zip(words, encoding.ids, strict=True) if token == UNKNOWN_ID]
        return list(dict.fromkeys(unknown))

    def dropped_words(self, expression: str) -> list[str]:
        """Words past ``max_tokens``, which the text branch never sees."""
        encoding = self._tokenizer.encode(expression)
        return [expression[start:end] for start, end in encoding.offsets[self.max_tokens :]]

    def share_read(self, expression: str) -> float:
        """Share of the words that are known and within ``max_tokens``; 0 where no word says anything.

        Of the words that describe: articles and their like, and punctuation, neither count for nor against.
        """
        encoding = self._tokenizer.encode(expression)
        read = described = 0
        for place, ((start, end), token) in enumerate(zip(encoding.offsets, encoding.ids, strict=True)):
            word = expression[start:end].lower()
            if not _FUNCTION_WORD.fullmatch(word) and any(letter.isalnum() for letter in word):
                described += 1
                read += token != UNKNOWN_ID and place < self.max_tokens
        return read / max(described, 1)
