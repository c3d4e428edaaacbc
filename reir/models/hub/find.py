"""Weights that are here already. Nothing in this file uses the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reir.errors import WeightsMissingError
from reir.models.hub.cache import cached_snapshot
from reir.models.hub.hashes import matching_files


def find_folder(repo: str, *, revision: str | None = None, patterns: Sequence[str] | None = None) -> Path:
    """The local folder with the files of a hub repository, from the hub's cache.

    It never uses the network: files are fetched by ``reir models download``, where the user sees how large they are.
    With ``patterns``, each of them must match a file.

    Raises:
        WeightsMissingError: not cached, or not all of it; the message names the command that fetches it.
    """
    folder = cached_snapshot(repo, revision)
    if folder is None:
        raise WeightsMissingError(repo, "not in the hub's cache", _mend(repo))
    for pattern in patterns or ():
        if not matching_files(folder, [pattern]):
            raise WeightsMissingError(repo, f"the copy in {folder} has no {pattern}", _mend(repo))
    return folder


def _mend(repo: str) -> str:
    folder = repo.rpartition("/")[2]
    return (
        f"Fetch them with: reir models download {repo}\n"
        f"Without a network: where there is one, run reir models download {repo} --to {folder}; copy that folder here"
    )
