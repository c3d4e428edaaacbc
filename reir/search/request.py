"""One search as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reir.errors import UsageError
from reir.rerank import StagePlan
from reir.search.cursor import Cursor, digest_of
from reir.search.grouping import BOXES_PER_IMAGE
from reir.search.query import Query, check_expression

if TYPE_CHECKING:
    from reir.store import ImageFilter

MOST_HITS = 10_000
"""The last place that can be asked for, over all pages: beyond it, read the vectors themselves (``reir export``)."""

NO_STAGES = StagePlan()


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is searched for, in which pictures, and how much of the answer is wanted.

    Args:
        query: an expression, an example picture, an instance found before, a query vector (D,) float32, or the
            cursor of the page before, with all that follows as it was there (``top`` may change).
        top: how many pictures (with ``flat``: instances), at most ``MOST_HITS`` over all pages.
        flat: rank instances instead of pictures.
        where: conditions on the picture.
        min_score: leave out instances scored lower.
        boxes: at most so many instances of one picture.
        stages: which stages look again at the best instances.
        blend: numbers that mix the parts of the model's score, in place of its own; see ``Model.blend``.

    Raises:
        UsageError: an empty expression, a number out of range, or a cursor of a search under other conditions.
    """

    query: Query
    top: int = 10
    flat: bool = False
    where: ImageFilter | None = None
    min_score: float | None = None
    boxes: int = BOXES_PER_IMAGE
    stages: StagePlan = NO_STAGES
    blend: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.query, str):
            check_expression(self.query)
        if not 1 <= self.top <= MOST_HITS:
            raise UsageError(f"top must be 1 to {MOST_HITS}, got {self.top}")
        if self.boxes < 1:
            raise UsageError(f"boxes must be at least 1, got {self.boxes}")
        if isinstance(self.query, Cursor) and self.query.conditions != self.conditions:
            raise UsageError(
                "the cursor belongs to a search with other filters. Send the same filters on every page, or search anew"
            )

    @property
    def conditions(self) -> bytes:
        """The digest that the pages of one answer share."""
        stages = None if self.stages.empty else self.stages
        others = (self.flat, self.boxes, self.min_score, stages, sorted((self.blend or {}).items()))
        return digest_of(self.where, *others)

    @property
    def snapshot(self) -> int | None:
        """The number of the snapshot that must answer, or None for the newest."""
        return self.query.snapshot if isinstance(self.query, Cursor) else None

    @property
    def places_before(self) -> int:
        """How many places earlier pages have shown."""
        return self.query.places if isinstance(self.query, Cursor) else 0
