"""Requests that come at the same time are worked on together, in a bounded pool."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from reir.server.errors import overloaded

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class _Waiting(Generic[Item, Outcome]):
    item: Item
    outcome: asyncio.Future[Outcome]


class Batcher(Generic[Item, Outcome]):
    """Calls ``work`` on all items that wait when a thread becomes free, ``most_at_once`` at most.

    Nothing waits for company: an item that finds a free thread is worked on alone, at once. Batches form by themselves
    under load, while the threads are busy. Belongs to one event loop.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Outcome]],
        *,
        most_at_once: int,
        most_waiting: int,
        threads: int = 1,
        name: str,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        """A batcher.

        Args:
            work: outcomes of the items, in their order; runs in a thread.
            most_at_once: items in one call.
            most_waiting: items that may wait; further ones are refused.
            threads: calls at the same time.
            name: of its threads.
            on_batch: told the size of every batch.
        """
        self._work = work
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._free = threads
        self._pool = ThreadPoolExecutor(threads, name)
        self._queue: deque[_Waiting[Item, Outcome]] = deque()
        self._on_batch = on_batch

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._queue)

    async def run(self, items: Sequence[Item]) -> list[Outcome]:
        """The outcomes of the items; they are accepted all or none.

        Raises:
            ServiceError: 503, too many wait already.
        """
        if len(self._queue) + len(items) > max(self._most_waiting, len(items)):
            raise overloaded()
        loop = asyncio.get_running_loop()
        waiting = [_Waiting[Item, Outcome](item, loop.create_future()) for item in items]
        self._queue.extend(waiting)
        self._start(loop)
        try:
            return list(await asyncio.gather(*(each.outcome for each in waiting)))
        finally:
            for each in waiting:
                each.outcome.cancel()  # of a caller that has left; no effect on one that is done

    def close(self) -> None:
        """Refuse what waits, and end the threads when their work is done."""
        for each in self._queue:
            if not each.outcome.done():
                each.outcome.set_exception(overloaded())
        self._queue.clear()
        self._pool.shutdown(wait=True)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._free and self._queue:
            batch: list[_Waiting[Item, Outcome]] = []
            while self._queue and len(batch) < self._most_at_once:
                each = self._queue.popleft()
                if not each.outcome.done():
                    batch.append(each)
            if not batch:
                return
            if self._on_batch is not None:
                self._on_batch(len(batch))
            self._free -= 1
            call = loop.run_in_executor(self._pool, self._work, [each.item for each in batch])
            call.add_done_callback(lambda done, batch=batch: self._finish(done, batch, loop))  # type: ignore[misc]

    def _finish(
        self,
        done: asyncio.Future[Sequence[Outcome]],
        batch: Sequence[_Waiting[Item, Outcome]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._free += 1
        error = done.exception()
        for place, each in enumerate(batch):
            if each.outcome.done():
                continue
            if error is not None:
                each.outcome.set_exception(error)
            else:
                each.outcome.set_result(done.result()[place])
        self._start(loop)
