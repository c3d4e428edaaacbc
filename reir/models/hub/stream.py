"""One file over HTTP, taken up where an earlier attempt stopped.

The hub's own library begins a broken download anew since its version 2; here the part that has come stays, even when
the process is killed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ATTEMPTS = 4
"""Connections that may break one after the other without a byte in between."""
_PAUSE = 1.0
_BLOCK = 1 << 18
_TIMEOUT = 30.0


class DownloadBrokenError(Exception):
    """A download stopped before its end; the text says why."""


def stream_file(url: str, part: Path, *, size: int, headers: Mapping[str, str] | None = None) -> None:
    """Bring ``part`` to ``size`` bytes of a file, beginning behind what is there already.

    Raises:
        DownloadBrokenError: the connection broke again and again, or the server refuses, or sends another file.
    """
    import httpx

    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    with _bar(url.rpartition("/")[2], size) as tell:
        while (have := _length(part)) < size:
            try:
                _continue(url, part, have, size, dict(headers or {}), tell)
                cause = "the server ends before the file does"
            except httpx.HTTPStatusError as error:
                raise DownloadBrokenError(f"the server answers {error.response.status_code}") from error
            except httpx.TransportError as error:
                cause = str(error) or type(error).__name__
            failures = 0 if _length(part) > have else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadBrokenError(cause)
            if _length(part) < size:
                time.sleep(_PAUSE)
    if _length(part) > size:
        part.unlink()
        raise DownloadBrokenError(f"the server sends more than {size:,} bytes")


def _continue(url: str, part: Path, have: int, size: int, headers: dict[str, str], tell: Callable[[int], None]) -> None:
    import httpx

    headers["Accept-Encoding"] = "identity"  # sizes and ranges are those of the file itself
    if have:
        headers["Range"] = f"bytes={have}-"
    with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as answer:
        answer.raise_for_status()
        whole = answer.status_code != 206  # the server knows no ranges: from the beginning
        with part.open("wb" if whole else "ab") as file:
            tell(0 if whole else have)
            for block in answer.iter_bytes(_BLOCK):
                file.write(block)
                tell(file.tell())
                if file.tell() > size:
                    return
    if whole and _length(part) < size:
        part.unlink()  # another file, of which nothing may be left to go on with


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A function that is told the bytes that are here, and draws a bar where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=size)
        yield lambda have: bar.update(task, completed=have)
