"""Which model a folder holds, by the configuration inside it."""

from __future__ import annotations

import json
from pathlib import Path

from reir.errors import UsageError


def recognise_folder(folder: Path) -> str:
    """The registered name of the model whose ``config.json``, or whose parts, are in a folder.

    Raises:
        UsageError: there is none, or it is that of no model of reir.
    """
    if (folder / "sam").is_dir() and (folder / "tower").is_dir():
        return "sam-clip"
    if (folder / "open_clip_config.json").is_file():
        return "picture-clip"
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except OSError:
        raise UsageError(f"{folder} is not the folder of a model: it has no config.json") from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}") from error
    if isinstance(config, dict):
        if "format" in config and config.get("model") in ("rcnn-clip", "rpn-clip"):
            return str(config["model"])
        if "network" in config and "serving" in config:
            return "clare"
        vision = config.get("vision_config") or {}
        patch = vision.get("patch_size") or 0 if isinstance(vision, dict) else None
        if config.get("model_type") == "owlvit" and isinstance(patch, int):
            return {16: "owlvit-base-patch16", 14: "owlvit-large-patch14"}.get(patch, "owlvit-base-patch32")
        if config.get("model_type") == "owlv2" and isinstance(patch, int):
            return {14: "owlv2-large"}.get(patch, "owlv2-base")
    raise UsageError(
        f"{path} is that of no model that reir knows. Say which it is: --model NAME:{folder} (see: reir models list)"
    )
