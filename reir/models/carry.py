"""A model as one plain folder, to be carried to a machine without a network: ``NAME:FOLDER`` there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reir.errors import UsageError
from reir.models.detector_clip import find_parts
from reir.models.hub import RECORD_FILE, FileSource, Record, Source, matching_files, model_source, sha256_of
from reir.models.parts import TOWER_FOLDER, model_parts
from reir.models.specification import ModelSpec


def folder_layout(spec: ModelSpec, folder: Path) -> list[tuple[Source, Path]]:
    """Each source of a model with the folder to fetch it into, so that ``folder`` holds the whole model.

    Raises:
        UsageError: the model is no download, or has parts that have no place in a folder.
    """
    parts = model_parts(spec)
    if not parts:
        raise UsageError(f"{spec} has nothing to download: its weights are in the package or in a folder already")
    if any(isinstance(source, FileSource) and place == TOWER_FOLDER for source, place in parts):
        raise UsageError(f"the tower of {spec} is published as one file, which open_clip reads from its own cache only")
    return [(source, folder / place) for source, place in parts]


def finish_folder(spec: ModelSpec, folder: Path, sources: Sequence[Source]) -> None:
    """Write what makes the fetched files a model of several parts: its configuration, and a record of all hashes.

    Raises:
        UsageError: the parts do not fit together.
    """
    if model_source(spec.name) is not None:
        return
    if spec.name in ("rcnn-clip", "rpn-clip"):
        _configure_detector_clip(spec, folder, sources)
    names = [name for name in matching_files(folder, ["*"]) if Path(name).name != RECORD_FILE]
    hashes = {name: sha256_of(folder / name) for name in names}
    Record(str(spec), "several", hashes).save(folder / RECORD_FILE)


def _configure_detector_clip(spec: ModelSpec, folder: Path, sources: Sequence[Source]) -> None:
    (detector,) = (source for source in sources if isinstance(source, FileSource))
    arch = spec.options.get("detector", detector.name.rpartition("_coco")[0] or detector.name.rpartition("-")[0])
    options = {**spec.options, "detector": f"{arch}__{folder / detector.name}"}
    parts = find_parts(ModelSpec(spec.name, str(folder / TOWER_FOLDER), options), device="cpu")
    config = {
        "format": 1,
        "model": spec.name,
        "detector": {**parts.detector.to_json(), "weights": detector.name},
        "tower": TOWER_FOLDER,
        "predictor": None,
        "settings": parts.settings.to_json(),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
