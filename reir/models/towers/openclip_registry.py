"""What open_clip knows of its architectures and published weights, without importing it where that can be avoided.

Importing open_clip takes as long as encoding a hundred crops, and an index is opened with the digest of its tower.
"""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from reir.errors import UsageError


@cache
def package_folder() -> Path:
    """The folder of the installed open_clip."""
    spec = find_spec("open_clip")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


@cache
def architectures() -> tuple[str, ...]:
    """The names of open_clip's architectures: one configuration file each, inside the package."""
    return tuple(sorted(path.stem for path in (package_folder() / "model_configs").glob("*.json")))


def architecture_config(name: str) -> dict[str, Any]:
    """The configuration of an architecture: ``embed_dim``, ``vision_cfg``, ``text_cfg`` and a few more.

    Raises:
        UsageError: open_clip has none of this name; near ones are told.
    """
    if name not in architectures():
        raise UsageError(f"open_clip has no architecture {name!r}.{near(name, architectures())}")
    config: dict[str, Any] = json.loads((package_folder() / "model_configs" / f"{name}.json").read_text())
    return config


def pretrained_config(architecture: str, tag: str) -> dict[str, Any]:
    """What open_clip knows of published weights: ``hf_hub`` or ``url``, ``mean``, ``std``, ``quick_gelu`` and so on.

    Raises:
        UsageError: the architecture has no weights of this name; those that it has are told.
    """
    tags = _pretrained().get(architecture, {})
    key = tag.lower().replace("-", "_")
    if key not in tags:
        has = f" It has: {', '.join(tags)}." if tags else ""
        raise UsageError(
            f"open_clip has no weights {tag!r} for {architecture}.{has} A file of weights is named by its path: "
            f"{architecture}__/PATH/FILE.safetensors"
        )
    return tags[key]


def near(name: str, known: Iterable[str]) -> str:
    """`` Did you mean ...?`` with the names nearest to one that is not known, or nothing."""
    by_lower = {item.lower(): item for item in known}
    names = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    return f" Did you mean {' or '.join(names)}?" if names else ""


@cache
def _pretrained() -> dict[str, dict[str, dict[str, Any]]]:
    """Every published weights file by architecture and tag.

    Asked of open_clip once for each of its versions, then read from the user's cache folder.
    """
    note = user_cache_path("reir") / f"open-clip-{version('open_clip_torch')}.json"
    try:
        noted: dict[str, dict[str, dict[str, Any]]] = json.loads(note.read_text())
    except (OSError, ValueError):
        noted = _ask_open_clip()
        _write(note, json.dumps(noted))
    return noted


def _ask_open_clip() -> dict[str, dict[str, dict[str, Any]]]:
    import open_clip

    found: dict[str, dict[str, dict[str, Any]]] = {}
    for architecture, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(architecture, tag)
        # Through JSON, so that the first answer has lists where later ones have them.
        found.setdefault(architecture, {})[tag] = json.loads(json.dumps(config))
    return found


def _write(note: Path, text: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, note)  # noqa: PTH105
    except OSError:
        return  # without a cache open_clip is asked each time
