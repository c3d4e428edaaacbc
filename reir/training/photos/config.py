"""What a run on photographs sees: files, their share of the steps, and how pictures are changed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from reir.training.section import Section

Task = Literal["detection", "rec", "reir"]


class PhotoSource(Section):
    """One annotation file with its pictures."""

    file: str = Field(description="a COCO-style JSON file, from the working folder, or a registered name such as demo")
    images: Path | None = Field(default=None, description="folder of the pictures; by default images beside the file")
    task: Task = Field(
        description="detection: texts are names of categories; rec: expressions that fit one object of their picture, "
        "and perhaps others elsewhere; reir: expressions that fit one object of all pictures"
    )
    weight: float = Field(default=1.0, gt=0, description="share of the steps, beside those of the other sources")
    boxes: Literal["all", "referred"] | None = Field(
        default=None, description="whether every object of a picture has its box; by default what the file says"
    )
    objects: str | None = Field(
        default=None,
        description="a detection file with the boxes of all objects of these pictures, which are known by COCO's "
        "numbers: for REIRCOCO, whose file has those of referred objects only",
    )
    pictures: int | None = Field(default=None, gt=0, description="only the first ones")


class PhotoConfig(Section):
    """Batches of photographs (paper, appendix A.1 and table 8).

    The defaults are the paper's where it gives a figure: 8 pictures, short side 480 to 800, long side at most 1333.
    It says "8 images with 16 object instances" and not whether of each picture: here, of each.
    """

    sources: tuple[PhotoSource, ...] = Field(min_length=1)
    pictures: int = Field(default=8, gt=0, description="pictures of a batch")
    instances: int = Field(default=16, gt=0, description="most objects of a picture that an expression is drawn for")
    categories: int = Field(default=16, gt=0, description="names of categories a picture, those it lacks included")
    short_side: tuple[int, int] = Field(default=(480, 800), description="least and greatest shorter side, in pixels")
    short_side_step: int = Field(default=32, gt=0)
    long_side: int = Field(default=1333, gt=0, description="greatest longer side, in pixels")
    multiple: int = Field(default=64, gt=0, description="the sides of the padded batch are multiples of this")
    flip: float = Field(default=0.5, ge=0, le=1, description="share of the pictures that are mirrored")
    mirror_words: bool = Field(
        default=True, description="left and right change places in the words of a mirrored picture (not the paper's)"
    )
    crop: float = Field(default=0.5, ge=0, le=1, description="share of the pictures of which a window is cut")
    crop_side: tuple[float, float] = Field(
        default=(0.6, 1.0), description="least and greatest side of the window, as a share of the picture's"
    )
    crop_visible: float = Field(
        default=0.25, gt=0, le=1, description="an object with less of its box in the window leaves with its texts"
    )
    brightness: float = Field(default=0.2, ge=0, lt=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    saturation: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> PhotoConfig:
        if not 0 < self.short_side[0] <= self.short_side[1] <= self.long_side:
            raise ValueError(f"short_side {self.short_side} and long_side {self.long_side} must rise, from 1")
        if not 0 < self.crop_side[0] <= self.crop_side[1] <= 1:
            raise ValueError(f"crop_side must be two rising shares in (0, 1], got {self.crop_side}")
        return self

    def smoke(self) -> PhotoConfig:
        """The same on a few of the shipped scenes, small: it needs no files, and takes seconds."""
        sources = tuple(
            PhotoSource(file="demo", task=source.task, weight=source.weight, boxes="all", pictures=12)
            for source in self.sources
        )
        return self.model_copy(
            update={
                "sources": sources,
                "pictures": min(self.pictures, 2),
                "instances": min(self.instances, 4),
                "categories": min(self.categories, 6),
                "short_side": (96, 128),
                "long_side": 192,
            }
        )
