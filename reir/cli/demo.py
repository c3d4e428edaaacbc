"""``reir demo``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reir.data.dataset import Dataset, Query
    from reir.gallery import Gallery
    from reir.types import SearchResult

MODEL = "clare-tiny"
SEARCHES = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExample:\n  reir demo --out /tmp/reir-demo")(demo)


def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            show_default=False,
            help="Where the index and the contact sheets go; by default the user's cache folder.",
        ),
    ] = None,
) -> None:
    """Index the gallery that ships with reir, search it, and draw what was found.

    Needs no network. The pictures are emoji scenes, the one world that the shipped model knows.
    """
    from platformdirs import user_cache_path

    from reir.cli.console import note, progress_bar
    from reir.cli.drawn import save_sheet
    from reir.data.coco import load_dataset

    data = load_dataset("demo")
    folder = out or user_cache_path("reir") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with _open(data.images_root, folder / "index") as gallery:
        with progress_bar() as progress:
            report = gallery.add([gallery.root], progress=progress)
        held = gallery.info()
        note(f"gallery: {held.images:,} pictures, {held.instances:,} objects, {report.new:,} of the pictures new")
        queries = varied_queries(data, SEARCHES)
        results = [gallery.search(query.text) for query in queries]
        _print_answers(queries, results)
        answers = folder / "answers.png"
        _save_answers(queries, results, gallery, answers)
        ranking = folder / "ranking.png"
        save_sheet(results[0], queries[0].text, gallery.root, ranking)
        print(f"\ncontact sheets: {answers}\n                {ranking}")
        note("\nNow try your own words, or your own pictures:")
        note(f'  reir search "{queries[-1].text}" --db {gallery.db} --sheet found.png')
        note("  reir index ~/Pictures")


def _open(root: Path, db: Path) -> Gallery:
    """The demo's gallery; an index left by an earlier version of reir or of the model makes way."""
    import shutil

    from reir.errors import ModelMismatchError, RootMismatchError
    from reir.gallery import Gallery

    try:
        return Gallery.create(root, db=db, model=MODEL)
    except (ModelMismatchError, RootMismatchError):
        shutil.rmtree(db)
        return Gallery.create(root, db=db, model=MODEL)


def varied_queries(data: Dataset, count: int) -> list[Query]:
    """Expressions of every kind in turn, each of another picture, in the order of the data set."""
    waiting: dict[str, list[Query]] = {}
    for query in data.queries:
        waiting.setdefault(query.kind or "", []).append(query)
    chosen: list[Query] = []
    pictures: set[str] = set()
    while len(chosen) < count and any(waiting.values()):
        for queries in waiting.values():
            fresh = [query for query in queries if query.file_name not in pictures]
            chosen += fresh[:1]
            pictures.update(query.file_name for query in fresh[:1])
            queries[:] = fresh[1:]
    return chosen[:count]


def _place(query: Query, result: SearchResult) -> int | None:
    """The rank of the first hit that is the described object (IoU > 0.5), or None."""
    import numpy as np

    from reir.geometry import iou_matrix

    truth = np.array([query.box], dtype=np.float32)
    for hit in result.hits:
        if hit.path == query.file_name and iou_matrix(truth, np.array([hit.box], dtype=np.float32))[0, 0] > 0.5:
            return hit.rank
    return None


def _print_answers(queries: Sequence[Query], results: Sequence[SearchResult]) -> None:
    first = 0
    for query, result in zip(queries, results, strict=True):
        place = _place(query, result)
        first += place == 1
        verdict = "found" if place == 1 else f"rank {place}" if place else "missed"
        print(f"{verdict:<7} {query.text}  ({result.timings_ms['total']:.0f} ms)")
    print(f"\n{first} of {len(queries)} found at the first place")


def _save_answers(queries: Sequence[Query], results: Sequence[SearchResult], gallery: Gallery, target: Path) -> None:
    """One picture an expression: the best hit, with the expression under it."""
    from reir.cli.hits import worth_text
    from reir.imaging import decode_picture
    from reir.imaging.draw import Mark
    from reir.imaging.sheet import CELL_WIDTH, Panel, contact_sheet

    panels = []
    for number, (query, result) in enumerate(zip(queries, results, strict=True), start=1):
        for best in result.hits[:1]:
            picture = decode_picture(gallery.root / best.path, max_side=2 * CELL_WIDTH).picture
            panels.append(Panel(number, picture, [Mark(best.box, worth_text(best))], query.text, ""))
    subtitle = f"the best hit of each expression among {gallery.info().instances:,} objects · {results[0].model}"
    notice = gallery.model.notice
    warnings = [notice] if notice else []
    contact_sheet("One sentence, one object", panels, subtitle=subtitle, warnings=warnings).save(target)
