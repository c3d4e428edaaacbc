"""The part of a gallery that a run is about."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reir.errors import RootMismatchError, UsageError

if TYPE_CHECKING:
    from reir.indexer.write import Ledger
    from reir.store import KnownFile, Writer


_MANY = 32
"""Scopes from which on all known files are read at once: a data set may name its pictures one by one."""


def make_scopes(root: Path, db: Path, paths: Sequence[Path] | None, ledger: Ledger) -> list[str]:
    """The given paths relative to the root, none inside another; [""] for everything.

    Raises:
        RootMismatchError: a path lies outside the root.
        UsageError: a path is hidden, or neither on disk nor known.
    """
    scopes: set[str] = set()
    for given in [root] if paths is None else paths:
        relative = relative_path(root, given)
        if relative is None:
            raise RootMismatchError(db, root, given)
        hidden = next((part for part in relative.split("/") if part.startswith(".")), None)
        if hidden is not None:
            raise UsageError(f"{given} is hidden by its part {hidden}: hidden files are not indexed")
        if relative and not os.path.lexists(root / relative) and not known_in([relative], ledger):
            raise UsageError(f"no such file or folder: {given}")
        scopes.add(relative)
    return sorted(scope for scope in scopes if scopes.isdisjoint(_folders_around(scope)))


def known_in(scopes: Sequence[str], ledger: Ledger | Writer) -> dict[str, KnownFile]:
    """The known files in any of the scopes."""
    if "" in scopes:
        return dict(ledger.known_files())
    if len(scopes) > _MANY:
        wanted = set(scopes)
        everything: Mapping[str, KnownFile] = ledger.known_files()
        return {p: facts for p, facts in everything.items() if not wanted.isdisjoint([p, *_folders_around(p)])}
    known: dict[str, KnownFile] = {}
    for scope in scopes:
        files: Mapping[str, KnownFile] = ledger.known_files(scope)
        known.update((path, facts) for path, facts in files.items() if path == scope or _inside(path, scope))
    return known


def relative_path(root: Path, path: Path) -> str | None:
    """The posix path of ``path`` relative to ``root``, "" for the root itself, or None outside it.

    The last part is not resolved: a link inside the gallery is a file of its own.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - takes ".." out and keeps links
    for candidate in (absolute, absolute.parent.resolve() / absolute.name, absolute.resolve()):
        if candidate.is_relative_to(root):
            relative = candidate.relative_to(root).as_posix()
            return "" if relative == "." else relative
    return None


def _folders_around(path: str) -> list[str]:
    """Every folder that a path lies in, "" for the root among them; none for the root itself."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts))] if path else []


def _inside(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
