"""Run files of ``rcnn-clip`` and ``rpn-clip``: a detector fine-tuned on data of the RefCOCO kind."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from reir.models.detector_clip.detector import ARCHITECTURES, SMALL
from reir.training.section import Section
from reir.training.untrained import UNTRAINED

ReferringKind = Literal["rcnn-clip", "rpn-clip"]
KINDS: tuple[str, ...] = get_args(ReferringKind)


class ReferringData(Section):
    """Pictures with expressions, read by ``reir.data.load_dataset``."""

    dataset: str = Field(description="a JSON file, from the working folder, or the name of a registered data set")
    images: str | None = Field(default=None, description="folder of the pictures; by default images beside the file")
    pictures: int | None = Field(default=None, gt=0, description="only the first ones")


class DetectorStart(Section):
    """The detector and what it knows before the run."""

    arch: str = Field(default="fasterrcnn_resnet50_fpn", description="one of reir.models.detector_clip's")
    min_size: int = Field(default=800, ge=32)
    max_size: int = Field(default=1333, ge=32)
    weights: str = Field(
        default="imagenet",
        description="imagenet: torchvision's backbone trained on ImageNet; none: nothing; or a file of the detector's "
        "weights, whose classifier is left out where it has other classes",
    )

    @model_validator(mode="after")
    def _fits(self) -> DetectorStart:
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"no detector is called {self.arch!r}; there are: {', '.join(ARCHITECTURES)}")
        if self.arch.startswith("maskrcnn"):
            raise ValueError(f"{self.arch} needs masks to be trained, and expressions come with boxes")
        if self.max_size < self.min_size:
            raise ValueError(f"max_size {self.max_size} is less than min_size {self.min_size}")
        if self.arch == SMALL and self.weights == "imagenet":
            raise ValueError(f"{SMALL} has no ImageNet weights; name a file, or none")
        return self


class ReferringOptim(Section):
    """AdamW with linear warm-up and cosine decay."""

    epochs: int = Field(default=5, gt=0)
    pictures: int = Field(default=16, gt=0, description="pictures of a batch")
    learning_rate: float = Field(default=1e-4, gt=0)
    final_share: float = Field(default=0.02, ge=0, description="learning rate at the end, as a share of the peak")
    warmup: int = Field(default=100, ge=0, description="steps")
    weight_decay: float = Field(default=0.02, ge=0)
    clip: float = Field(default=5.0, gt=0)
    bf16: bool = Field(default=True, description="the backbone in bfloat16")


class ReferringLoss(Section):
    """Weights of the four losses of Faster R-CNN."""

    objectness: float = 1.0
    rpn_box: float = 1.0
    classifier: float = 1.0
    box: float = 1.0


class ReferringConfig(Section):
    """A whole run. ``rcnn-clip`` is the paper's second method (section 3.2), ``rpn-clip`` its first (section 3.1)."""

    kind: ReferringKind
    name: str
    seed: int = 0
    tower: str = Field(
        default="ViT-B-32__openai",
        description=f"open_clip's ARCH__PRETRAINED or a folder in its layout; {UNTRAINED} is for smoke runs",
    )
    data: ReferringData
    detector: DetectorStart = DetectorStart()
    optim: ReferringOptim = ReferringOptim()
    loss: ReferringLoss = ReferringLoss()
    checkpoint_every: int = Field(default=200, gt=0, description="steps")

    def smoke(self) -> ReferringConfig:
        """The same run on a few of the shipped scenes with a small detector: seconds, and no weights are needed."""
        return self.model_copy(
            update={
                "tower": UNTRAINED,
                "data": ReferringData(dataset="demo", pictures=12),
                "detector": DetectorStart(arch=SMALL, min_size=96, max_size=160, weights="none"),
                "optim": self.optim.model_copy(update={"epochs": 2, "pictures": 4, "warmup": 2}),
                "checkpoint_every": 3,
            }
        )
