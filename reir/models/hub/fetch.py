"""Downloads: the files that are missing or damaged, each checked once it is here."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reir.errors import WeightsMissingError
from reir.models.hub.cache import MAIN, cached_snapshot, hub_cache, hub_endpoint, repository_cache
from reir.models.hub.find import expected_hashes, mend_missing, pinned_revision
from reir.models.hub.hashes import compute_sha256, sha256_of
from reir.models.hub.listing import HubUnreachableError, Listing, RemoteFile, ask_hub, token_headers
from reir.models.hub.records import RECORD_FILE, Record, record_path
from reir.models.hub.selection import needed_files
from reir.models.hub.sources import HubSource
from reir.models.hub.stream import DownloadBrokenError, stream_file


@dataclass(frozen=True, slots=True)
class HubDownload:
    """What has to be fetched of a repository: ``listing`` holds the needed files, ``missing`` those not here yet.

    ``to`` is the folder to write, None for the hub's cache.
    """

    source: HubSource
    listing: Listing
    missing: tuple[RemoteFile, ...]
    to: Path | None = None

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.missing)

    def run(self) -> Path:
        """The folder with all the files, fetched where they were missing, checked and recorded.

        An interrupted download is taken up where it stopped.

        Raises:
            WeightsMissingError: the download fails, or a file is not what the hub or the pinned hash says.
        """
        sha256: dict[str, str] = {}
        known = expected_hashes(self.source.repo, self.listing.commit)
        for file in self.listing.files:
            path = self._present(file)
            if path is None:
                path = self._fetch(file)
                check_remote(self.source.repo, path, file, known.get(file.name))
            sha256[file.name] = sha256_of(path)
        record = Record(self.source.repo, self.listing.commit, sha256)
        folder = self.to
        if folder is None:
            folder = cached_snapshot(self.source.repo, self.listing.commit)
            assert folder is not None
            record.save(record_path(self.source.repo))
            if self.source.revision is None:
                _name_main(self.source.repo, self.listing.commit)
        else:
            record.save(folder / RECORD_FILE)
        return folder

    def _present(self, file: RemoteFile) -> Path | None:
        if file in self.missing:
            return None
        folder = self._folder()
        return folder / file.name if folder is not None else None

    def _folder(self) -> Path | None:
        return self.to or cached_snapshot(self.source.repo, self.listing.commit)

    def _fetch(self, file: RemoteFile) -> Path:
        """The file from the hub's cache if it is whole there, else from the hub; a damaged one makes way."""
        damaged = self._folder()
        if damaged is not None:
            remove_file(damaged / file.name)
        cached = _whole_in(cached_snapshot(self.source.repo, self.listing.commit), file)
        if self.to is not None and cached is not None:
            target = self.to / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(cached, target)
            return target
        return _from_hub(self.source.repo, self.listing.commit, file, self.to)


def plan_download(source: HubSource, *, to: Path | None = None) -> HubDownload:
    """What has to be fetched of a repository, after one short question to the hub.

    Raises:
        WeightsMissingError: the hub cannot be reached; within five seconds, with what to do instead.
    """
    try:
        listing = ask_hub(source.repo, pinned_revision(source))
    except HubUnreachableError as error:
        raise WeightsMissingError(source.repo, str(error), mend_missing(source)) from error
    names = needed_files([file.name for file in listing.files], source.files)
    files = tuple(sorted((file for file in listing.files if file.name in names), key=lambda file: file.name))
    folder = to if to is not None else cached_snapshot(source.repo, listing.commit)
    known = expected_hashes(source.repo, listing.commit)
    missing = []
    for file in files:
        if file.sha256 is not None and known.get(file.name, file.sha256) != file.sha256:
            by = "pinned in reir" if file.name in source.sha256 else f"on record in {record_path(source.repo)}"
            raise WeightsMissingError(
                source.repo,
                f"{hub_endpoint()} states another hash for {file.name} than the one {by}",
                "Trust neither before you know why; another hub is named by HF_ENDPOINT",
            )
        if _whole_in(folder, file) is None:
            missing.append(file)
    return HubDownload(source, Listing(source.repo, listing.commit, files), tuple(missing), to)


def check_remote(repo: str, path: Path, file: RemoteFile, expected: str | None) -> None:
    """Returns when a downloaded file is what the hub states and what is known of it; else it is removed.

    Raises:
        WeightsMissingError: it is not.
    """
    if _is_whole(path, file, sha256_of) and (expected is None or sha256_of(path) == expected):
        return
    remove_file(path)
    raise WeightsMissingError(
        repo, f"{file.name} did not arrive as it is published", f"Try again: reir models download {repo}"
    )


def remove_file(path: Path) -> None:
    """Remove a damaged file: of a link into the hub's cache also what it leads to; another's file stays."""
    if path.resolve().is_relative_to(hub_cache().resolve()):
        path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def git_blob_sha1(path: Path) -> str:
    """The name that git gives to a file's content, which the hub states for files that are not large."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _name_main(repo: str, commit: str) -> None:
    """Let other programs, which ask the cache for the main branch, find it; what it is said to be already stays."""
    branch = repository_cache(repo) / "refs" / MAIN
    if not branch.is_file():
        branch.parent.mkdir(parents=True, exist_ok=True)
        branch.write_text(commit)


def _whole_in(folder: Path | None, file: RemoteFile) -> Path | None:
    """The file in a folder, if it is there and what the hub states."""
    path = folder / file.name if folder is not None else None
    return path if path is not None and path.is_file() and _is_whole(path, file) else None


def _is_whole(path: Path, file: RemoteFile, digest: Callable[[Path], str] = compute_sha256) -> bool:
    """Whether a file is what the hub states; read again, unless it has just come."""
    if path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return digest(path) == file.sha256
    return file.git_sha1 is None or git_blob_sha1(path) == file.git_sha1


def _from_hub(repo: str, commit: str, file: RemoteFile, to: Path | None) -> Path:
    """The file, now in a folder or in the hub's cache, laid out there as the hub's own library does."""
    from filelock import FileLock

    if to is not None:
        target = to / file.name
        _stream(repo, commit, file, target)
        return target
    storage = repository_cache(repo)
    # The hub's library names contents by these hashes too, so each finds what the other has fetched.
    content = file.sha256 or file.git_sha1 or hashlib.sha256(f"{commit}/{file.name}".encode()).hexdigest()
    blob = storage / "blobs" / content
    lock = hub_cache() / ".locks" / storage.name / f"{content}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    target = storage / "snapshots" / commit / file.name
    with FileLock(lock):
        if not (blob.is_file() and _is_whole(blob, file)):
            _stream(repo, commit, file, blob)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(blob, target.parent))
    return target


def _stream(repo: str, commit: str, file: RemoteFile, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    url = f"{hub_endpoint()}/{repo}/resolve/{commit}/{quote(file.name)}"
    try:
        stream_file(url, part, size=file.size, headers=token_headers())
    except DownloadBrokenError as error:
        raise WeightsMissingError(
            repo, f"the download of {file.name} broke off: {error}", "Run it again, it goes on where it stopped"
        ) from error
    if not part.is_file():
        part.touch()  # an empty file has nothing to stream
    part.replace(target)
