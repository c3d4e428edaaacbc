"""What a stage may ask about hits: pixels, stored vectors and details, the other instances of a picture, the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reir.protocols import Model
from reir.types import FloatArray, Hit, IntArray, Picture


@dataclass(frozen=True, slots=True)
class Neighbours:
    """All instances of one picture: ids (N,), boxes (N, 4), objectness (N,), vectors (N, D), best objectness first."""

    instance_ids: IntArray
    boxes: FloatArray
    objectness: FloatArray
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.instance_ids)


class Look(Protocol):
    """One search's view of what is searched, for its stages; for one thread."""

    @property
    def model(self) -> Model:
        """The model that made the vectors."""
        ...

    @property
    def blend(self) -> Mapping[str, float]:
        """The numbers that mix the parts of the model's score in this search."""
        ...

    @property
    def snapshot(self) -> int:
        """The number of the snapshot that answered."""
        ...

    least_side: int
    """Longer side in pixels of the pictures that the stage that runs wants, at least; 0 where the model's will do."""

    out_of_time: Callable[[], bool]
    """Whether the stage that runs has used up its time. One that goes step by step asks, and ends with what it has."""

    def picture(self, hit: Hit) -> Picture:
        """The decoded picture of a hit.

        Raises:
            ImageUnreadableError: it cannot be read any more, or is another than the one that was indexed.
        """
        ...

    def vectors(self, hits: Sequence[Hit]) -> FloatArray:
        """The stored vectors of hits, (N, D) float32."""
        ...

    def details(self, instance_ids: Sequence[int]) -> list[dict[str, Any]]:
        """What is known of instances beside box and vector; see ``Instances``."""
        ...

    def neighbours(self, hits: Sequence[Hit]) -> list[Neighbours]:
        """For each hit, all instances of its picture, its own among them."""
        ...
