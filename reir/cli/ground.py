"""``reir ground``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reir.cli.arguments import (
    STAGE_SECONDS,
    STAGE_TOP,
    Blend,
    Device,
    DeviceName,
    Json,
    Mask,
    Refine,
    Rerank,
    StageSeconds,
    StageTop,
    parse_blend,
)

_EXAMPLES = """\b
Examples:
  reir ground sofa.jpg "the left cat" --save found.png
  reir ground sofa.jpg "the left cat" --model owlv2-base --mask sam --json
  reir ground street.jpg "man in a blue coat" --grounder ellipse --save found.png"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(ground)


def ground(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", show_default=False, help="A picture file.")],
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", show_default=False, help="A description of one thing in it.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", show_default=False, help="Model that finds the boxes; by default the best here."
        ),
    ] = None,
    grounder: Annotated[
        str | None,
        typer.Option(
            "--grounder",
            metavar="NAME",
            show_default=False,
            help="Method that finds the box by itself, in place of a model (see: reir stages).",
        ),
    ] = None,
    top: Annotated[int, typer.Option("-t", "--top", metavar="N", help="How many boxes.")] = 1,
    rerank: Rerank = None,
    refine: Refine = None,
    mask: Mask = None,
    stage_top: StageTop = STAGE_TOP,
    stage_seconds: StageSeconds = STAGE_SECONDS,
    blend: Blend = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FILE.png", show_default=False, help="Write the picture, boxes and masks drawn."
        ),
    ] = None,
    json_output: Json = False,
    device: Device = DeviceName.auto,
) -> None:
    """Find the thing you describe in one picture, with no index.

    A model's boxes are ranked as in a search, and the same stages may follow; a grounder finds its box by itself.
    """
    from reir.cli.console import note, print_json, warn
    from reir.gallery import ground as find

    if save is not None:
        from reir.cli.drawn import check_picture_name

        check_picture_name(save)
    result = find(
        image,
        expression,
        model=model,
        grounder=grounder,
        top=top,
        rerank=rerank or (),
        refine=refine,
        mask=mask,
        stage_top=stage_top,
        stage_seconds=stage_seconds,
        blend=parse_blend(blend),
        device=device,
    )
    warn(result.warnings)
    if json_output:
        print_json(result.to_json())
    else:
        from reir.cli.hits import print_hits

        print_hits(result, Path.cwd(), see="--save found.png")
    if save is not None:
        from reir.cli.drawn import save_picture

        save_picture(result, image, save)
        note(f"the picture with what was found: {save}")
