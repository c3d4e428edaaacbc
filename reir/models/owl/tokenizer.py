"""CLIP's byte-pair tokenizer over an OWL folder's own vocabulary, with neither torch nor transformers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from reir.errors import UsageError
from reir.models.owl.folder import OwlFolder
from reir.types import IntArray

START, END = "<|startoftext|>", "<|endoftext|>"

_PIECE = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What byte pairs are merged within: a run of letters, one digit, a run of other signs (CLIP's own pattern)."""
_WORD = re.compile(r"\S+")


class ClipTokenizer:
    """Token ids as transformers' ``CLIPTokenizer`` gives them, cut before the end token at the tower's length.

    *Differs from transformers*: there a longer text is an error of the tower, unless truncation is asked for.

    Raises:
        UsageError: the vocabulary lacks CLIP's start or end token.
    """

    def __init__(self, folder: OwlFolder) -> None:
        self._tokenizer = _read(folder)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._room = folder.text.max_tokens - 2
        start, end = self._tokenizer.token_to_id(START), self._tokenizer.token_to_id(END)
        if start is None or end is None:
            raise UsageError(f"{folder.path}: the tokenizer is not CLIP's, it has no {START} and {END}")
        self._start, self._end = int(start), int(end)

    def encode(self, texts: Sequence[str]) -> IntArray:
        """Token ids (Q, T) int64, start and end included; T that of the longest text, shorter rows end in zeros."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows = [[self._start, *encoding.ids[: self._room], self._end] for encoding in encodings]
        ids = np.zeros((len(rows), max(map(len, rows), default=2)), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return ids

    def dropped_words(self, text: str) -> list[str]:
        """Words past the tower's length, also one that is cut in two; signs that stand alone are no words."""
        return [word for word, read in self._words(text) if not read]

    def share_read(self, text: str) -> float:
        """Share of the words that are taken in whole; 0 for a text without words."""
        reads = [read for _, read in self._words(text)]
        return sum(reads) / max(len(reads), 1)

    def _words(self, text: str) -> list[tuple[str, bool]]:
        """The words of a text and whether each is taken in whole."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        limit = offsets[self._room][0] if len(offsets) > self._room else len(text)
        return [
            (word[0], word.end() <= limit) for word in _WORD.finditer(text) if any(sign.isalnum() for sign in word[0])
        ]


def _read(folder: OwlFolder) -> Tokenizer:
    names = folder.tokenizer
    try:
        if names == ("tokenizer.json",):
            return Tokenizer.from_file(str(folder.path / names[0]))
        vocabulary, merges, *extras = (folder.path / name for name in names)
        special = [token for extra in extras for token in _special_tokens(extra)]
        spelling = {"continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "unk_token": END}
        model = BPE.from_file(str(vocabulary), str(merges), **spelling)
    except Exception as error:  # The library raises Exception itself.
        raise UsageError(
            f"{folder.path}: {' and '.join(names)} cannot be read ({error}). Copy the folder again"
        ) from error
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECE), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([token for token in (START, END, *special) if model.token_to_id(token) is not None])
    return tokenizer


def _special_tokens(file: Path) -> list[str]:
    """The special tokens that a file beside vocab.json names: OWL pads with "!", which is then no sign any more."""
    named = json.loads(file.read_text())
    tokens = (named.get(f"{role}_token") for role in ("bos", "eos", "unk", "pad"))
    return [token["content"] if isinstance(token, dict) else token for token in tokens if token is not None]
