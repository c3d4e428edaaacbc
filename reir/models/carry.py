"""A model as one plain folder, to be carried to a machine without a network: ``NAME:FOLDER`` there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reir.errors import UsageError
from reir.models.detector_clip import find_parts
from reir.models.hub import (
    RECORD_FILE,
    FileSource,
    HubSource,
    Record,
    Source,
    hub_cache,
    matching_files,
    model_source,
    sha256_of,
)
from reir.models.parts import TOWER_FOLDER, is_tower_file, model_parts, needs_language_model
from reir.models.specification import ModelSpec


def folder_layout(spec: ModelSpec, folder: Path) -> list[tuple[Source, Path]]:
    """Each source of a model with the folder to fetch it into, so that ``folder`` holds the whole model.

    Raises:
        UsageError: the model is no download, or has parts that have no place in a folder.
    """
    parts = model_parts(spec)
    if not parts:
        raise UsageError(f"{spec} has nothing to download: its weights are in the package or in a folder already")
    if model_source(spec.name) is None:
        _require_places(spec, parts, folder)
    return [(source, folder / place) for source, place in parts]


def _require_places(spec: ModelSpec, parts: Sequence[tuple[Source, str]], folder: Path) -> None:
    """Returns when every part of a model of several is published and can be used from its place in the folder.

    Raises:
        UsageError: one is not; the message says how to carry it.
    """
    for source, place in parts:
        if isinstance(source, FileSource) and place == _places(spec).get("tower"):
            raise UsageError(
                f"the tower of {spec} is published as one file, which has no place in a folder. Fetch it with: "
                f"reir models download {spec}\nthen carry {source.path} and name it as the tower: ARCH__/PATH/FILE"
            )
    published = {place for _, place in parts}
    if is_tower_file(spec.argument or ""):
        published.discard(_places(spec)["tower"])  # what is fetched for it is a tokenizer
    own = [part for part, place in _places(spec).items() if place not in published]
    if own:
        fetch = [
            f"reir models download {source.name} --to {folder / place}"
            if isinstance(source, HubSource)
            else f"reir models download {spec} (it prints where the file is)"
            for source, place in parts
        ]
        raise UsageError(
            f"--to makes a folder of published parts, and the {' and the '.join(own)} of {spec} is none. "
            f"Carry it beside the others, which are fetched with:\n" + "\n".join(fetch)
        )
    if spec.argument is not None and needs_language_model(spec.argument):
        raise UsageError(
            f"the tower of {spec} reads a part of its configuration from the hub's cache, wherever its folder is. "
            f"Fetch it with: reir models download {spec}\nthen carry {hub_cache()}"
        )


def _places(spec: ModelSpec) -> dict[str, str]:
    """What a model of several parts is made of, each with its place in the folder."""
    if spec.name == "picture-clip":
        return {"tower": ""}
    if spec.name != "sam-clip":
        return {"detector": "", "tower": TOWER_FOLDER}
    captioner = {} if spec.options.get("captioner", "none") == "none" else {"captioner": "captioner"}
    return {"tower": TOWER_FOLDER, "sam": "sam", **captioner}


def finish_folder(spec: ModelSpec, folder: Path, sources: Sequence[Source]) -> ModelSpec:
    """The name of the model in a folder, once what was fetched is made one: its configuration, a record of all hashes.

    The folder of a detector and a tower keeps the options in its configuration; those of the others stay in the name.

    Raises:
        UsageError: the parts do not fit together.
    """
    if model_source(spec.name) is not None:
        return ModelSpec(spec.name, str(folder), spec.options)
    options = {}
    if spec.name in ("rcnn-clip", "rpn-clip"):
        _configure_detector_clip(spec, folder, sources)
    else:
        options = {key: value for key, value in spec.options.items() if key not in ("sam", "captioner")}
    names = [name for name in matching_files(folder, ["*"]) if Path(name).name != RECORD_FILE]
    hashes = {name: sha256_of(folder / name) for name in names}
    Record(str(spec), "several", hashes).save(folder / RECORD_FILE)
    return ModelSpec(spec.name, str(folder), options)


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
