"""``reir index``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reir.cli.arguments import DatabaseUrl, Device, DeviceName, Json
from reir.cli.weights import Yes

if TYPE_CHECKING:
    from reir.indexer import IndexOptions, IndexReport
    from reir.protocols import Model
    from reir.store import Index
    from reir.types import ModelIdentity

_EXAMPLES = """\b
Examples:
  reir index ~/Pictures
  reir index ~/Pictures/2024 --exclude-dir trash
  reir index ~/Pictures --model owlv2-base --yes
  reir index ~/Pictures --dry-run"""

_FAILURES_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(index)


def index(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of pictures, or a part of an indexed one.")],
    db: Annotated[
        Path | None,
        typer.Option(
            "--db", envvar="REIR_DB", metavar="DIR", show_default=False, help="Index folder; by default PATH/.reir."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            show_default=False,
            help="Model (see: reir models list); by default the index's own, for a new index auto: the best there is.",
        ),
    ] = None,
    max_instances: Annotated[
        int | None,
        typer.Option(
            "--max-instances", metavar="N", min=1, show_default=False, help="Objects kept of a picture; 30 by default."
        ),
    ] = None,
    exclude_dir: Annotated[
        list[str] | None,
        typer.Option("--exclude-dir", metavar="D", show_default=False, help="Leave out folders of this name or path."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            envvar="REIR_WORKERS",
            metavar="N",
            min=0,
            show_default=False,
            help="Decoding processes; by default one a core. 0: decode in this one.",
        ),
    ] = None,
    device: Device = DeviceName.auto,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Look at every picture again, also with another model or setting.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare contents, not only sizes and times.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget vanished pictures even if the folder or most of them are gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Look at every new or changed picture of a folder once, and store the objects seen.

    The index goes to PATH/.reir, or to your data folder where that cannot be written. Run it again after adding,
    changing or deleting pictures: only those are looked at.
    Exit code 3: done, but some pictures could not be read (reir doctor lists them).
    """
    from reir.cli.console import print_json, warn
    from reir.indexer import IndexOptions

    options = IndexOptions(
        paths=[path],
        exclude_dirs=tuple(exclude_dir or ()),
        workers=workers,
        max_instances=max_instances,
        verify=verify,
        prune=prune,
        dry_run=dry_run,
        rebuild=rebuild,
    )
    report, facts = _bring_up_to_date(path, options, db, database_url, model, device, yes=yes)
    warn(report.messages)
    if json_output:
        print_json({**facts, **report.to_json()})
    else:
        _print_report(report, facts)
    if report.interrupted:
        raise typer.Exit(130)
    raise typer.Exit(3 if report.failed or report.failed_before else 0)


def _bring_up_to_date(
    path: Path,
    options: IndexOptions,
    db: Path | None,
    database_url: str | None,
    model_name: str | None,
    device: str,
    *,
    yes: bool,
) -> tuple[IndexReport, dict[str, Any]]:
    """The report of the run, and which index and model it was about."""
    from reir.cli.console import progress_bar, warn
    from reir.cli.weights import choose_for_photos, load_or_fetch
    from reir.errors import WeightsMissingError
    from reir.indexer import open_existing, open_or_create, rehearse, run_index
    from reir.indexer.location import new_location
    from reir.models import auto_name, load_model, model_spec
    from reir.types import ModelIdentity

    index = open_existing(path, db=db, database_url=database_url)
    warnings: list[str] = []
    asking = True  # until a progress bar owns the terminal

    @cache
    def load() -> Model:
        if index is not None and model_name in (None, "auto") and not (options.rebuild and model_name):
            name = index.info.model.name
        elif model_name in (None, "auto") and options.dry_run:
            name = auto_name()
        elif model_name in (None, "auto"):
            name, warning = choose_for_photos(yes=yes)
            warnings.extend(warning)
        else:
            name = str(model_name)
        if options.dry_run:  # fetches nothing
            model = load_model(name, device=device)
        else:
            model = load_or_fetch(name, device=device, yes=yes, ask=asking)
        if model.notice:
            warnings.append(model.notice)
        warn(warnings)
        return model

    if index is None and path.is_dir():
        location = new_location(path.resolve())
        if options.dry_run:
            with progress_bar() as progress:
                report = rehearse(path.resolve(), None, replace(options, paths=None), progress=progress)
            return report, {"root": str(path.resolve()), "db": str(db or location.db), "model": None, "warnings": []}
        if db is None and location.message:
            warnings.append(location.message)
    if index is None:
        index = open_or_create(path, load, db=db, max_instances=options.max_instances, database_url=database_url)
    facts = {
        "root": str(index.info.root),
        "db": str(index.db),
        "model": index.info.model.name,
        "warnings": warnings,
    }
    if options.rebuild:
        try:
            model = load().identity
        except WeightsMissingError:
            if not options.dry_run:
                raise
            # Weights that are not here made no index here, unless it says so.
            name = str(model_spec(model_name)) if model_name else index.info.model.name
            model = index.info.model if name == index.info.model.name else ModelIdentity(name, "not here", 1)
        index, options = _renewed(index, model, options, database_url)
        facts["model"] = model.name
    elif model_name not in (None, "auto") and not options.dry_run:
        index.info.require(load().identity)
    asking = False
    with progress_bar() as progress:
        return run_index(index, load, options, progress=progress), facts


def _renewed(
    index: Index, model: ModelIdentity, options: IndexOptions, database_url: str | None
) -> tuple[Index, IndexOptions]:
    """The index to rebuild and how: given in place to another model or setting, it is read as a whole."""
    from reir.store import Index

    settings = dict(index.info.settings)
    if options.max_instances is not None:
        settings["max_instances"] = options.max_instances
    if (index.info.model, index.info.settings) == (model, settings):
        return index, options
    everything = replace(options, paths=None, max_instances=None)
    if options.dry_run:
        return index, everything
    renewed = Index.create(
        index.info.root, db=index.db, model=model, settings=settings, database_url=database_url, replace=True
    )
    index.close()
    return renewed, everything


def _print_report(report: IndexReport, facts: Mapping[str, Any]) -> None:
    from reir.cli.console import duration, note

    counts = {
        "new": report.new,
        "changed": report.changed,
        "moved": report.moved,
        "copies": report.duplicates,
        "removed": report.deleted,
        "unchanged": report.unchanged,
        "unreadable": len(report.failed) + report.failed_before,
    }
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no pictures"
    if report.dry_run:
        print(f"would index {facts['root']}: {told}")
        return
    print(f"indexed {facts['root']}: {told}")
    if report.new or report.changed:
        pace = f"{duration(report.seconds)}, {report.images_per_second:,.0f} images/s"
        note(f"{report.instances:,} objects in {pace}; index {facts['db']}")
    for path, cause in report.failed[:_FAILURES_SHOWN]:
        note(f"unreadable: {path}: {cause}")
    if len(report.failed) > _FAILURES_SHOWN:
        note(f"and {len(report.failed) - _FAILURES_SHOWN:,} more; list them with: reir doctor")
    if report.interrupted:
        note("stopped; what was done is kept, and the next run goes on from there")
