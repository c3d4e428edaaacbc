"""The text half of an OWL model: expressions to unit embeddings, and what of them is not taken in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

from reir.models.owl.folder import OwlFolder
from reir.models.owl.tokenizer import ClipTokenizer
from reir.models.owl.tower import TextTower
from reir.types import FloatArray


class TextBranch:
    """Tokenizer and tower of a folder, loaded when first needed. Safe from several threads; needs no torch.

    Two things make a text branch, ``encode`` and the tokenizer's answers: another engine for the tower goes in here.
    """

    def __init__(self, folder: OwlFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit embeddings (Q, E) float32 of texts, each cut to the tower's length."""
        with self._lock:
            tokenizer, tower = self._tokenizer, self._tower
        return tower.embed(tokenizer.encode(texts))

    def dropped_words(self, text: str) -> list[str]:
        """Words past the tower's length."""
        return self._loaded_tokenizer().dropped_words(text)

    def share_read(self, text: str) -> float:
        """Share of the words that are taken in whole; 0 for a text without words."""
        return self._loaded_tokenizer().share_read(text)

    def _loaded_tokenizer(self) -> ClipTokenizer:
        with self._lock:
            return self._tokenizer

    @cached_property
    def _tokenizer(self) -> ClipTokenizer:
        return ClipTokenizer(self._folder)

    @cached_property
    def _tower(self) -> TextTower:
        return TextTower.load(self._folder)
