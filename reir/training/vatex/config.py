"""Run files of VATEX: a mask for every referring expression, on photographs or on emoji scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from reir.errors import UsageError
from reir.models.clare.config import TINY
from reir.models.vatex.config import Backbone, VatexConfig
from reir.training.loop_config import LoopConfig
from reir.training.section import Section
from reir.training.untrained import UNTRAINED

NONE = "none"
IMAGENET = "imagenet"
CLARE_TINY = "clare-tiny"
_PAPER = VatexConfig()


class VatexNetwork(Section):
    """The network's sizes, and what of the paper's Table 4 it has."""

    backbone: Backbone = _PAPER.backbone
    tower: str | None = Field(
        default=_PAPER.tower,
        description="the frozen CLIP: open_clip's ARCH__PRETRAINED or a folder in its layout; none: words are learned "
        f"from nothing, and there is no CLIP Prior; {UNTRAINED} is for smoke runs",
    )
    width: int = _PAPER.width
    queries: int = _PAPER.queries
    layers: int = _PAPER.layers
    heads: int = _PAPER.heads
    feedforward: int = _PAPER.feedforward
    clip_prior: bool = True
    cmd: bool = True
    mcc: bool = True
    side: int = Field(default=_PAPER.side, description="shorter side of a picture in pixels")
    prior_side: int | None = Field(default=None, description="of the square that the frozen CLIP sees; else its own")
    train_words: bool = Field(default=False, description="the text transformer learns too, from CLIP's weights on")
    backbone_channels: tuple[int, ...] = Field(
        default=_PAPER.backbone_channels, description="of the tiny backbone, at strides 4, 8, 16, 32"
    )

    text_width: int = Field(default=_PAPER.text_width, description="of a text transformer without a tower")
    text_layers: int = _PAPER.text_layers
    text_heads: int = _PAPER.text_heads

    @field_validator("tower", mode="before")
    @classmethod
    def _no_tower(cls, value: Any) -> Any:
        return None if value == NONE else value

    @model_validator(mode="after")
    def _fits(self) -> VatexNetwork:
        try:
            self.shape()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def shape(self) -> VatexConfig:
        """The same as the network is built from."""
        return replace(_PAPER, **self.model_dump())


class RowsConfig(Section):
    """What one batch holds: rows of an expression and a picture, in threes for the Meaning Consistency Constraint."""

    pictures: int = Field(default=8, gt=0)
    expressions: int = Field(
        default=3, ge=1, description="rows a picture: from 3 on, the first three are a triplet (section 3.3)"
    )


class MaskScenes(Section):
    """Emoji scenes rendered once to disk, at the side of the network."""

    scenes: int = Field(gt=0, description="training scenes in the cache")
    expressions: int = Field(default=12, gt=1, description="expressions written for each scene, once")
    mirror: bool = Field(default=True, description="half of the pictures mirrored, with their words")
    validation_scenes: int = Field(default=150, gt=0)


class MaskPhotos(Section):
    """Photographs with expressions and masks: a COCO-style file with ``segmentation``."""

    file: str = Field(description="a JSON file, from the working folder, or the name of a registered data set")
    images: Path | None = Field(default=None, description="folder of the pictures; by default images beside the file")
    pictures: int | None = Field(default=None, gt=0, description="only the first ones")
    flip: float = Field(
        default=0.5, ge=0, le=1, description="share of pictures mirrored with their words, where these can be"
    )
    validation: str | None = Field(default=None, description="another such file; never a test split")
    validation_pictures: int | None = Field(default=None, gt=0, description="only the first ones of it")


class VatexLoss(Section):
    """Weights of equation 8: the mask's 5 weighs both of its losses, as in Mask2Former."""

    classification: float = 2.0
    mask: float = Field(default=5.0, description="binary cross-entropy of the pixels")
    dice: float = 5.0
    mcc: float = 2.0


class VatexTraining(LoopConfig):
    """A whole run, on photographs (``photos``) or on emoji scenes (``scenes``)."""

    kind: Literal["vatex"]
    network: VatexNetwork = VatexNetwork()
    backbone_weights: str = Field(
        default=IMAGENET,
        description="imagenet: torchvision's, which must be on this machine; none: random ones; clare-tiny: those of "
        "the package's own network, for the tiny backbone at strides 4, 8 and 16; or a file",
    )
    rows: RowsConfig = RowsConfig()
    photos: MaskPhotos | None = None
    scenes: MaskScenes | None = None
    loss: VatexLoss = VatexLoss()

    @model_validator(mode="after")
    def _one_source(self) -> VatexTraining:
        if (self.photos is None) == (self.scenes is None):
            raise ValueError("a run is on photographs (photos) or on emoji scenes (scenes): name one of the two")
        if self.network.backbone == "tiny" and self.backbone_weights == IMAGENET:
            raise ValueError(
                f"the tiny backbone has no ImageNet weights: backbone_weights is {CLARE_TINY}, none or a file"
            )
        if self.backbone_weights == CLARE_TINY and (
            self.network.backbone != "tiny" or self.network.backbone_channels[:3] != TINY.backbone_channels
        ):
            raise ValueError(f"{CLARE_TINY} has weights for the tiny backbone with channels {TINY.backbone_channels}")
        if self.network.mcc and self.rows.expressions < 3:
            raise ValueError("rows.expressions must be at least 3 for the triplets of network.mcc")
        return self

    def smoke(self) -> VatexTraining:
        """The same run with everything small: it ends in seconds and touches every line.

        It takes a tiny network, scenes of the package as photographs, and needs no weights.
        """
        small = {"backbone": "tiny", "backbone_channels": (16, 24, 32, 32), "width": 32, "layers": 3, "heads": 2}
        small |= {"feedforward": 32, "side": 64, "text_width": 16, "text_heads": 2}
        tower = None if self.network.tower is None else UNTRAINED
        drops = tuple(range(4, 4 + len(self.optim.drops)))
        changes: dict[str, Any] = {
            "network": self.network.model_copy(update={**small, "tower": tower, "prior_side": None}),
            "backbone_weights": NONE,
            "rows": self.rows.model_copy(update={"pictures": 2}),
            "optim": self.optim.model_copy(update={"steps": 6, "warmup": min(self.optim.warmup, 2), "drops": drops}),
            "log_every": 3,
            "checkpoint_every": 3,
            "validate_every": 6,
        }
        if self.scenes is not None:
            changes["scenes"] = self.scenes.model_copy(update={"scenes": 48, "validation_scenes": 12})
        if self.photos is not None:
            changes["photos"] = MaskPhotos(
                file="demo", pictures=12, flip=self.photos.flip, validation="demo", validation_pictures=6
            )
        return self.model_copy(update=changes)
