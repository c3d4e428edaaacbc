"""SigLIP's tokenizer for the full-size network, with neither torch nor open_clip, and whichever a checkpoint has."""

from __future__ import annotations

import html
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from reir.errors import UsageError
from reir.models.hub import find_folder
from reir.models.towers.openclip_registry import architecture_config, architectures
from reir.text import WordTokenizer
from reir.types import Array, IntArray

FILE = "tokenizer.json"
END, END_ID = "</s>", 1
"""SigLIP's end token, which also fills up what is left of its context."""
CONTEXT = 64
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def canonicalise(text: str) -> str:
    """A text as SigLIP was trained on it: repaired, in lower case, without punctuation, single spaces."""
    import ftfy

    clean = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(clean.replace("_", " ").translate(_NO_PUNCTUATION).lower().split())


class SiglipTokenizer:
    """Token ids as open_clip's and transformers' tokenizers of SigLIP give them: canonical text, end token, 64 at most.

    Raises:
        UsageError: the vocabulary is not SigLIP's, whose token 1 is ``</s>`` (SigLIP 2 has another).
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int = CONTEXT) -> None:
        if tokenizer.token_to_id(END) != END_ID:
            raise UsageError(
                f"not SigLIP's tokenizer: its token {END_ID} is {tokenizer.id_to_token(END_ID)!r}, not {END}"
            )
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.vocabulary_size: int = tokenizer.get_vocab_size()

    @classmethod
    def find(cls, name: str, *, max_tokens: int = CONTEXT) -> SiglipTokenizer:
        """The tokenizer of an open_clip architecture, a hub repository or a local folder; nothing is fetched.

        Raises:
            UsageError: the folder has no tokenizer that can be read.
            WeightsMissingError: the repository is not on this machine; the message says how to get it.
        """
        if name in architectures():
            name = str(architecture_config(name)["text_cfg"].get("hf_tokenizer_name"))
        folder = Path(name).expanduser()
        return cls.load(
            (folder if folder.is_dir() else find_folder(name, patterns=[FILE])) / FILE, max_tokens=max_tokens
        )

    @classmethod
    def load(cls, path: Path, *, max_tokens: int = CONTEXT) -> SiglipTokenizer:
        """The tokenizer of a file of the ``tokenizers`` library, as ``save`` writes it and published folders have it.

        Raises:
            UsageError: the file is missing or not SigLIP's.
        """
        return cls(_read(path), max_tokens=max_tokens)

    def save(self, path: Path) -> None:
        """Write the tokenizer as one JSON file of the ``tokenizers`` library."""
        self._tokenizer.save(str(path))

    def encode(self, expressions: Sequence[str]) -> tuple[IntArray, Array]:
        """Token ids (Q, T) int64 and mask (Q, T) bool, True where there is a token, the end token included.

        T is the longest expression of the batch, at most ``max_tokens``: then its last words are cut, not the end
        token. Places after the end hold the end token too, as SigLIP wants them, and are False in the mask.
        """
        encodings = self._tokenizer.encode_batch([canonicalise(text) for text in expressions], add_special_tokens=False)
        rows = [[*encoding.ids[: self.max_tokens - 1], END_ID] for encoding in encodings]
        width = max((len(row) for row in rows), default=1)
        ids = np.full((len(rows), width), END_ID, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = True
        return ids, mask

    def unknown_words(self, expression: str) -> list[str]:
        """Words with a sign that the vocabulary lacks, in lower case, in order, each once."""
        return list(dict.fromkeys(word for word, known, _ in self._words(expression) if not known))

    def dropped_words(self, expression: str) -> list[str]:
        """Words past ``max_tokens``, also one that is cut in two, in lower case."""
        return [word for word, _, read in self._words(expression) if not read]

    def share_read(self, expression: str) -> float:
        """Share of the words that are known and taken in whole; 0 for a text without words."""
        words = self._words(expression)
        return sum(known and read for _, known, read in words) / max(len(words), 1)

    def _words(self, expression: str) -> list[tuple[str, bool, bool]]:
        """The words of the canonical text, whether the vocabulary has them, and whether they are taken in whole."""
        text = canonicalise(expression)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        room = self.max_tokens - 1
        limit = encoding.offsets[room][0] if len(encoding.offsets) > room else len(text)
        unknown_id = self._tokenizer.token_to_id("<unk>")
        unknown = [place for place, token in zip(encoding.offsets, encoding.ids, strict=True) if token == unknown_id]
        words = []
        start = 0
        for word in text.split():
            end = start + len(word)
            known = not any(first < end and start < last for first, last in unknown)
            words.append((word, known, end <= limit))
            start = end + 1
        return words


ClareTokenizer = WordTokenizer | SiglipTokenizer


def load_tokenizer(path: Path, *, max_tokens: int = CONTEXT) -> ClareTokenizer:
    """The tokenizer of a checkpoint folder's ``tokenizer.json``: a closed vocabulary of words, or SigLIP's.

    Raises:
        UsageError: the file is missing, damaged, or of another kind.
    """
    tokenizer = _read(path)
    if isinstance(tokenizer.model, WordLevel):
        return WordTokenizer(tokenizer, max_tokens=max_tokens)
    return SiglipTokenizer(tokenizer, max_tokens=max_tokens)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(
            f"{path} is missing. A folder with spiece.model alone is completed by transformers: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises Exception itself.
        raise UsageError(f"{path} cannot be read ({error}). Copy it again") from error
