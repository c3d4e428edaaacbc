"""Items that come at the same time are worked on together; too many are refused; nobody gets another's outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from reir.server.batching import Batcher
from reir.server.errors import ServiceError


class Gate:
    """Work that waits until it is let through, and notes its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.open.wait(10)
        return [item * 10 for item in items]


async def started(gate: Gate, batches: int) -> None:
    while len(gate.batches) < batches:
        await asyncio.sleep(0.001)


def test_what_waits_goes_together() -> None:
    gate, sizes = Gate(), []

    async def scene() -> None:
        batcher = Batcher(gate, most_at_once=3, most_waiting=10, name="test", on_batch=sizes.append)
        first = asyncio.create_task(batcher.run([1]))
        await started(gate, 1)
        rest = [asyncio.create_task(batcher.run([item])) for item in range(2, 7)]
        await asyncio.sleep(0.01)
        assert batcher.waiting == 5
        gate.open.set()
        assert await first == [10]
        assert await asyncio.gather(*rest) == [[20], [30], [40], [50], [60]]
        batcher.close()

    asyncio.run(scene())
    assert gate.batches == [[1], [2, 3, 4], [5, 6]]
    assert sizes == [1, 3, 2]


def test_too_many_are_refused_and_the_rest_is_served() -> None:
    gate = Gate()

    async def scene() -> None:
        batcher = Batcher(gate, most_at_once=8, most_waiting=2, name="test")
        first = asyncio.create_task(batcher.run([1]))
        await started(gate, 1)
        second = asyncio.create_task(batcher.run([2, 3]))
        await asyncio.sleep(0.01)
        with pytest.raises(ServiceError) as refused:
            await batcher.run([4])
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        gate.open.set()
        assert [await first, await second, await batcher.run([5])] == [[10], [20, 30], [50]]
        batcher.close()

    asyncio.run(scene())


def test_a_failure_reaches_those_it_concerns_only() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ZeroDivisionError
        return list(items)

    async def scene() -> None:
        batcher = Batcher(work, most_at_once=4, most_waiting=4, name="test")
        with pytest.raises(ZeroDivisionError):
            await batcher.run([0])
        assert await batcher.run([1]) == [1]
        batcher.close()

    asyncio.run(scene())


def test_those_who_left_are_not_worked_for() -> None:
    gate = Gate()

    async def scene() -> None:
        batcher = Batcher(gate, most_at_once=1, most_waiting=9, name="test")
        first = asyncio.create_task(batcher.run([1]))
        await started(gate, 1)
        leaving, staying = asyncio.create_task(batcher.run([2])), asyncio.create_task(batcher.run([3]))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0.01)
        gate.open.set()
        assert [await first, await staying] == [[10], [30]]
        batcher.close()

    asyncio.run(scene())
    assert gate.batches == [[1], [3]]


def test_closing_refuses_what_waits() -> None:
    gate = Gate()

    async def scene() -> None:
        batcher = Batcher(gate, most_at_once=1, most_waiting=9, name="test")
        first = asyncio.create_task(batcher.run([1]))
        await started(gate, 1)
        second = asyncio.create_task(batcher.run([2]))
        await asyncio.sleep(0.01)
        gate.open.set()
        batcher.close()
        assert await first == [10]
        with pytest.raises(ServiceError):
            await second

    asyncio.run(scene())
