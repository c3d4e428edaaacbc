"""Option types that several commands share, and the one way in which our arguments differ from Typer's."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reir.errors import UsageError


class DeviceName(StrEnum):
    """Where a model runs; ``auto`` is the GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Db = Annotated[
    Path | None,
    typer.Option(
        "--db",
        envvar="REIR_DB",
        metavar="DIR",
        show_default=False,
        help="Index folder; by default .reir in the working folder or the nearest parent.",
    ),
]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", envvar="REIR_DATABASE_URL", metavar="URL", hidden=True)
]
IndexModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", show_default=False, help="Model; by default the one that made the index."),
]
Device = Annotated[DeviceName, typer.Option("--device", envvar="REIR_DEVICE", help="Where the model runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Rerank = Annotated[
    list[str] | None,
    typer.Option(
        "--rerank", metavar="NAME", show_default=False, help="Rank the best boxes anew (see: reir stages); repeatable."
    ),
]
Refine = Annotated[
    str | None,
    typer.Option("--refine", metavar="NAME", show_default=False, help="Stage that betters the boxes shown."),
]
Mask = Annotated[
    str | None,
    typer.Option("--mask", metavar="NAME", show_default=False, help="Stage that gives the boxes shown masks."),
]
STAGE_TOP, STAGE_SECONDS = 100, 10.0
"""As in `reir.rerank`, which help does not import."""
StageTop = Annotated[int, typer.Option("--stage-top", metavar="K", help="How many boxes are ranked anew.")]
StageSeconds = Annotated[float, typer.Option("--stage-seconds", metavar="S", help="Time budget of each stage.")]
Blend = Annotated[
    list[str] | None,
    typer.Option(
        "--blend",
        metavar="NAME=NUMBER",
        show_default=False,
        help="Mix the parts of the model's score otherwise, for example lambda=0.7; repeatable.",
    ),
]

DatasetImages = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", show_default=False, help="The pictures, to be indexed into a cache."),
]
DatasetDb = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", show_default=False, help="An index that holds the pictures already."),
]


def parse_blend(given: Sequence[str] | None) -> dict[str, float] | None:
    """The numbers of ``--blend``, by name.

    Raises:
        UsageError: one is not ``name=number``.
    """
    blend = {}
    for text in given or ():
        name, _, number = text.partition("=")
        if not name or not _is_number(number):
            raise UsageError(f"--blend takes NAME=NUMBER, for example lambda=0.7, got {text!r}")
        blend[name] = float(number)
    return blend or None


_TAKES_NUMBERS = ("--k", "--iou")


def spread_numbers(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--k 1 5 10`` written as ``--k 1 --k 5 --k 10``, which is all that Typer understands."""
    spread: list[str] = []
    option: str | None = None
    taken = 0
    for position, argument in enumerate(arguments):
        if argument == "--":
            return spread + list(arguments[position:])
        if argument in _TAKES_NUMBERS:
            option, taken = argument, 0
        elif option is not None and _is_number(argument):
            if taken:
                spread.append(option)
            taken += 1
        else:
            option = None
        spread.append(argument)
    return spread


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
