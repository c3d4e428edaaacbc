"""Hits as text: a table for people, one line a hit for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from reir.types import Hit, SearchResult


def by_picture(hits: Sequence[Hit]) -> list[list[Hit]]:
    """The hits of each place of the ranking; grouped results share a rank within a picture."""
    return [list(group) for _, group in groupby(hits, key=lambda hit: hit.rank)]


def score_text(score: float) -> str:
    """A score with as many digits as tell neighbours apart, whatever its scale."""
    return f"{score:.3f}" if abs(score) < 10 else f"{score:.1f}"


def chance_text(probability: float) -> str:
    """A chance as a person says it, in whole percent; never 0% or 100%, which would be certainties."""
    percent = round(100 * probability)
    return "<1%" if percent < 1 else ">99%" if percent > 99 else f"{percent}%"


def worth_text(hit: Hit) -> str:
    """How good a hit is, for a label: its chance where the model is calibrated, else its score."""
    return score_text(hit.score) if hit.probability is None else chance_text(hit.probability)


def box_text(hit: Hit) -> str:
    """``x0,y0,x1,y1`` in whole pixels of the upright original."""
    return ",".join(str(round(value)) for value in hit.box)


def move_text(hit: Hit) -> str:
    """How far the rerank stages moved a hit: ``↑3``, ``↓1``, or nothing."""
    notes = [note for note in hit.stages.values() if "place_before" in note]
    rise = notes[0]["place_before"] - notes[-1]["place"] if notes else 0
    return f"{'↑' if rise > 0 else '↓'}{abs(rise)}" if rise else ""


def stages_text(result: SearchResult) -> str:
    """What the stages took: `` (templates 12 ms, sam 840 ms)``, or nothing."""
    names = dict.fromkeys(name for hit in result.hits for name in hit.stages)
    took = [f"{name} {result.timings_ms[name]:.0f} ms" for name in names if name in result.timings_ms]
    return f" ({', '.join(took)})" if took else ""


def print_paths(result: SearchResult, root: Path) -> None:
    """Print the pictures' full paths, best first, each once."""
    for path in dict.fromkeys(hit.path for hit in result.hits):
        print(root / path)


def print_hits(result: SearchResult, root: Path, *, see: str = "--sheet found.png") -> None:
    """Print the hits: a table on a terminal, else tab-separated rank, score, path and box.

    Paths are below ``root``; ``see`` is the option that shows the boxes.
    """
    if not sys.stdout.isatty():
        for hit in result.hits:
            print(hit.rank, score_text(hit.score), hit.path, box_text(hit), sep="\t")
        return
    if not result.hits:
        print("Nothing found.")
        return
    _print_table(result, root, see)


def _print_table(result: SearchResult, root: Path, see: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    chances = any(hit.probability is not None for hit in result.hits)
    table.add_column("", justify="right", style="bold")
    if chances:
        table.add_column("chance", justify="right")
    table.add_column("score", justify="right")
    moves = any(move_text(hit) for hit in result.hits)
    if moves:
        table.add_column("moved", justify="right", style="dim")
    table.add_column("picture", overflow="fold", ratio=1)
    table.add_column("box (x0,y0,x1,y1)", style="cyan", no_wrap=True)
    table.add_column("size", style="dim", no_wrap=True)
    for group in by_picture(result.hits):
        for place, hit in enumerate(group):
            first = place == 0
            # A terminal that knows links opens the picture on a click.
            path = Text(hit.path, style=f"link {(root / hit.path).as_uri()}") if first else Text("")
            table.add_row(
                str(hit.rank) if first else "",
                *([Text(worth_text(hit), style="bold" if first else "dim")] if chances else []),
                Text(score_text(hit.score), style="bold" if first and not chances else "dim"),
                *([move_text(hit)] if moves else []),
                path,
                box_text(hit),
                f"{hit.width}x{hit.height}" if first else "",
            )
    console = Console()
    console.print(table)
    count = len(by_picture(result.hits))
    what = "1 place" if count == 1 else f"{count} places"
    took = f"{result.timings_ms['total']:.0f} ms{stages_text(result)}"
    console.print(f"{what} in {took}; see the boxes with {see}", style="dim")
