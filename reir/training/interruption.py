"""A run that is asked to stop does so between two steps."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType


class Interruption:
    """While entered, Ctrl-C or a scheduler's SIGTERM sets ``asked``; a second one stops at once.

    One that comes within ``echo`` seconds is the first again: a scheduler signals every process of a job, and a
    launcher among them hands the signal on to those that it started.
    """

    def __init__(self, *, echo: float = 1.0) -> None:
        self.asked = False
        self._echo = echo
        self._since = 0.0
        self._before: dict[signal.Signals, signal.Handlers] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # only there may handlers be set
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
        elif time.monotonic() - self._since >= self._echo:
            raise KeyboardInterrupt
