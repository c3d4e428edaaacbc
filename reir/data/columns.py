"""Many short texts in two arrays, which worker processes share without copying them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reir.types import IntArray


class TextColumn:
    """A list of texts that cannot be changed. A list of Python strings would be copied page by page into every
    worker, for reading one counts its references.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._ends: IntArray = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(f"text {index} of {len(self)}")
        start = int(self._ends[index - 1]) if index else 0
        return self._bytes[start : int(self._ends[index])].tobytes().decode("utf-8", "surrogatepass")
