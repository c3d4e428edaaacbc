"""What is said of an expression that is longer than a text tower reads."""

from __future__ import annotations

from collections.abc import Sequence


def length_warnings(dropped: Sequence[str]) -> list[str]:
    """The warning for words beyond a tower's length; nothing where there are none."""
    return [f"too long, not read: {' '.join(dropped)}"] if dropped else []


def share_within(expression: str, dropped: Sequence[str]) -> float:
    """Share of an expression's words that are not dropped; 0 for an expression without words."""
    words = expression.split()
    return 1 - len(dropped) / len(words) if words else 0.0
