"""A sample of a data set for people to judge, and the table that they fill in."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.data.jsonfile import write_text
from reir.errors import UsageError

COLUMNS = ("place", "annotation_id", "file_name", "expression", "flags", "verdict", "note")


@dataclass(frozen=True, slots=True)
class Sampled:
    """One instance on the sheet; ``place`` is its number there, ``flags`` what is doubtful, by expression."""

    place: int
    picture: AnnotatedPicture
    instance: AnnotatedInstance
    flags: dict[str, str]


def sample(data: AnnotatedSet, count: int, *, seed: int = 0, flagged: bool = False) -> list[Sampled]:
    """``count`` random instances with expressions, the same for a seed, in the order of the file.

    ``flagged`` draws from those alone that something is doubtful about.

    Raises:
        UsageError: there is none.
    """
    candidates = []
    for picture in data.pictures:
        for instance in picture.instances:
            doubts = _doubts(instance)
            if instance.texts and (doubts or not flagged):
                candidates.append((picture, instance, doubts))
    if not candidates:
        raise UsageError(f"{data.path} has no instance with {'flagged ' if flagged else ''}expressions")
    drawn = sorted(random.Random(seed).sample(range(len(candidates)), min(count, len(candidates))))
    return [Sampled(place, *candidates[number]) for place, number in enumerate(drawn, start=1)]


def _doubts(instance: AnnotatedInstance) -> dict[str, str]:
    doubts: dict[str, list[str]] = {}
    for flag in instance.record.get("flags", ()):
        word = flag["kind"] + {True: ", confirmed", False: ", refuted"}.get(flag.get("confirmed"), "")
        doubts.setdefault(flag["expression"], []).append(word)
    for text in instance.texts:
        if any(repr(text) in warning for warning in instance.warnings):
            doubts.setdefault(text, []).append("subject?")
    return {text: "; ".join(words) for text, words in doubts.items()}


def letter(number: int) -> str:
    """The letter of an instance's expression: a for the first."""
    return chr(ord("a") + number % 26)


def write_table(path: Path, sampled: Sequence[Sampled]) -> None:
    """Write a row for each expression of the sample, with an empty column for the verdict."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in sampled:
        for number, text in enumerate(one.instance.texts):
            place = f"{one.place}{letter(number)}"
            table.writerow([place, one.instance.id, one.picture.file_name, text, one.flags.get(text, ""), "", ""])
    write_text(path, buffer.getvalue())
