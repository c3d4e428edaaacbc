"""Pictures with their annotated objects, kept in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np

from reir.data.columns import TextColumn
from reir.types import FloatArray, IntArray

IssueKind = Literal["malformed", "no area", "outside", "duplicate", "poor"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong in a file.

    ``malformed``: the entry contradicts the layout and is left out; ``no area``: an object without width or height,
    left out; ``outside``: a box that stands out of its picture, cut to it; ``duplicate``: one expression twice on one
    object, kept once; ``poor``: REIRCOCO's mark of an object that cannot be described, which is no expression.
    """

    kind: IssueKind
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """One picture with its N objects.

    ``boxes`` (N, 4) float32 xyxy in pixels of the upright original; ``categories`` (N,) index into the file's
    category names, -1 for none; ``crowd`` (N,) bool: a region of many objects that are not told apart;
    ``expressions`` of each object, perhaps none; ``complete``: whether every object of the picture has its box.
    """

    file_name: str
    width: int
    height: int
    boxes: FloatArray
    categories: IntArray
    crowd: np.ndarray
    expressions: tuple[tuple[str, ...], ...]
    complete: bool


class Annotations(Sequence[AnnotatedPicture]):
    """The pictures of one file, kept in columns: COCO's 860,000 boxes are 20 MB, and workers share them."""

    def __init__(
        self,
        name: str,
        path: Path,
        pictures: Mapping[str, tuple[int, int, list[AnnotatedObject]]],
        *,
        categories: Sequence[str] = (),
        complete: bool = True,
        split: str | None = None,
        issues: Sequence[Issue] = (),
    ) -> None:
        objects = [item for _, _, found in pictures.values() for item in found]
        counts = [len(found) for _, _, found in pictures.values()]
        self.name, self.path, self.split = name, path, split
        self.category_names = tuple(categories)
        self.complete = complete
        self.issues = tuple(issues)
        self.file_names = TextColumn(pictures)
        self.sizes = np.array([entry[:2] for entry in pictures.values()], dtype=np.int32).reshape(-1, 2)
        self.boxes = np.array([item.box for item in objects], dtype=np.float32).reshape(-1, 4)
        self.categories = np.array([item.category for item in objects], dtype=np.int64)
        self.crowd = np.array([item.crowd for item in objects], dtype=bool)
        self._texts = TextColumn(text for item in objects for text in item.texts)
        self._first_object = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        lengths = [len(item.texts) for item in objects]
        self._first_text = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> AnnotatedPicture: ...

    @overload
    def __getitem__(self, index: slice) -> list[AnnotatedPicture]: ...

    def __getitem__(self, index: int | slice) -> AnnotatedPicture | list[AnnotatedPicture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        start, end = (int(value) for value in self._first_object[index : index + 2])
        width, height = (int(side) for side in self.sizes[index])
        return AnnotatedPicture(
            self.file_names[index],
            width,
            height,
            self.boxes[start:end],
            self.categories[start:end],
            self.crowd[start:end],
            tuple(
                tuple(self._texts[t] for t in range(self._first_text[i], self._first_text[i + 1]))
                for i in range(start, end)
            ),
            self.complete,
        )

    def __iter__(self) -> Iterator[AnnotatedPicture]:
        return (self[index] for index in range(len(self)))

    @property
    def object_counts(self) -> IntArray:
        """(P,) objects of each picture that are told apart: no crowds."""
        told_apart: IntArray = np.concatenate([[0], np.cumsum(~self.crowd)])[self._first_object]
        counts: IntArray = np.diff(told_apart)
        return counts

    @property
    def expression_counts(self) -> IntArray:
        """(P,) expressions of each picture."""
        counts: IntArray = np.diff(self._first_text[self._first_object])
        return counts

    @property
    def objects(self) -> int:
        """Objects of all pictures, crowds included."""
        return len(self.boxes)

    @property
    def referred(self) -> int:
        """Objects that an expression refers to."""
        return int((np.diff(self._first_text) > 0).sum())

    @property
    def expressions(self) -> int:
        """Expressions of all objects."""
        return len(self._texts)


@dataclass(slots=True)
class AnnotatedObject:
    """One object as it is read: box xyxy, index of its category or -1, its expressions."""

    box: tuple[float, float, float, float]
    category: int
    crowd: bool
    texts: tuple[str, ...]


def same_text(text: str) -> str:
    """What two expressions have in common that say the same in the same words."""
    return " ".join(text.casefold().split()).rstrip(".!,; ")
