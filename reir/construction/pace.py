"""How fast an endpoint is asked: requests and tokens a minute, and what it says about waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from time import monotonic

from aiolimiter import AsyncLimiter

_TOKEN_WINDOW = 30.0
"""Seconds over which tokens are counted: at the very start, half a minute's worth may go out at once."""
_LOOK = 0.2
"""Seconds between two looks at whether the run is to stop."""


class StoppedError(Exception):
    """The run is to stop: nothing new is sent."""


class Pace:
    """Lets requests through no faster than agreed. For one event loop."""

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._requests = AsyncLimiter(1, 60.0 / requests_per_minute) if requests_per_minute else None
        self._window = tokens_per_minute * _TOKEN_WINDOW / 60.0 if tokens_per_minute else None
        self._tokens = AsyncLimiter(self._window, _TOKEN_WINDOW) if self._window else None
        self._stop = stop or threading.Event()
        self._held_until = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait until a request of so many tokens may be sent.

        Raises:
            StoppedError: the run is to stop.
        """
        if self._requests is not None:
            await self._unless_stopped(self._requests.acquire())
        if self._tokens is not None and self._window is not None:
            # One request that is larger than the window waits for all of it.
            await self._unless_stopped(self._tokens.acquire(min(float(tokens), self._window)))
        await self.sleep(max(0.0, self._held_until - monotonic()))

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: an endpoint that asks one request to wait would refuse the others too."""
        self._held_until = max(self._held_until, monotonic() + seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait, but not when the run is to stop.

        Raises:
            StoppedError: the run is to stop.
        """
        await self._unless_stopped(asyncio.sleep(seconds))

    async def _unless_stopped(self, waiting: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(waiting)
        while not self._stop.is_set():
            await asyncio.wait({task}, timeout=_LOOK)
            if task.done():
                return task.result()
        task.cancel()
        raise StoppedError
