"""``reir data convert`` and ``reir data check``: published data sets, to our layout and looked over."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli.arguments import Json

if TYPE_CHECKING:
    from reir.data.check import CheckReport, FileReport
    from reir.data.refer import ConvertReport

_CONVERT_EXAMPLES = """\b
Examples:
  reir data convert 'refcoco/refs(unc).p' sets
  reir data convert 'refcocog/refs(umd).p' sets --captions captions_train2014.json"""

_CHECK_EXAMPLES = """\b
Examples:
  reir data check reir_coco_train.json reir_coco_test.json --images train2017
  reir data check instances_train2017.json --held-out sets/refcoco_unc_val.json --drop-leaks clean"""


class WordingName(StrEnum):
    """Which form of a sentence is taken."""

    sent = "sent"
    raw = "raw"


Strict = Annotated[bool, typer.Option("--strict", help="Fail (exit code 1) where there is anything to warn of.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``reir data``."""
    app.command(epilog=_CONVERT_EXAMPLES)(convert)
    app.command(epilog=_CHECK_EXAMPLES)(check)


def convert(
    refs: Annotated[Path, typer.Argument(metavar="REFS", help="refs(unc).p, refs(google).p or refs(umd).p.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write: DIR/NAME_SPLIT.json.")],
    instances: Annotated[
        Path | None,
        typer.Option(
            "--instances",
            metavar="FILE",
            show_default=False,
            help="Annotations; by default instances.json beside REFS.",
        ),
    ] = None,
    captions: Annotated[
        list[Path] | None,
        typer.Option(
            "--captions",
            metavar="FILE",
            show_default=False,
            help="COCO's captions, stored on the pictures; repeatable.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", show_default=False, help="By default the folder's and REFS', as refcoco_unc."
        ),
    ] = None,
    wording: Annotated[
        WordingName, typer.Option("--wording", help="sent: cleaned, as evaluations use it; raw: as it was typed.")
    ] = WordingName.sent,
    strict: Strict = False,
    json_output: Json = False,
) -> None:
    """Write RefCOCO, RefCOCO+ or RefCOCOg as one COCO-style file a split.

    Each file has all annotated boxes of its pictures, with expressions on those that the split refers to. The counts
    are compared with the published ones. Pickles are read as plain data: nothing in them is run.
    """
    from reir.cli.console import print_json
    from reir.data.refer import convert_references

    report = convert_references(
        refs, out, instances=instances, captions=captions or (), name=name, wording=wording.value
    )
    if json_output:
        print_json(report.to_json())
    else:
        _print_conversion(report)
    if strict and report.differences:
        raise typer.Exit(1)


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="COCO-style files, of any of the layouts.")],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out",
            metavar="FILE",
            show_default=False,
            help="A file for evaluation, whatever its name; repeatable.",
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images",
            metavar="DIR",
            show_default=False,
            help="Where the pictures are; by default images beside a file, if that is there; repeatable.",
        ),
    ] = None,
    by_content: Annotated[
        bool, typer.Option("--hash", help="Find shared pictures by their content too, not by COCO's number alone.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name every entry and every shared picture.")] = False,
    drop_leaks: Annotated[
        Path | None,
        typer.Option(
            "--drop-leaks",
            metavar="DIR",
            show_default=False,
            help="Write the training files there without the pictures that they share with held-out ones.",
        ),
    ] = None,
    strict: Strict = False,
    json_output: Json = False,
) -> None:
    """Count what annotation files hold, and say what is wrong with them.

    Malformed entries, missing pictures, boxes outside, expressions that stand twice, counts that differ from the
    published ones, and leaks: pictures of a training file that a held-out file has too. A file is held out if it says
    so or its name has val or test in it.
    """
    from reir.cli.console import phase_bar, print_json
    from reir.data.check import check_files

    with phase_bar() as bar:
        report = check_files(
            files,
            held_out=held_out or (),
            images=images or (),
            by_content=by_content,
            drop_leaks=drop_leaks,
            progress=bar,
        )
    if json_output:
        print_json(report.to_json() | ({"listed": _listed(report)} if listed else {}))
    else:
        _print_check(report, listed=listed)
    if strict and not report.clean:
        raise typer.Exit(1)


def _print_conversion(report: ConvertReport) -> None:
    from reir.cli.console import warn

    for split, path in report.files.items():
        counts = report.counts[split]
        print(
            f"{path}: {counts.pictures:,} pictures, {counts.referred:,} references, {counts.expressions:,} expressions"
        )
    warn(report.differences)


def _print_check(report: CheckReport, *, listed: bool) -> None:
    from reir.cli.console import warn

    for one in report.files:
        _print_file(one, listed=listed)
    for leak in report.leaks:
        print(f"\nleak: {leak.train} and {leak.held_out} share {len(leak.pictures):,} pictures")
        if listed:
            for name, other in leak.pictures:
                print(f"  {name}" + (f" ({other})" if other != name else ""))
    for path, (pictures, entries) in report.dropped.items():
        print(f"\n{path}: without {pictures:,} pictures and their {entries:,} annotations")
    warn(report.differences)


def _print_file(one: FileReport, *, listed: bool) -> None:
    found = one.annotations
    role = "held out" if one.held_out else "training"
    boxes = "all objects have boxes" if found.complete else "boxes of referred objects only"
    crowds, categories = int(found.crowd.sum()), len(found.category_names)
    print(f"{found.path} ({role})")
    print(f"  {len(found):,} pictures, {found.objects:,} objects ({crowds:,} crowds) of {categories:,} categories")
    print(f"  {found.referred:,} objects are referred to by {found.expressions:,} expressions; {boxes}")
    if one.repeated:
        print(f"  {len(one.repeated):,} expressions stand on several objects, as {one.repeated[0]!r}")
    for kind, issues in one.issues().items():
        print(f"  {kind}: {len(issues):,}")
        for issue in issues if listed else issues[:3]:
            print(f"    {issue}")
    for what, names in (("missing pictures", one.missing), ("pictures of another size", one.resized)):
        if names:
            print(f"  {what}: {len(names):,}")
            for name in names if listed else names[:3]:
                print(f"    {name}")
    if one.missing is None:
        print("  pictures not looked for: name their folder with --images")


def _listed(report: CheckReport) -> dict[str, object]:
    return {
        "issues": {
            str(one.annotations.path): {kind: [str(issue) for issue in found] for kind, found in one.issues().items()}
            for one in report.files
        },
        "repeated": {str(one.annotations.path): one.repeated for one in report.files},
        "missing": {str(one.annotations.path): one.missing for one in report.files},
        "resized": {str(one.annotations.path): one.resized for one in report.files},
        "leaks": [{"train": leak.train, "held_out": leak.held_out, "pictures": leak.pictures} for leak in report.leaks],
    }
