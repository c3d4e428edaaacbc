"""A model as one plain folder, to be carried to a machine without a network: ``NAME:FOLDER`` there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reir.errors import UsageError
from reir.models.detector_clip import find_parts
from reir.models.hub import RECORD_FILE, FileSource, HubSource, Record, Source, matching_files, sha256_of
from reir.models.owl import REPOSITORIES
from reir.models.parts import model_sources
from reir.models.specification import ModelSpec

_TOWER = "tower"


def folder_layout(spec: ModelSpec, folder: Path) -> list[tuple[Source, Path]]:
    """Each source of a model with the folder to fetch it into, so that ``folder`` holds the whole model.

    Raises:
        UsageError: the model is no download, or has parts that have no place in a folder.
    """
    sources = model_sources(spec)
    if not sources:
        raise UsageError(f"{spec} has nothing to download: its weights are in the package or in a folder already")
    if spec.name in REPOSITORIES:
        return [(source, folder) for source in sources]
    if any(isinstance(source, FileSource) and source.library == "clip" for source in sources):
        raise UsageError(
            f"the tower of {spec} is published as a single file, which open_clip reads from its cache only"
        )
    return [(source, folder / _TOWER if isinstance(source, HubSource) else folder) for source in sources]


def finish_folder(spec: ModelSpec, folder: Path, sources: Sequence[Source]) -> None:
    """Write what makes the fetched files a model of several parts: ``config.json``, and a record of all hashes.

    Raises:
        UsageError: the parts do not fit together.
    """
    if spec.name in REPOSITORIES:
        return
    (detector,) = (source for source in sources if isinstance(source, FileSource))
    arch = spec.options.get("detector", detector.name.rpartition("_coco")[0] or detector.name.rpartition("-")[0])
    options = {**spec.options, "detector": f"{arch}__{folder / detector.name}"}
    parts = find_parts(ModelSpec(spec.name, str(folder / _TOWER), options), device="cpu")
    config = {
        "format": 1,
        "model": spec.name,
        "detector": {**parts.detector.to_json(), "weights": detector.name},
        "tower": _TOWER,
        "predictor": None,
        "settings": parts.settings.to_json(),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    names = [name for name in matching_files(folder, ["*"]) if Path(name).name != RECORD_FILE]
    hashes = {name: sha256_of(folder / name) for name in names}
    Record(str(spec), "several", hashes).save(folder / RECORD_FILE)
