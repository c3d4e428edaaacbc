"""What a model knows of instances beside box and vector, kept as JSON text: masks, captions, phrases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reir.types import Array, IntArray


@dataclass(frozen=True, slots=True)
class Details:
    """JSON objects of N instances in two arrays, so that any row is read without the others.

    ``ends`` (N,) int64: where each row's text ends in ``text`` (bytes as uint8); an empty text stands for no details.
    """

    ends: IntArray
    text: Array

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def of(cls, objects: Iterable[Mapping[str, Any]]) -> Details:
        """The details of these instances.

        Raises:
            ValueError: an object holds what JSON cannot, or NaN.
        """
        try:
            return cls.from_texts([json.dumps(each, allow_nan=False) if each else "" for each in objects])
        except TypeError as error:
            raise ValueError(f"details must be JSON objects: {error}") from error

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Details:
        """The details of these JSON texts."""
        rows = [text.encode() for text in texts]
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        return cls(ends, np.frombuffer(b"".join(rows), np.uint8))

    @classmethod
    def concatenate(cls, parts: Sequence[Details]) -> Details:
        """The rows of all parts, in their order."""
        lengths = [np.diff(part.ends, prepend=0) for part in parts]
        return cls(np.cumsum(np.concatenate(lengths)), np.concatenate([part.text for part in parts]))

    @classmethod
    def none(cls, count: int) -> Details:
        """So many rows without details."""
        return cls(np.zeros(count, np.int64), np.empty(0, np.uint8))

    def json_text(self, row: int) -> str:
        """The JSON text of a row."""
        start = self.ends[row - 1] if row else 0
        return bytes(self.text[start : self.ends[row]]).decode()

    def json_object(self, row: int) -> dict[str, Any]:
        """The JSON object of a row; empty where there are no details."""
        text = self.json_text(row)
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def take(self, rows: IntArray) -> Details:
        """The rows with these numbers, in their order."""
        return self.from_texts([self.json_text(row) for row in rows.tolist()])
