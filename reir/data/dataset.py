"""A gallery with expressions and what they refer to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from reir.types import Box

SizeClass = Literal["small", "medium", "large"]
SIZE_CLASSES: tuple[SizeClass, ...] = get_args(SizeClass)


@dataclass(frozen=True, slots=True)
class DatasetImage:
    """One picture of the gallery; ``file_name`` is posix, relative to the data set's images root."""

    file_name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Target:
    """One object that an expression refers to: the picture and the true box, xyxy in its pixels.

    ``area`` in pixels is that of the object's mask where the data set says it, else of its box; ``size`` is the class
    the data set gives it, if any. ``mask`` is its true mask as compressed COCO run lengths at the picture's size, where
    the data set has one and was loaded with masks.
    """

    file_name: str
    box: Box
    area: float
    size: SizeClass | None = None
    mask: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Query:
    """An expression with its targets: one, or for an ambiguous expression every object of the gallery it describes."""

    text: str
    targets: tuple[Target, ...]
    kind: str | None = None

    @property
    def file_name(self) -> str:
        """The picture of the (first) target."""
        return self.targets[0].file_name

    @property
    def box(self) -> Box:
        """The box of the (first) target, xyxy."""
        return self.targets[0].box


@dataclass(frozen=True, slots=True)
class Dataset:
    """A gallery of ``images`` with ``queries`` that each describe one object of it.

    ``ambiguous`` expressions describe several objects; they can be measured by protocol ``any`` only.
    """

    name: str
    path: Path
    images_root: Path
    images: Sequence[DatasetImage]
    queries: Sequence[Query]
    ambiguous: Sequence[Query] = ()
