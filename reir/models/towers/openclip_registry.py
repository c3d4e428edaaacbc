"""What open_clip knows of its architectures and published weights, without importing it where that can be avoided.

Importing open_clip takes as long as encoding a hundred crops, and an index is opened with the digest of its tower.
"""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

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
            f"open_clip has no weights {tag!r} for {architecture}.{near(tag, tags)}{has} A file is named by its path: "
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
    """Every published weights file by architecture and tag, from open_clip's own table.

    The package imports torch, which takes ten seconds. Its table does so only to download (inside ``try``), so it is
    run without that part, in a package of our own that has open_clip's folder.
    """
    folder = package_folder()
    tree = ast.parse((folder / "pretrained.py").read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.Try)]
    package = ModuleType("_reir_open_clip")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    table: dict[str, Any] = {"__package__": package.__name__, "__name__": f"{package.__name__}.pretrained"}
    exec(compile(tree, str(folder / "pretrained.py"), "exec"), table)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for architecture, tag in table["list_pretrained"]():
        # Through JSON, as configurations in folders come: lists, not tuples.
        found.setdefault(architecture, {})[tag] = json.loads(json.dumps(table["get_pretrained_cfg"](architecture, tag)))
    return found
