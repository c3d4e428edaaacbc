"""How long the parts of a measurement take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


@contextmanager
def timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Puts the milliseconds that its body takes into ``timings`` under ``name``."""
    started = perf_counter()
    yield
    timings[name] = 1000 * (perf_counter() - started)
