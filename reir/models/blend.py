"""The numbers of a score of several parts, as a query gives them."""

from __future__ import annotations

from collections.abc import Mapping

from reir.errors import UsageError


def read_blend(
    given: Mapping[str, float] | None, defaults: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """The numbers of a blend: those that are given, within their ranges, and the defaults of the others.

    Raises:
        UsageError: an unknown one, or one that is out of range.
    """
    for name, value in (given or {}).items():
        if name not in defaults:
            has = f"it has: {', '.join(defaults)}" if defaults else "it has nothing to blend"
            raise UsageError(f"this model's score has no {name!r}; {has}")
        low, high = ranges[name]
        if not low <= value <= high:
            raise UsageError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return {**defaults, **(given or {})}
