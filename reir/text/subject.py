"""What an expression points at, as readers of noun phrases give it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing that an expression points at, in lower case.

    ``noun`` is its head noun as it is written ("dog", "bananas"), None where no thing is named ("far left").
    ``phrase`` is its noun phrase with determiner, empty without a noun. ``words`` are the words that describe the
    subject itself: those before the noun in its phrase, and those of its place in the picture ("on the left" gives
    "left"; "left of the car" and "third from the left" give nothing, for they do not say in which half it is).
    """

    noun: str | None
    phrase: str
    words: tuple[str, ...]
