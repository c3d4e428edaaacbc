"""Option types that several commands share, and the one way in which our arguments differ from Typer's."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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

DatasetImages = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", show_default=False, help="The pictures, to be indexed into a cache."),
]
DatasetDb = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", show_default=False, help="An index that holds the pictures already."),
]

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
