"""Weights that are here already. Nothing in this file uses the network."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from reir.errors import WeightsMissingError
from reir.models.hub.cache import cached_snapshot
from reir.models.hub.hashes import matching_files, sha256_of
from reir.models.hub.records import Record, record_path
from reir.models.hub.sources import FileSource, HubSource, hub_source


def find_folder(repo: str, *, revision: str | None = None, patterns: Sequence[str] | None = None) -> Path:
    """The local folder with the files of a hub repository, from the hub's cache.

    It never uses the network: files are fetched by ``reir models download``, where the user sees how large they are.
    The revision is the pinned one, else that of the download on record, else what the cache has as its main branch.
    Each of ``patterns`` must match a file; files whose hash is pinned or on record must have it.

    Raises:
        WeightsMissingError: not cached, not all of it, or damaged; the message names the command that fetches it.
    """
    source = hub_source(repo)
    revision = revision or pinned_revision(source)
    folder = cached_snapshot(repo, revision)
    if folder is None:
        at = f" at revision {revision[:12]}" if revision else ""
        raise WeightsMissingError(repo, f"not in the hub's cache{at}", mend_missing(source))
    expected = expected_hashes(repo, folder.name)
    for pattern in (*(patterns or ()), *(source.files or ()), *expected):
        if not matching_files(folder, [pattern]):
            raise WeightsMissingError(repo, f"the copy in {folder} has no {pattern}", mend_missing(source))
    for name, digest in expected.items():
        if sha256_of(folder / name) != digest:
            raise WeightsMissingError(
                repo,
                f"{folder / name} is damaged: it is not the file that was published",
                f"Fetch it anew with: reir models download {source.name}",
            )
    return folder


def find_published_file(source: FileSource, *, what: str) -> Path:
    """A published file in the cache folder of the library that publishes it; nothing is fetched.

    Raises:
        WeightsMissingError: it is not there, or has another hash; the message names the command that fetches it.
    """
    path, digest = source.path, source.sha256
    if not path.is_file():
        raise WeightsMissingError(what, f"no file {path}", mend_missing_file(source))
    if not sha256_of(path).startswith(digest):
        cause = f"the file {path} is damaged: its SHA-256 does not begin with {digest}"
        raise WeightsMissingError(what, cause, mend_missing_file(source))
    return path


def pinned_revision(source: HubSource) -> str | None:
    """The commit that is used of a repository: the pinned one, else the one on record."""
    if source.revision is not None:
        return source.revision
    record = Record.load(record_path(source.repo))
    return record.revision if record is not None and record.repo == source.repo else None


def expected_hashes(repo: str, revision: str) -> Mapping[str, str]:
    """The SHA-256 by file that a repository's files must have at a commit: on record, and above all pinned."""
    known: dict[str, str] = {}
    record = Record.load(record_path(repo))
    if record is not None and (record.repo, record.revision) == (repo, revision):
        known.update(record.sha256)
    source = hub_source(repo)
    if source.revision == revision:
        known.update(source.sha256)
    return known


def mend_missing(source: HubSource) -> str:
    """What to do where the files of a repository are not here, with a network and without."""
    folder = source.name.rpartition("/")[2]
    use = f"--model {source.model}:{folder}" if source.model else "the folder's path in place of the name"
    return (
        f"Fetch them with: reir models download {source.name}\n"
        f"Without a network: run this where there is one: reir models download {source.name} --to {folder}\n"
        f"then copy the folder {folder} here and say: {use}"
    )


def mend_missing_file(source: FileSource) -> str:
    """What to do where the file is not here, with a network and without."""
    return (
        f"Fetch it with: curl -fL --create-dirs -o {shlex.quote(str(source.path))} {source.url}\n"
        f"Without a network: run that where there is one, and copy the file to {source.path} here"
    )
