"""What crosses a package border: results, frozen and checked once when they are made, and the options of a search.

Boxes are ``x0, y0, x1, y1`` in pixels of the upright original picture (after EXIF rotation), everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypedDict

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Box = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` of one box."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture as models take it: upright, possibly reduced.

    ``pixels`` is (h, w, 3) uint8 RGB; ``width`` and ``height`` are those of the upright *original*, to which
    boxes refer (``w <= width`` when the picture was decoded at a reduced size).
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be (h, w, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a picture has a positive size, got {self.width}x{self.height}")


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects that a model keeps of one picture, best objectness first.

    ``boxes`` (N, 4) float32, ``objectness`` (N,) float32 in [0, 1], ``vectors`` (N, D) float32. ``details`` are what a
    model knows of each instance beside these, as JSON objects: ``mask`` (COCO RLE, perhaps of the picture reduced),
    ``caption``, ``phrases`` and ``phrase_cosines``; None for a model that knows no more.
    """

    boxes: FloatArray
    objectness: FloatArray
    vectors: FloatArray
    details: tuple[Mapping[str, Any], ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.boxes.dtype != np.float32:
            raise ValueError(f"boxes must be (N, 4) float32, got {self.boxes.shape} {self.boxes.dtype}")
        if self.objectness.shape != (n,) or self.objectness.dtype != np.float32:
            raise ValueError(f"objectness must be ({n},) float32, got {self.objectness.shape} {self.objectness.dtype}")
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.vectors.dtype != np.float32:
            raise ValueError(f"vectors must be ({n}, D) float32, got {self.vectors.shape} {self.vectors.dtype}")
        if self.details is not None and len(self.details) != n:
            raise ValueError(f"there must be {n} details, got {len(self.details)}")

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: IntArray) -> Instances:
        """The instances in these rows, in their order."""
        details = None if self.details is None else tuple(self.details[row] for row in rows.tolist())
        return Instances(self.boxes[rows], self.objectness[rows], self.vectors[rows], details)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model, with which settings, made an index: equal fingerprints mean equal vectors."""

    name: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One (picture, box) answer. ``score`` is the raw inner product (or the last stage's score)."""

    rank: int
    score: float
    image_id: int
    path: str
    width: int
    height: int
    box: Box
    objectness: float
    instance_id: int
    external_id: str | None = None
    probability: float | None = None
    mask: Mapping[str, Any] | None = None
    stages: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The hit as the JSON object of the command line and of the service."""
        # Field by field: asdict copies each value deeply, which took longer than all else of a served search.
        return {
            "rank": self.rank,
            "score": self.score,
            "probability": self.probability,
            "image_id": self.image_id,
            "external_id": self.external_id,
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "box": [round(value, 2) for value in self.box],
            "objectness": self.objectness,
            "instance_id": self.instance_id,
            "mask": None if self.mask is None else dict(self.mask),
            "stages": dict(self.stages),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The hit of a JSON object; fields that a later version may have added are passed over."""
        known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        x0, y0, x1, y1 = record["box"]
        return cls(**{**known, "box": (x0, y0, x1, y1)})


@dataclass(frozen=True, slots=True)
class Grounding:
    """Where an expression's object is in one picture: a box in pixels of the upright original, and how sure that is.

    ``mask`` is (h, w) bool over ``Picture.pixels``, or None from a method that gives none; ``notes`` are what else the
    method tells, as JSON values. ``score`` may be compared between the expressions of one method only.
    """

    box: Box
    score: float
    mask: npt.NDArray[np.bool_] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise ValueError(f"a mask must be (h, w) bool, got {self.mask.shape} {self.mask.dtype}")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Ranked hits for one query, with what it cost and what the user should know."""

    expression: str | None
    model: str
    snapshot: int
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    no_match: bool | None = None
    next_cursor: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer as the JSON object of the command line and of the service."""
        return {
            "expression": self.expression,
            "model": self.model,
            "snapshot": self.snapshot,
            "no_match": self.no_match,
            "next_cursor": self.next_cursor,
            "timings_ms": {name: round(value, 3) for name, value in self.timings_ms.items()},
            "warnings": list(self.warnings),
            "hits": [hit.to_json() for hit in self.hits],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The answer of a JSON object; fields that a later version may have added are passed over."""
        known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        hits = tuple(Hit.from_json(hit) for hit in record["hits"])
        return cls(**{**known, "hits": hits, "warnings": tuple(record["warnings"])})


class SearchOptions(TypedDict, total=False):
    """The options that every search takes, in a gallery and by a client of a service alike."""

    top: int
    """How many pictures (with ``flat``: instances); 10."""
    flat: bool
    """Rank instances, not pictures."""
    boxes: int
    """At most so many of one picture; 5."""
    min_score: float | None
    """Leave out instances scored lower."""
    path_prefix: str | None
    """Only pictures whose path begins with it (``"holidays/"``)."""
    after: datetime | None
    """Only pictures taken then or later, by the camera's clock."""
    before: datetime | None
    """Only pictures taken earlier than that."""
    image_ids: Sequence[int] | None
    """Only these pictures."""
    external_ids: Sequence[str] | None
    """Only the pictures with these ids of yours."""
    rerank: Sequence[str]
    """Stages that rank the best instances anew, one after the other (``reir.rerank.list_stages``)."""
    refine: str | None
    """The stage that gives the hits better boxes."""
    mask: str | None
    """The stage that gives the hits masks."""
    stage_top: int
    """How many instances are ranked anew; 100."""
    stage_seconds: float
    """Time budget of each stage, 10; hits that it does not reach stay as they were."""
    blend: Mapping[str, float] | None
    """Numbers that mix the parts of the model's score, in place of its own (``gallery.model.blend``)."""
