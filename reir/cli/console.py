"""What is said beside the result: warnings, notes and progress, on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reir.evaluation import Progress as EvaluationProgress
    from reir.indexer import Progress, ProgressState


def note(text: str) -> None:
    """Say something that is not the result."""
    print(text, file=sys.stderr)


def warn(warnings: Iterable[str]) -> None:
    """Say what the user should know, on a terminal in a colour that cannot be missed."""
    for warning in warnings:
        if sys.stderr.isatty():
            print(f"\033[1;33mwarning:\033[0m \033[33m{warning}\033[0m", file=sys.stderr)
        else:
            print(f"warning: {warning}", file=sys.stderr)


def print_json(record: Mapping[str, Any]) -> None:
    """Print one JSON object, indented for people and as it is for programs."""
    print(json.dumps(record, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A progress function that draws a bar with images/s and time left on stderr; None where that is no terminal."""
    with _bar() as tell:
        if tell is None:
            yield None
        else:
            yield lambda state: tell(state.phase, state.done, state.total, _facts(state))


@contextmanager
def phase_bar() -> Iterator[EvaluationProgress | None]:
    """A progress function for evaluations that draws a bar on stderr; None where that is no terminal."""
    with _bar() as tell:
        if tell is None:
            yield None
        else:
            yield lambda phase, done, total: tell(phase, done, total, f"{done:,}/{total:,}")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int | None, str], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, facts="")
        yield lambda phase, done, total, facts: bar.update(
            task, description=phase, completed=done, total=total, facts=facts
        )


def _facts(state: ProgressState) -> str:
    """``1,204/5,000 pictures · 38 images/s · 1:40 left · 2 unreadable``."""
    facts = [f"{state.done:,} pictures" if state.total is None else f"{state.done:,}/{state.total:,} pictures"]
    if state.images_per_second is not None:
        facts.append(f"{state.images_per_second:,.{0 if state.images_per_second >= 10 else 1}f} images/s")
    if state.seconds_left is not None and state.seconds_left >= 1:
        facts.append(f"{duration(state.seconds_left)} left")
    if state.failed:
        facts.append(f"{state.failed:,} unreadable")
    return " · ".join(facts)


def duration(seconds: float) -> str:
    """Seconds as ``0:07``, ``12:40`` or ``3:05:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(count: int) -> str:
    """A number of bytes as people read it: ``812 B``, ``4.2 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
