"""CLIP's byte-pair tokenizer from the vocabulary inside open_clip, with neither torch nor open_clip imported."""

from __future__ import annotations

import gzip
import html
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reir.models.towers.openclip_registry import package_folder
from reir.types import IntArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY_SIZE = 49408
START, END = "<start_of_text>", "<end_of_text>"
_MERGES = VOCABULARY_SIZE - 512 - 2
"""All but single bytes, those at the end of a word, and the two marks."""
_PIECE = rf"{START}|{END}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+"
"""What byte pairs are merged within: a run of letters, one digit, a run of other signs (CLIP's own pattern)."""


class ClipWords:
    """Token ids as ``open_clip.SimpleTokenizer`` gives them, cut before the end mark at ``context_length``."""

    def __init__(self, context_length: int) -> None:
        self._room = context_length - 2

    def encode(self, texts: Sequence[str]) -> IntArray:
        """Token ids (Q, T) int64, both marks included; T that of the longest text, shorter rows end in zeros."""
        rows = [[VOCABULARY_SIZE - 2, *self._pieces(text)[: self._room], VOCABULARY_SIZE - 1] for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows), default=2)), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return ids

    def count(self, text: str) -> int:
        """How many tokens a text has when nothing is cut, both marks included."""
        return len(self._pieces(text)) + 2

    def _pieces(self, text: str) -> list[int]:
        import ftfy

        clean = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()
        ids: list[int] = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return ids

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Regex, Tokenizer, pre_tokenizers
        from tokenizers.models import BPE

        with gzip.open(package_folder() / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")[1 : 1 + _MERGES]
        merges = [(first, second) for first, second in (line.split() for line in lines)]
        alphabet = _byte_signs()
        words = [*alphabet, *(f"{sign}</w>" for sign in alphabet), *(a + b for a, b in merges), START, END]
        vocabulary = {word: number for number, word in enumerate(words)}
        tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PIECE), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.add_special_tokens([START, END])
        return tokenizer


def _byte_signs() -> list[str]:
    """The sign that stands for each byte, in the order of CLIP's vocabulary: printable ones first, as themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [*map(chr, printable), *(chr(256 + i) for i in range(others))]
