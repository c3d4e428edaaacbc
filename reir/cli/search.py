"""``reir search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reir.cli.arguments import (
    STAGE_SECONDS,
    STAGE_TOP,
    Blend,
    DatabaseUrl,
    Db,
    Device,
    DeviceName,
    IndexModelName,
    Json,
    Mask,
    Refine,
    Rerank,
    StageSeconds,
    StageTop,
    parse_blend,
)
from reir.errors import UsageError

_EXAMPLES = """\b
Examples:
  reir search "brown dog on a cushion near the fireplace"
  reir search "red cup" --top 20 --after 2023 --sheet cups.png
  reir search "left cat" --rerank templates --refine box-search --sheet cats.png
  reir search --image crop.jpg --path-prefix holidays/ --json"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(search)


def search(
    expression: Annotated[
        str | None, typer.Argument(metavar="EXPRESSION", show_default=False, help="A description of one thing.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="CROP.jpg", show_default=False, help="Search by an example picture instead."),
    ] = None,
    top: Annotated[int, typer.Option("-t", "--top", metavar="N", help="How many pictures (with --flat: boxes).")] = 10,
    flat: Annotated[bool, typer.Option("--flat", help="Rank single boxes, not pictures.")] = False,
    cursor: Annotated[
        str | None,
        typer.Option(
            "--cursor",
            metavar="TEXT",
            show_default=False,
            help="The next page: next_cursor of an answer in --json, with the same options but --top.",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", metavar="S", show_default=False, help="Leave out boxes scored lower."),
    ] = None,
    path_prefix: Annotated[
        str | None,
        typer.Option(
            "--path-prefix", metavar="P", show_default=False, help="Only pictures whose path in the gallery begins so."
        ),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            "--after", metavar="DATE", show_default=False, help="Only pictures taken then or later: 2024, 2024-05, ..."
        ),
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", show_default=False, help="Only pictures taken earlier.")
    ] = None,
    rerank: Rerank = None,
    refine: Refine = None,
    mask: Mask = None,
    stage_top: StageTop = STAGE_TOP,
    stage_seconds: StageSeconds = STAGE_SECONDS,
    blend: Blend = None,
    json_output: Json = False,
    paths_only: Annotated[bool, typer.Option("--paths-only", help="Print full paths only, best first.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="DIR",
            show_default=False,
            help="Write the pictures, boxes drawn, to this folder.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE.png", show_default=False, help="Write a contact sheet: pictures, boxes, scores."
        ),
    ] = None,
    db: Db = None,
    model: IndexModelName = None,
    device: Device = DeviceName.auto,
    database_url: DatabaseUrl = None,
) -> None:
    """Find the thing you describe in an indexed gallery.

    Pictures are ranked by their best box, with at most five boxes each. Paths are relative to the gallery.
    Stages look again at the best boxes: those of --rerank change the order, --refine the boxes; reir stages lists them.
    """
    from reir.cli.console import note, print_json, warn
    from reir.gallery import Gallery
    from reir.indexer.location import find_index
    from reir.search import parse_date

    if sum(given is not None for given in (expression, image, cursor)) != 1:
        raise UsageError('give one of an expression, --image and --cursor: reir search "red cup on a table"')
    if json_output and paths_only:
        raise UsageError("--json and --paths-only exclude each other")
    if sheet is not None:
        from reir.cli.drawn import check_picture_name

        check_picture_name(sheet)
    taken_after = None if after is None else parse_date(after)
    taken_before = None if before is None else parse_date(before)
    with Gallery.open(find_index(db=db), model=model, device=device, database_url=database_url) as gallery:
        result = gallery.search(
            expression,
            image=image,
            cursor=cursor,
            top=top,
            flat=flat,
            min_score=min_score,
            path_prefix=path_prefix,
            after=taken_after,
            before=taken_before,
            rerank=rerank or (),
            refine=refine,
            mask=mask,
            stage_top=stage_top,
            stage_seconds=stage_seconds,
            blend=parse_blend(blend),
        )
        root = gallery.root
    warn(result.warnings)
    if result.no_match and result.hits and not json_output:
        note("Nothing in this gallery seems to fit; the nearest are:")
    if json_output:
        print_json(result.to_json())
    elif paths_only:
        from reir.cli.hits import print_paths

        print_paths(result, root)
    else:
        from reir.cli.hits import print_hits

        print_hits(result, root)
    if save is not None:
        from reir.cli.drawn import save_pictures

        written, failures = save_pictures(result, root, save)
        warn(failures)
        note(f"{len(written)} {'picture' if len(written) == 1 else 'pictures'} with boxes in {save}")
    if sheet is not None:
        from reir.cli.drawn import save_sheet

        title = result.expression if result.expression is not None else "more" if image is None else f"like {image}"
        warn(save_sheet(result, title, root, sheet))
        note(f"contact sheet: {sheet}")
