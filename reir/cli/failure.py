"""One table from errors to what the user reads and the exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from reir.errors import ReirError


@dataclass(frozen=True, slots=True)
class Failure:
    """How one kind of error ends a command: the text on stderr and the exit code."""

    kind: type[BaseException]
    text: Callable[[BaseException], str]
    exit_code: Callable[[BaseException], int]


def _own_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, ReirError) else 1


def _of_file(error: BaseException) -> str:
    assert isinstance(error, OSError)
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


TABLE: tuple[Failure, ...] = (
    Failure(ReirError, str, _own_code),
    Failure(KeyboardInterrupt, lambda _: "stopped; what was committed before is kept", lambda _: 130),
    Failure(OSError, _of_file, lambda _: 1),
    Failure(MemoryError, lambda _: "out of memory. Try fewer --workers or a smaller --top", lambda _: 1),
)
"""The first line that matches decides. Anything else is a fault of reir itself, and keeps its traceback."""


def report(error: BaseException, *, debug: bool) -> int:
    """The exit code for an error, whose text is printed on stderr (with its traceback if ``debug``)."""
    failure = next((line for line in TABLE if isinstance(error, line.kind)), None)
    if failure is None:
        traceback.print_exception(error)
        print("\nreir: this is a fault of reir itself; please report it with the lines above", file=sys.stderr)
        return 1
    if debug:
        traceback.print_exception(error)
    print(f"reir: {failure.text(error)}", file=sys.stderr)
    return failure.exit_code(error)
