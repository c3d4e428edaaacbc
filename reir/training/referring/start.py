"""What a run begins with: the detector's weights, the tower, the predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from reir.errors import UsageError
from reir.models.detector_clip.detector import DetectorConfig, build_detector, feature_width, read_weights
from reir.models.detector_clip.predictor import ClipPredictor
from reir.models.hub import FileSource, find_published_file
from reir.models.towers import ClipTower
from reir.training.referring.config import DetectorStart, ReferringConfig
from reir.training.untrained import UNTRAINED, untrained_tower

_SITE = "https://download.pytorch.org/models"
_IMAGENET = {
    "resnet50": FileSource(f"{_SITE}/resnet50-0676ba61.pth", "torchvision", "0676ba61"),
    "mobilenet": FileSource(f"{_SITE}/mobilenet_v3_large-8738ca79.pth", "torchvision", "8738ca79"),
}
"""Torchvision's backbones trained on ImageNet; the end of a name is the start of the file's SHA-256."""


@dataclass(frozen=True)
class Start:
    """The parts of a run: what is trained, and the tower, which is not.

    ``predictor`` is None for ``rcnn-clip``: there the tower takes no part in the training.
    """

    config: DetectorConfig
    detector: GeneralizedRCNN
    predictor: ClipPredictor | None
    tower: ClipTower

    @property
    def modules(self) -> list[nn.Module]:
        """The detector, and the predictor where there is one."""
        return [self.detector, *([self.predictor] if self.predictor is not None else [])]


def make_start(config: ReferringConfig, *, folder: Path, device: str) -> Start:
    """The parts of a run on the CPU, its parameters marked as trained or not; ``folder`` takes a tower made for it.

    All of the detector is trained but its frozen batch norm and, under a predictor, the classifier that this replaces.
    *Differs from the paper*: it does not say which layers it trains.

    Raises:
        UsageError: weights that are not the detector's, or no tower of this name.
        WeightsMissingError: public weights that are not on this machine.
    """
    tower = ClipTower.load(untrained_tower(folder) if config.tower == UNTRAINED else config.tower, device=device)
    shape = DetectorConfig(
        config.detector.arch, classes=2, min_size=config.detector.min_size, max_size=config.detector.max_size
    )
    detector = build_detector(shape)
    load_start(detector, config.detector)
    predictor = None
    if config.kind == "rpn-clip":
        predictor = ClipPredictor(features=feature_width(detector), dimension=tower.dimension)
        detector.roi_heads.box_predictor.requires_grad_(False)
    return Start(shape, detector, predictor, tower)


def load_start(detector: GeneralizedRCNN, start: DetectorStart) -> None:
    """Loads into the detector what the run file says it knows.

    Raises:
        UsageError: a file that is not this detector's.
        WeightsMissingError: ImageNet weights that are not on this machine.
    """
    if start.weights == "none":
        return
    if start.weights == "imagenet":
        network = "mobilenet" if "mobilenet" in start.arch else "resnet50"
        load_backbone(detector, read_weights(find_published_file(_IMAGENET[network], what=f"{network} of ImageNet")))
        return
    path = Path(start.weights).expanduser()
    given = read_weights(path)
    wanted = detector.state_dict()
    # The classifier, and the boxes of single classes, belong to the classes that the file was trained on.
    own = {name for name in wanted if "box_predictor." in name}
    fits = {name: value for name, value in given.items() if name in wanted and value.shape == wanted[name].shape}
    missing = [name for name in wanted if name not in fits and name not in own and "num_batches_tracked" not in name]
    if missing:
        raise UsageError(f"{path} does not hold the weights of {start.arch}: {missing[0]} is missing or differs")
    detector.load_state_dict(fits, strict=False)


def set_training(start: Start, *, frozen_norms: bool) -> None:
    """Training mode; with ``frozen_norms`` batch norm keeps the statistics that the weights came with.

    Batches of fine-tuning are small and of other pictures than those statistics are of.
    """
    for module in start.modules:
        module.train()
    if frozen_norms:
        for module in start.detector.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def load_backbone(detector: GeneralizedRCNN, classifier: Mapping[str, Tensor]) -> None:
    """Loads the weights of torchvision's ImageNet classifier into the backbone of a detector, all but the classes.

    Raises:
        UsageError: they are another backbone's.
    """
    # The pyramid's body holds the classifier's layers up to the last one that it reads; MobileNet has them in a part.
    body: Any = detector.backbone.body
    given = {name.removeprefix("features."): value for name, value in classifier.items()}
    wanted = [name for name in body.state_dict() if "num_batches_tracked" not in name]
    missing = [name for name in wanted if name not in given]
    if missing:
        raise UsageError(f"these are not the weights of the detector's backbone: {missing[0]} is missing")
    body.load_state_dict({name: given[name] for name in wanted}, strict=False)
