"""Which published weights a model's name stands for: what has to be on this machine before it can be used."""

from __future__ import annotations

import json
from pathlib import Path

from reir.errors import UsageError
from reir.models.detector_clip.parts import DEFAULT_DETECTOR, DEFAULT_TOWER
from reir.models.detector_clip.published import PUBLISHED, published_url
from reir.models.hub import FileSource, HubSource, Source, hub_source, model_source, published_file, tokenizer_source
from reir.models.sam_clip import parts as sam_clip
from reir.models.specification import ModelSpec

TOWER_FOLDER = "tower"
"""Where the folder of a whole model has its tower."""

_DETECTOR_MEGABYTES = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 77.8,
    "fasterrcnn_mobilenet_v3_large_fpn": 77.8,
    "fasterrcnn_resnet50_fpn": 167.5,
    "fasterrcnn_resnet50_fpn_v2": 175.2,
    "maskrcnn_resnet50_fpn": 178.1,
}
"""Of torchvision's own records of these weights."""

_KNOWN_TOWERS = {"ViT-B-32__openai": "timm/vit_base_patch32_clip_224.openai"}
"""Towers whose repository is known without importing open_clip, which takes ten seconds."""


def model_sources(spec: ModelSpec) -> list[Source]:
    """The published weights of a model; none for a model whose weights all lie in a folder.

    Raises:
        UsageError: an unknown tower or detector.
    """
    return [source for source, _ in model_parts(spec)]


def model_parts(spec: ModelSpec) -> list[tuple[Source, str]]:
    """The published weights of a model, each with the subfolder that is its place in a folder of the whole model.

    Raises:
        UsageError: an unknown tower or detector.
    """
    single = model_source(spec.name)
    if single is not None:
        return [(single, "")] if spec.argument is None else []
    if spec.name in ("rcnn-clip", "rpn-clip"):
        return _detector_clip_parts(spec)
    if spec.name == "picture-clip":
        return [(source, "") for source, _ in _tower_parts(spec.argument or DEFAULT_TOWER)]
    if spec.name == "sam-clip":
        return _sam_clip_parts(spec)
    return []


def tower_sources(name: str) -> list[Source]:
    """The published weights of a tower ``ARCH__PRETRAINED``, and the tokenizer that comes from elsewhere.

    Raises:
        UsageError: open_clip has no such architecture or weights.
    """
    if name in _KNOWN_TOWERS:
        return [hub_source(_KNOWN_TOWERS[name])]
    from reir.models.towers.openclip_registry import architecture_config, pretrained_config

    architecture, _, tag = name.partition("__")
    if is_tower_file(name):
        sources: list[Source] = []
    else:
        record = pretrained_config(architecture, tag)
        sources = [_hub_tower(record["hf_hub"]) if record.get("hf_hub") else published_file(str(record["url"]))]
    text = architecture_config(architecture)["text_cfg"]
    have = {source.repo for source in sources if isinstance(source, HubSource)}
    for repo in {text.get("hf_tokenizer_name"), text.get("hf_model_name")} - {None} - have:
        sources.append(tokenizer_source(repo))
    return sources


def is_tower_file(name: str) -> bool:
    """Whether a tower is an architecture with a file of weights, ``ARCH__/PATH/FILE``."""
    tag = name.partition("__")[2]
    return "/" in tag or bool(Path(tag).suffix)


def needs_language_model(tower: str) -> bool:
    """Whether the text side of a tower ``ARCH__PRETRAINED`` is configured by another repository of the hub."""
    if tower in _KNOWN_TOWERS:
        return False
    from reir.models.towers.openclip_registry import architecture_config

    return bool(architecture_config(tower.partition("__")[0])["text_cfg"].get("hf_model_name"))


def detector_source(architecture: str) -> FileSource:
    """The published weights of one of torchvision's detectors."""
    url = published_url(architecture)
    digest = url.rpartition("-")[2].removesuffix(".pth")
    return FileSource(url, "torchvision", digest, _DETECTOR_MEGABYTES[architecture], "BSD-3-Clause")


def _detector_clip_parts(spec: ModelSpec) -> list[tuple[Source, str]]:
    argument = spec.argument or DEFAULT_TOWER
    config = Path(argument) / "config.json"
    if config.is_file():
        try:
            tower = str(json.loads(config.read_text())["tower"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{config} is not the configuration of a detector with a tower: {error!r}") from error
        return [] if (config.parent / tower).is_dir() else _tower_parts(tower)
    detector = spec.options.get("detector", DEFAULT_DETECTOR)
    if "__" not in detector and detector not in PUBLISHED:
        raise UsageError(f"{spec.name}: {detector} has no public weights. There are: {', '.join(PUBLISHED)}")
    parts: list[tuple[Source, str]] = [] if "__" in detector else [(detector_source(detector), "")]
    return parts + _tower_parts(argument)


def _sam_clip_parts(spec: ModelSpec) -> list[tuple[Source, str]]:
    argument = Path(spec.argument or sam_clip.DEFAULT_TOWER)
    whole = (argument / "sam").is_dir() and (argument / "tower").is_dir()
    parts = [] if whole else _tower_parts(str(argument))
    for option, default in (("sam", "none" if whole else sam_clip.DEFAULT_SAM), ("captioner", "none")):
        name = spec.options.get(option, default)
        if name != "none" and not Path(name).expanduser().is_dir():
            parts.append((hub_source(name), option))
    return parts


def _tower_parts(name: str) -> list[tuple[Source, str]]:
    return [] if Path(name).is_dir() else [(source, TOWER_FOLDER) for source in tower_sources(name)]


def _hub_tower(place: str) -> HubSource:
    repo, _, file = place.rpartition("/")
    known = hub_source(repo)
    return HubSource(repo, files=("open_clip_config.json", file)) if file and known.files is None else known
