"""``reir data``: making data sets."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli import construction, datasets
from reir.cli.arguments import Json

if TYPE_CHECKING:
    from reir.data.synth import SynthReport

app = typer.Typer(help="Make data sets.", no_args_is_help=True, rich_markup_mode=None)
datasets.register(app)
construction.register(app)

_EXAMPLES = """\b
Examples:
  reir data synth scenes --split test --images 1000
  reir data synth large --images 200 --size 4032x3024"""


class Gallery(StrEnum):
    """Which scenes: those of a split, which share none, or the gallery that ships with reir."""

    train = "train"
    validation = "validation"
    test = "test"
    shifted = "shifted"
    demo = "demo"


@app.callback()
def group() -> None:
    """Make data sets."""


@app.command(epilog=_EXAMPLES)
def synth(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write: DIR/images and DIR/SPLIT.json.")],
    split: Annotated[
        Gallery,
        typer.Option("--split", help="Whose scenes; no two splits share one. demo: the gallery that ships with reir."),
    ] = Gallery.test,
    images: Annotated[
        int | None,
        typer.Option("--images", metavar="N", min=1, show_default=False, help="Number of pictures; 1000 by default."),
    ] = None,
    max_side: Annotated[
        int | None,
        typer.Option("--max-side", metavar="PX", min=64, show_default=False, help="Bound the longer side of pictures."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", show_default=False, help="Render the scenes of this shape at this size."),
    ] = None,
    skip: Annotated[int, typer.Option("--skip", metavar="N", min=0, help="Leave out the split's first scenes.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, show_default=False, help="Processes; by default one a core."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Write emoji scenes with boxes, masks, scene graphs and checked expressions.

    The same options give the same files. In all splits but train an expression fits exactly one object of the whole
    gallery; what was dropped is counted by reason. Split shifted is drawn otherwise than the rest: other places, sizes
    and tilts, outlined, muted and grey things.
    """
    from reir.cli.console import phase_bar, print_json
    from reir.data.splits import SPLITS
    from reir.data.synth import build_demo, synthesise
    from reir.errors import UsageError

    pixels = None if size is None else _size(size)
    count = 1000 if images is None else images
    if split is Gallery.demo:
        if (images, max_side, size, skip) != (None, None, None, 0):
            raise UsageError("the demo gallery is always the same: leave --images, --max-side, --size and --skip out")
    elif skip + count > (capacity := SPLITS[split.value].capacity):
        raise UsageError(f"split {split.value} has {capacity:,} scenes, fewer than --skip {skip} and {count} more")
    with phase_bar() as bar:
        progress = None if bar is None else lambda done, total: bar("rendering", done, total)
        if split is Gallery.demo:
            report = build_demo(out, workers=workers, progress=progress)
        else:
            report = synthesise(
                out,
                split.value,
                count,
                workers=workers,
                max_side=max_side,
                size=pixels,
                seed_offset=skip,
                progress=progress,
            )
    if json_output:
        print_json(report.to_json())
    else:
        _print_report(report)


def _size(text: str) -> tuple[int, int]:
    from reir.errors import UsageError

    found = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if not found or not all(16 <= int(side) <= 20_000 for side in found.groups()):
        raise UsageError(f"{text!r} is not a size in pixels. Write, for example, 4032x3024")
    return int(found[1]), int(found[2])


def _print_report(report: SynthReport) -> None:
    from reir.cli.console import duration, note

    kept = sum(report.expressions.values())
    print(f"{report.path}: {report.images:,} pictures, {report.instances:,} objects, {kept:,} expressions")
    print(f"\nkept by kind, of {report.candidates:,} candidates")
    for kind, count in report.expressions.items():
        print(f"  {kind:<24}{count:>9,}")
    if report.ambiguous:
        print(f"  {'(ambiguous, kept apart)':<24}{report.ambiguous:>9,}")
    if report.dropped:
        print("\ndropped because")
        for reason, count in report.dropped.items():
            print(f"  {reason:<24}{count:>9,}")
    note(f"\n{duration(report.seconds)}")
