"""Single files of weights at plain addresses: torchvision's detectors, OpenAI's CLIP."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from reir.errors import WeightsMissingError
from reir.models.hub.cache import is_offline
from reir.models.hub.find import mend_missing_file
from reir.models.hub.hashes import compute_sha256
from reir.models.hub.listing import PATIENCE, HubUnreachableError, within
from reir.models.hub.sources import FileSource
from reir.models.hub.stream import DownloadBrokenError, stream_file


@dataclass(frozen=True, slots=True)
class FileDownload:
    """What has to be fetched of a file: ``size`` bytes, 0 where it is here already.

    ``to`` is the folder to write, None for the cache of the library that publishes it.
    """

    source: FileSource
    size: int
    to: Path | None = None

    def run(self) -> Path:
        """The file, fetched where it was missing, and checked; an interrupted download is taken up where it stopped.

        Raises:
            WeightsMissingError: the download fails, or the file is not what its published hash says.
        """
        target = _target(self.source, self.to)
        if self.size:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.to is not None and is_whole(self.source, self.source.path):
                shutil.copyfile(self.source.path, target)
            else:
                _fetch(self.source, self.size, target)
        return target


def plan_file(source: FileSource, *, to: Path | None = None) -> FileDownload:
    """What has to be fetched of a file, after one short question to its server.

    Raises:
        WeightsMissingError: the server cannot be reached; within five seconds, with what to do instead.
    """
    if is_whole(source, _target(source, to)):
        return FileDownload(source, 0, to)
    if is_whole(source, source.path):
        return FileDownload(source, source.path.stat().st_size, to)
    try:
        return FileDownload(source, _remote_size(source), to)
    except HubUnreachableError as error:
        raise WeightsMissingError(source.name, str(error), mend_missing_file(source)) from error


def is_whole(source: FileSource, path: Path) -> bool:
    """Whether a path holds the file, by the published start of its hash; the file is read again."""
    return path.is_file() and compute_sha256(path).startswith(source.sha256)


def _target(source: FileSource, to: Path | None) -> Path:
    return source.path if to is None else to / source.name


def _remote_size(source: FileSource) -> int:
    import httpx

    host = httpx.URL(source.url).host
    if is_offline():
        raise HubUnreachableError("HF_HUB_OFFLINE forbids the network")
    try:
        headers = {"Accept-Encoding": "identity"}  # for the size of the file itself
        answer = within(
            PATIENCE, lambda: httpx.head(source.url, headers=headers, timeout=PATIENCE, follow_redirects=True)
        )
    except TimeoutError:
        raise HubUnreachableError(f"{host} did not answer within {PATIENCE:g} seconds") from None
    except httpx.HTTPError as error:
        raise HubUnreachableError(f"{host} cannot be reached: {error or type(error).__name__}") from error
    size = answer.headers.get("Content-Length", "")
    if answer.status_code != 200 or not size.isdecimal():
        raise HubUnreachableError(f"{host} answers {answer.status_code} for {source.name}")
    return int(size)


def _fetch(source: FileSource, size: int, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    try:
        stream_file(source.url, part, size=size)
    except DownloadBrokenError as error:
        raise WeightsMissingError(
            source.name, f"the download broke off: {error}", "Run it again, it goes on where it stopped"
        ) from error
    if not compute_sha256(part).startswith(source.sha256):
        part.unlink()
        raise WeightsMissingError(
            source.name, f"it did not arrive as published: its SHA-256 does not begin with {source.sha256}", "Try again"
        )
    part.replace(target)
