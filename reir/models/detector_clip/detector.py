"""Two-stage detectors: torchvision's Faster R-CNN and Mask R-CNN, and a small one for pictures of scene size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reir.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

SMALL = "fasterrcnn_small"
ARCHITECTURES = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    SMALL,
    "maskrcnn_resnet50_fpn",
)
_FROZEN_NORM_EPS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 1e-5,
    "fasterrcnn_mobilenet_v3_large_fpn": 1e-5,
    "fasterrcnn_resnet50_fpn": 0.0,
    "maskrcnn_resnet50_fpn": 0.0,
}
"""Builders that freeze batch norm once they are given weights, and with which epsilon those were trained."""


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What a detector is built from. ``classes`` counts the background; 91 are COCO's, as torchvision numbers them.

    Pictures are scaled so that the shorter side is ``min_size`` and the longer one at most ``max_size`` pixels.

    Raises:
        UsageError: the architecture is unknown, or a number makes no detector.
    """

    arch: str
    classes: int = 91
    min_size: int = 800
    max_size: int = 1333

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES:
            raise UsageError(f"no detector is called {self.arch!r}. There are: {', '.join(ARCHITECTURES)}")
        for name, least in (("classes", 2), ("min_size", 32), ("max_size", self.min_size)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"detector: {name} must be a whole number from {least}, got {value!r}")

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DetectorConfig:
        """The configuration of a JSON object.

        Raises:
            UsageError: a field is missing, unknown or wrong.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(record) - known)
        if unknown or "arch" not in record:
            wrong = f"unknown: {', '.join(unknown)}" if unknown else "it has no 'arch'"
            raise UsageError(f"detector: {wrong}. Its fields are: {', '.join(sorted(known))}")
        return cls(**record)


def build_detector(config: DetectorConfig) -> GeneralizedRCNN:
    """The detector with random weights, in training mode.

    Batch norm of torchvision's first detectors is frozen here as it is there once weights are loaded: it holds the
    statistics of the weights, and neither training nor the batch changes them.
    """
    import torchvision.models.detection as detection

    sizes = {"min_size": config.min_size, "max_size": config.max_size}
    if config.arch == SMALL:
        return _small(config.classes, **sizes)
    build = getattr(detection, config.arch)
    detector: GeneralizedRCNN = build(weights=None, weights_backbone=None, num_classes=config.classes, **sizes)
    if config.arch in _FROZEN_NORM_EPS:
        _freeze_norms(detector, _FROZEN_NORM_EPS[config.arch])
    return detector


def load_detector(config: DetectorConfig, weights: Path) -> GeneralizedRCNN:
    """The detector with the weights of a ``.safetensors`` file, or of torchvision's ``.pth``; for inference.

    Raises:
        UsageError: there is no such file, it cannot be read, or its weights are another detector's.
    """
    detector = build_detector(config)
    state = read_weights(weights)
    # What FrozenBatchNorm2d does not have, and BatchNorm2d counts for nothing.
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    wanted = {n: v.shape for n, v in detector.state_dict().items() if not n.endswith("num_batches_tracked")}
    missing = sorted(wanted.keys() - state.keys())
    unknown = sorted(state.keys() - wanted.keys())
    other = sorted(name for name in wanted.keys() & state.keys() if state[name].shape != wanted[name])
    if missing or unknown or other:
        causes = [
            f"{len(names)} {what}, such as {names[0]}"
            for names, what in ((missing, "missing"), (unknown, "unknown"), (other, "of another shape"))
            if names
        ]
        raise UsageError(
            f"{weights} does not hold the weights of {config.arch} with {config.classes} classes: {'; '.join(causes)}"
        )
    detector.load_state_dict(state, strict=False)
    return detector.eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a file that ``torch.save`` wrote, by name.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UsageError(f"no weights at {path}")
    try:
        if path.suffix == ".safetensors":
            loaded: dict[str, Tensor] = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise UsageError(f"the weights {path} cannot be read: {error}") from error
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise UsageError(f"the weights {path} are not a file of tensors") from error
    return loaded


def feature_width(detector: GeneralizedRCNN) -> int:
    """Length F of the box head's features, from which its classes and boxes are predicted."""
    width: int = detector.roi_heads.box_predictor.cls_score.in_features
    return width


def _freeze_norms(module: nn.Module, eps: float) -> None:
    from torch import nn
    from torchvision.ops import FrozenBatchNorm2d

    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=eps))
        else:
            _freeze_norms(child, eps)


def _small(classes: int, *, min_size: int, max_size: int) -> GeneralizedRCNN:
    """Faster R-CNN for scenes of 160 to 320 pixels, whose objects measure 12 to 200 of them."""
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import MultiScaleRoIAlign

    from reir.models.detector_clip.small_backbone import SmallBackbone

    backbone = SmallBackbone()
    levels = [str(level) for level in range(backbone.levels)]
    # Boxes of 112 pixels are read at stride 16: 7 cells, the size of the pooled map.
    pool = MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=2, canonical_scale=112)
    return FasterRCNN(
        backbone,
        min_size=min_size,
        max_size=max_size,
        rpn_anchor_generator=AnchorGenerator(((16,), (32,), (64,), (128,)), ((0.5, 1.0, 2.0),) * len(levels)),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=200,
        rpn_batch_size_per_image=128,
        box_roi_pool=pool,
        box_head=TwoMLPHead(backbone.out_channels * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, classes),
        box_batch_size_per_image=64,
    )
