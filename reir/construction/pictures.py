"""Annotated pictures: what a data set is made from, whatever COCO file they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from reir.data.annotations import POOR
from reir.errors import DatasetError
from reir.types import Box

Quality = Literal["good", "poor", "failed", "unasked"]
"""Of an instance: described; too poor to be described; asked in vain; not asked yet."""

Step = Literal["annotated", "generated", "filtered"]


def says_poor(text: str) -> bool:
    """Whether a text is what the paper's models write in place of descriptions of a poor instance (appendix B.2).

    *Differs from the paper*: it is understood and never written. Our files say ``"quality": "poor"``, because a
    sentence among the expressions would be searched for like one.
    """
    return text.strip().rstrip(".").casefold() == POOR


@dataclass(frozen=True, slots=True)
class AnnotatedInstance:
    """One annotated object; ``box`` is xyxy in pixels of the upright picture, ``area`` that of its mask or box."""

    id: int
    box: Box
    category: str
    area: float
    crowd: bool = False
    texts: tuple[str, ...] = ()
    quality: Quality = "unasked"
    cause: str | None = None
    """Why it is poor, or has failed."""
    warnings: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    """The annotation as it stands in the file."""


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """One picture with its captions and its objects; an object's number in prompts is its place here, from 1."""

    id: int
    file_name: str
    width: int
    height: int
    captions: tuple[str, ...]
    instances: tuple[AnnotatedInstance, ...]

    def number_of(self, instance_id: int) -> int:
        """The number of an instance within the picture, from 1."""
        return 1 + next(place for place, one in enumerate(self.instances) if one.id == instance_id)


@dataclass(frozen=True, slots=True)
class AnnotatedSet:
    """The pictures of one file, their folder, and the categories as the file has them; ``digest`` names its content.

    ``step`` says what was done to it: ``annotated`` (no descriptions), ``generated`` or ``filtered``.
    """

    path: Path
    images_root: Path
    digest: str
    pictures: Sequence[AnnotatedPicture]
    categories: Sequence[Mapping[str, Any]]
    step: Step = "annotated"

    def first(self, count: int | None) -> AnnotatedSet:
        """The set with its first ``count`` pictures alone; all of them for None."""
        return self if count is None else replace(self, pictures=self.pictures[:count])

    def require_pictures(self) -> None:
        """Nothing, if the folder of the pictures is there.

        Raises:
            DatasetError: it is not.
        """
        if not self.images_root.is_dir():
            raise DatasetError(
                f"the pictures of {self.path} are not in {self.images_root}. Name their folder: --images DIR"
            )

    @property
    def instance_count(self) -> int:
        """Number of the instances of all pictures."""
        return sum(len(picture.instances) for picture in self.pictures)
