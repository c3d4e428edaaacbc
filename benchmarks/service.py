"""A `reir serve` of its own for the length of a benchmark, and what it holds of the machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

REIR = (sys.executable, "-c", "from reir.cli import main; main()")


class RunningService:
    """A service on a free port of 127.0.0.1, ready to answer, until the ``with`` block ends."""

    def __init__(self, db: Path, *, options: Sequence[str] = (), log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._command = [*REIR, "serve", "--db", str(db), "--port", str(self.port), *options]

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 120
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise RuntimeError(f"the service did not start:\n{self.log.read_text()}")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def resident_bytes(self) -> int:
        """Memory in use, of all its processes together, without what they share with the file cache."""
        return 1024 * sum(_status(process, "RssAnon") for process in self._processes())

    @property
    def mapped_bytes(self) -> int:
        """Memory in use including files that are mapped; those pages the system may take back."""
        return 1024 * sum(_status(process, "VmRSS") for process in self._processes())

    @property
    def handles(self) -> int:
        """Open files and sockets."""
        return sum(sum(1 for _ in Path(f"/proc/{process}/fd").iterdir()) for process in self._processes())

    @property
    def threads(self) -> int:
        """Threads of all its processes."""
        return sum(_status(process, "Threads") for process in self._processes())

    def _processes(self) -> list[int]:
        found, waiting = [], [self._process.pid]
        while waiting:
            process = waiting.pop()
            found.append(process)
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            waiting += [int(child) for child in children]
        return found

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPError, URLError, ConnectionError, TimeoutError):
            return False


def _status(process: int, name: str) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{process}/status has no {name}")
