"""Checks of weights that are here: every file read again and held to its pinned or recorded hash."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reir.models.hub.cache import cached_snapshot
from reir.models.hub.find import expected_hashes, pinned_revision
from reir.models.hub.hashes import compute_sha256, matching_files
from reir.models.hub.records import RECORD_FILE, Record
from reir.models.hub.selection import holds_weights, needed_files
from reir.models.hub.sources import HubSource, Source, hub_source

State = Literal["whole", "damaged", "missing", "unknown"]
"""``unknown``: the file is there, and neither a pinned nor a recorded hash says what it should be."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file, what it is held to (``pinned`` in reir, ``recorded`` at its download), and how it fared."""

    path: Path
    state: State
    by: Literal["pinned", "recorded"] | None
    sha256: str | None


def is_here(source: Source) -> bool:
    """Whether the weights are on this machine, without reading them."""
    if not isinstance(source, HubSource):
        return source.path.is_file()
    folder = cached_snapshot(source.repo, pinned_revision(source))
    if folder is None:
        return False
    if source.files is None and not holds_weights(matching_files(folder, ["*"])):
        return False
    wanted = (*(source.files or ()), *expected_hashes(source.repo, folder.name))
    return all(matching_files(folder, [pattern]) for pattern in wanted)


def check_source(source: Source) -> list[CheckedFile]:
    """How each file of a source in this machine's caches fares; one ``missing`` entry where nothing is there."""
    if not isinstance(source, HubSource):
        if not source.path.is_file():
            return [CheckedFile(source.path, "missing", "pinned", None)]
        digest = compute_sha256(source.path)
        if not source.sha256:
            return [CheckedFile(source.path, "unknown", None, digest)]
        return [CheckedFile(source.path, "whole" if digest.startswith(source.sha256) else "damaged", "pinned", digest)]
    folder = cached_snapshot(source.repo, pinned_revision(source))
    if folder is None:
        return [CheckedFile(Path(source.repo), "missing", None, None)]
    return check_folder(folder, source.repo, files=source.files)


def check_folder(folder: Path, repo: str | None = None, *, files: Iterable[str] | None = None) -> list[CheckedFile]:
    """How each file of a folder fares: by what is known of a hub repository, else by the record in the folder."""
    if repo is None:
        record = Record.load(folder / RECORD_FILE)
        expected = dict(record.sha256) if record is not None else _stated_in_config(folder)
        pinned = hub_source(record.repo).sha256 if record is not None else {}
    else:
        expected = dict(expected_hashes(repo, folder.name))
        pinned = hub_source(repo).sha256 if hub_source(repo).revision == folder.name else {}
    expected.update({name: digest for name, digest in pinned.items() if name in expected})
    present = matching_files(folder, ["*"])
    wanted = needed_files(present, list(files) if files is not None else None)
    needed = hub_source(repo).files if repo is not None else None
    wanted += [pattern for pattern in needed or () if not matching_files(folder, [pattern])]
    checked = []
    for name in sorted({*wanted, *expected} - {RECORD_FILE}):
        path = folder / name
        by: Literal["pinned", "recorded"] | None = (
            "pinned" if name in pinned else "recorded" if name in expected else None
        )
        if name not in present:
            checked.append(CheckedFile(path, "missing", by, None))
            continue
        digest = compute_sha256(path)
        state: State = "unknown" if by is None else "whole" if digest == expected[name] else "damaged"
        checked.append(CheckedFile(path, state, by, digest))
    return checked


def _stated_in_config(folder: Path) -> dict[str, str]:
    """The hashes that a checkpoint of ``reir train`` states in its own configuration."""
    try:
        return dict(json.loads((folder / "config.json").read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
