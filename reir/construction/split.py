"""Training and test pictures: a picture is in one of them, whatever is added to the set later."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from reir.construction.pictures import AnnotatedPicture
from reir.errors import UsageError


@dataclass(frozen=True, slots=True)
class Split:
    """Which pictures are for the test: those listed, or a share drawn by a hash of their id and the seed."""

    test_share: float = 0.0
    test_ids: Collection[int] = ()
    seed: int = 0

    @property
    def wanted(self) -> bool:
        """Whether there are two parts."""
        return bool(self.test_share or self.test_ids)

    def is_test(self, picture: AnnotatedPicture) -> bool:
        """Whether a picture is for the test; all its instances go with it."""
        if self.test_ids:
            return picture.id in self.test_ids
        drawn = hashlib.sha256(f"{self.seed}/{picture.id}".encode()).digest()
        return int.from_bytes(drawn[:8]) / 2**64 < self.test_share


def read_ids(path: Path) -> frozenset[int]:
    """The image ids of a text file, one a line.

    Raises:
        UsageError: the file cannot be read, or holds something else, or nothing.
    """
    try:
        ids = frozenset(int(line) for line in path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} must hold image ids, one a line: {error}") from None
    if not ids:
        raise UsageError(f"{path} must hold image ids, one a line, and is empty")
    return ids
