"""Which detector, tower and settings a model's name means: its files and configuration, found without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from reir.errors import UsageError
from reir.models.detector_clip.detector import DetectorConfig
from reir.models.detector_clip.published import PUBLISHED, published_weights
from reir.models.detector_clip.settings import (
    DEFAULTS,
    OPTIONS,
    Kind,
    Settings,
    read_settings,
)
from reir.models.hub import sha256_of
from reir.models.specification import ModelSpec, changed_options
from reir.models.towers import ClipTower

DEFAULT_TOWER = "ViT-B-32__openai"
"""The paper's (section 4)."""
DEFAULT_DETECTOR = "fasterrcnn_resnet50_fpn"
"""The paper's (section 4)."""
DEFAULT_SIZE = 480
"""Shorter side for public detectors, whatever the device: it changes the vectors.

At torchvision's own 800 ResNet-50 takes two and a half times as long on a processor, and as long as embedding
twenty-five crops by ViT-B/32; at 480 it is a quarter of the whole.
"""
_SIZE_OF = {"fasterrcnn_mobilenet_v3_large_320_fpn": 320}
_LONGEST = 5 / 3
"""Longer side against the shorter one at most, as in torchvision (1333 to 800)."""

FORMAT = 1
"""Of ``config.json``, and of the way from weights and settings to vectors: part of the fingerprint."""


@dataclass(frozen=True)
class Parts:
    """What a model is made of. ``name`` is the canonical one: equal models have equal names.

    ``predictor`` is the folder's record of a trained predictor with its file, or None: then crops are embedded.
    """

    name: str
    kind: Kind
    settings: Settings
    detector: DetectorConfig
    weights: Path
    tower: ClipTower
    predictor: Mapping[str, Any] | None = None
    predictor_weights: Path | None = None

    @cached_property
    def fingerprint(self) -> str:
        """One SHA-256 over all weights, configurations and settings."""
        facts = {
            "format": FORMAT,
            "kind": self.kind,
            "settings": self.settings.to_json(),
            "detector": [self.detector.to_json(), sha256_of(self.weights)],
            "tower": self.tower.digest,
            "predictor": [self.predictor, sha256_of(self.predictor_weights)] if self.predictor_weights else None,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def find_parts(spec: ModelSpec, *, device: str) -> Parts:
    """The parts of ``rcnn-clip`` or ``rpn-clip``, with a tower or a reir model folder as argument.

    Raises:
        UsageError: an unknown option or tower, or a folder that is not a model's.
        WeightsMissingError: public weights that are not on this machine; the message says how to get them.
    """
    spec.require_options(OPTIONS)
    if spec.name not in DEFAULTS:
        raise UsageError(f"{spec.name} is no model of detector and tower; there are: {', '.join(DEFAULTS)}")
    if spec.argument is not None and (Path(spec.argument).expanduser() / "config.json").is_file():
        return _of_folder(spec, Path(spec.argument).expanduser().resolve(), device)
    kind = cast(Kind, spec.name)
    settings = read_settings(spec, DEFAULTS[kind])
    tower = _tower(spec.argument or DEFAULT_TOWER, settings, device)
    config, weights, options = _named_detector(spec)
    options |= changed_options(settings.to_json(), DEFAULTS[kind].to_json())
    name = str(ModelSpec(spec.name, tower.name, options))
    return Parts(name, kind, settings, config, weights, tower)


def _named_detector(spec: ModelSpec) -> tuple[DetectorConfig, Path, dict[str, str]]:
    """Configuration and weights of the options ``detector``, ``size`` and ``classes``, and these as they are named."""
    arch, _, file = spec.options.get("detector", DEFAULT_DETECTOR).partition("__")
    usual = DetectorConfig(arch)
    classes = spec.whole_number("classes", usual.classes, low=2, high=100_000)
    usual_size = _SIZE_OF.get(arch, DEFAULT_SIZE)
    size = spec.whole_number("size", usual_size, low=64, high=2000)
    options = {} if size == usual_size else {"size": str(size)}
    if classes != usual.classes:
        options["classes"] = str(classes)
    if file:
        weights = Path(file).expanduser().resolve()
        if not weights.is_file():
            raise UsageError(f"{spec.name}: there is no file {weights} with weights for {arch}")
        options["detector"] = f"{arch}__{weights}"
    elif arch not in PUBLISHED:
        raise UsageError(f"{spec.name}: {arch} has no public weights. Give a file: detector={arch}__/PATH/FILE")
    elif "classes" in options:
        raise UsageError(f"{spec.name}: the public weights of {arch} have {usual.classes} classes; leave classes= out")
    else:
        weights = published_weights(arch)
        if arch != DEFAULT_DETECTOR:
            options["detector"] = arch
    return _sized(replace(usual, classes=classes), size), weights, options


def _of_folder(spec: ModelSpec, folder: Path, device: str) -> Parts:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
        record = dict(config["detector"])
        weights = folder / record.pop("weights")
        kind, tower_name, predictor = config["model"], str(config["tower"]), config.get("predictor")
        predictor_weights = folder / predictor["weights"] if predictor else None
        stated = {key: f"{value}" for key, value in config.get("settings", {}).items()}
        if config["format"] != FORMAT:
            raise UsageError(f"{path} has format {config['format']}; this version of reir reads {FORMAT}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not the configuration of a detector with a tower: {error!r}") from error
    if kind != spec.name:
        raise UsageError(f"{folder} holds a model {kind!r}. Name it so: {kind}:{folder}")
    if predictor and kind != "rpn-clip":
        raise UsageError(f"{path}: a predictor scores the proposals of rpn-clip, and this is {kind}")
    for key in ("detector", "classes"):
        if key in spec.options:
            raise UsageError(f"{spec.name}: the folder {folder} brings its own detector; leave {key}= out")
    detector = DetectorConfig.from_json(record)
    defaults = read_settings(ModelSpec(f"{path}: settings", None, stated), DEFAULTS[cast(Kind, kind)])
    settings = read_settings(spec, defaults)
    options = changed_options(settings.to_json(), defaults.to_json())
    size = spec.whole_number("size", detector.min_size, low=64, high=2000)
    if size != detector.min_size:
        detector = _sized(detector, size)
        options["size"] = str(size)
    inside = folder / tower_name
    tower = _tower(str(inside) if inside.is_dir() else tower_name, settings, device)
    return Parts(
        name=str(ModelSpec(spec.name, str(folder), options)),
        kind=cast(Kind, kind),
        settings=settings,
        detector=detector,
        weights=weights,
        tower=tower,
        predictor=predictor,
        predictor_weights=predictor_weights,
    )


def _tower(name: str, settings: Settings, device: str) -> ClipTower:
    return ClipTower.load(name, device=device, resize_mode=settings.resize, precision=settings.precision)


def _sized(config: DetectorConfig, size: int) -> DetectorConfig:
    return replace(config, min_size=size, max_size=round(size * _LONGEST))
