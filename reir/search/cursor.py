"""Where a page of an answer ended: all that the next page needs to go on exactly there."""

from __future__ import annotations

import hashlib
import math
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reir.errors import UsageError
from reir.types import FloatArray

if TYPE_CHECKING:
    from reir.store import ImageFilter

_VERSION = 1
_HEADER = struct.Struct("<BqIdq8sH")
"""Version, snapshot, places shown, last score, last instance id, digest of the conditions, dimension."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place after which an answer goes on.

    It names the snapshot, so that a gallery that changes meanwhile neither repeats nor skips a hit, and holds the query
    vector (D,) float32 itself: an expression encoded again in another batch may differ in its last bits, which is
    enough to turn two near-equal hits round at the border of a page.
    """

    snapshot: int
    conditions: bytes
    """Digest of what limits and orders the answer, see `digest_of`; it must be the same on every page."""
    places: int
    """How many places (pictures, or boxes of a flat answer) the pages up to here have shown."""
    score: float
    """Score of the best instance of the last place."""
    instance_id: int
    vector: FloatArray
    expression: str | None = None

    def encode(self) -> str:
        """The cursor as text for URLs and JSON."""
        header = _HEADER.pack(
            _VERSION, self.snapshot, self.places, self.score, self.instance_id, self.conditions, len(self.vector)
        )
        text = b"" if self.expression is None else b"e" + self.expression.encode()
        return urlsafe_b64encode(header + self.vector.astype("<f4").tobytes() + text).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """The cursor that was written as ``text``.

        Raises:
            UsageError: it was not written by `encode`, or was cut off.
        """
        try:
            data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            version, snapshot, places, score, instance_id, conditions, dimension = _HEADER.unpack_from(data)
            vector = np.frombuffer(data, "<f4", dimension, _HEADER.size).astype(np.float32)
            rest = data[_HEADER.size + 4 * dimension :]
            expression = rest[1:].decode() if rest[:1] == b"e" else None
        except (ValueError, struct.error):
            raise UsageError("the cursor is damaged. Take next_cursor of the page before, or search anew") from None
        whole = version == _VERSION and dimension > 0 and (expression is not None or not rest)
        if not whole or not math.isfinite(score) or not np.isfinite(vector).all() or snapshot < 0:
            raise UsageError("the cursor is damaged. Take next_cursor of the page before, or search anew")
        return cls(snapshot, conditions, places, score, instance_id, vector, expression)


def digest_of(where: ImageFilter | None, *others: object) -> bytes:
    """Eight bytes that tell apart searches whose pages must not be mixed; the order of id lists plays no part."""
    limits = None if where is None or where.lets_all_through else where.digest
    return hashlib.blake2b(repr((limits, *others)).encode(), digest_size=8).digest()
