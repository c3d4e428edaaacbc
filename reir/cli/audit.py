"""``reir data audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reir.cli.arguments import Json
from reir.cli.construction_options import ImagesBeside
from reir.errors import UsageError

EXAMPLES = """\b
Examples:
  reir data audit set/test.json --images val2017 --out audit --count 40
  reir data audit set/test.json --verdicts audit/verdicts.csv"""


def audit(
    source: Annotated[Path, typer.Argument(metavar="FILE.json", help="A file of expressions.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", show_default=False, help="Folder to write: sheet.jpg and verdicts.csv."),
    ] = None,
    images: ImagesBeside = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=100, help="Instances on the sheet.")] = 24,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the draw.")] = 0,
    flagged: Annotated[bool, typer.Option("--flagged", help="Draw from instances with flags alone.")] = False,
    verdicts: Annotated[
        Path | None,
        typer.Option("--verdicts", metavar="FILE", show_default=False, help="Report on a table that was filled in."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Draw random instances with their expressions for people to judge, or report on what they found.

    Verdicts: right (true of the framed object alone), wrong (not true of it), ambiguous (true of others too).
    """
    from reir.cli.console import note, print_json
    from reir.construction import draw_sheet, read_annotated, read_verdicts, sample, write_table

    if verdicts is not None:
        found = read_verdicts(verdicts)
        if json_output:
            print_json(found.to_json())
            return
        low, high = found.interval
        print(f"{found.right:.1%} right (95%: {low:.1%} to {high:.1%})")
        counts = ", ".join(f"{number:,} {name}" for name, number in found.counts.items())
        counts += f"; {found.unjudged:,} not judged"
        print(f"{found.expressions:,} expressions of {found.instances:,} instances: {counts}")
        if found.flagged_right is not None:
            print(f"of the flagged ones {found.flagged_right:.1%} right")
        return
    if out is None:
        raise UsageError("say where the sheet goes: --out DIR, or what was judged: --verdicts FILE")
    table = out / "verdicts.csv"
    if table.exists():
        raise UsageError(f"{table} is there already, perhaps with verdicts. Give --out another folder")
    data = read_annotated(source, images=images)
    data.require_pictures()
    drawn = sample(data, count, seed=seed, flagged=flagged)
    out.mkdir(parents=True, exist_ok=True)
    draw_sheet(data, drawn, f"Audit of {source.stem}, seed {seed}").save(out / "sheet.jpg", quality=90)
    write_table(table, drawn)
    if json_output:
        instances = [one.instance.id for one in drawn]
        print_json({"sheet": str(out / "sheet.jpg"), "table": str(table), "instances": instances})
    else:
        print(f"{out / 'sheet.jpg'}: {len(drawn):,} instances")
        note(f"write verdicts into {table}, then: reir data audit {source} --verdicts {table}")
