"""``reir info``, ``doctor``, ``compact``, ``remove`` and ``export``: looking after an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli.arguments import DatabaseUrl, Db, Json

if TYPE_CHECKING:
    from reir.store import Index


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="\b\nExample:\n  reir info --json")(info)
    app.command(epilog="\b\nExample:\n  reir doctor --repair")(doctor)
    app.command(epilog="\b\nExample:\n  reir compact --db ~/Pictures/.reir")(compact)
    app.command(epilog="\b\nExample:\n  reir remove holidays/2019 IMG_1.jpg")(remove)
    app.command(epilog="\b\nExample:\n  reir export instances.parquet")(export)


def info(db: Db = None, json_output: Json = False, database_url: DatabaseUrl = None) -> None:
    """Say what an index holds, and which model made it."""
    from reir.cli.console import print_json, size
    from reir.gallery import Gallery
    from reir.indexer.location import find_index

    with Gallery.open(find_index(db=db), database_url=database_url) as gallery:
        facts = gallery.info()
    if json_output:
        print_json(facts.to_json())
        return
    rows = {
        "gallery": str(facts.root),
        "index": f"{facts.db} ({size(facts.bytes)})",
        "model": f"{facts.model.name} ({facts.model.fingerprint[:12]}, {facts.model.dimension} dimensions)",
        "settings": ", ".join(f"{name} {value}" for name, value in facts.settings.items()) or "none",
        "created": facts.created_at.isoformat(" ", "minutes"),
        "snapshot": str(facts.snapshot),
        "pictures": f"{facts.images:,}",
        "objects": f"{facts.instances:,}",
        "unreadable": f"{facts.failed:,}" + (" (list them with: reir doctor)" if facts.failed else ""),
    }
    for name, value in rows.items():
        print(f"{name:<10}  {value}")


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what the stored instances can mend.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Compare sizes and counts only, not hashes.")] = False,
    db: Db = None,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Check an index, and list the pictures that could not be read.

    Counts, sizes and hashes of its files are compared with what was recorded.

    Exit code 1 if something is damaged, 3 if all is well but some pictures could not be read.
    """
    from dataclasses import asdict

    from reir.cli.console import note, print_json

    index = _open(db, database_url)
    mended = index.repair() if repair else []
    findings = index.check(hashes=not quick)
    unreadable = _unreadable(index)
    damaged = any(finding.severity == "error" for finding in findings)
    if json_output:
        print_json(
            {
                "db": str(index.db),
                "healthy": not damaged,
                "mended": mended,
                "findings": [asdict(finding) for finding in findings],
                "unreadable": [{"path": path, "cause": cause} for path, cause in unreadable],
            }
        )
    else:
        for line in mended:
            print(f"mended   {line}")
        for finding in findings:
            print(f"{finding.severity:<8} {finding.path}: {finding.what}")
            if finding.mend:
                note(f"         {finding.mend}")
        for path, cause in unreadable:
            print(f"unread   {path}: {cause}")
        if unreadable:
            note(f"{len(unreadable):,} pictures could not be read; each is tried again when its file changes")
        if not damaged:
            note(f"index {index.db} is healthy")
    raise typer.Exit(1 if damaged else 3 if unreadable else 0)


def compact(db: Db = None, database_url: DatabaseUrl = None) -> None:
    """Rewrite an index without what was removed, in few large segments."""
    from reir.cli.console import note, size

    index = _open(db, database_url)
    before = index.size_on_disk()
    snapshot = index.compact()
    note(f"snapshot {snapshot}: {size(before)} before, {size(index.size_on_disk())} now")


def remove(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Pictures or folders of the gallery.")],
    db: Db = None,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Take pictures out of an index.

    No file is touched; what still lies in the gallery comes back with reir index.
    """
    from reir.cli.console import print_json
    from reir.errors import UsageError
    from reir.gallery import Gallery
    from reir.indexer.location import find_index

    with Gallery.open(find_index(db=db), database_url=database_url) as gallery:
        removed = gallery.remove(paths)
        snapshot = gallery.refresh()
    if not removed:
        raise UsageError(f"nothing in the index lies at {', '.join(paths)}")
    if json_output:
        print_json({"removed": removed, "snapshot": snapshot})
    else:
        print(f"removed {removed:,} {'picture' if removed == 1 else 'pictures'} from the index")


def export(
    target: Annotated[Path, typer.Argument(metavar="FILE.parquet", help="The file to write.")],
    db: Db = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write all objects to one Parquet file.

    One row an object: path of the picture, box, objectness, vector.
    """
    from reir.cli.console import note

    index = _open(db, database_url)
    with index.snapshot() as snapshot:
        rows = snapshot.export(target)
    note(f"{rows:,} objects in {target}")


def _open(db: Path | None, database_url: str | None) -> Index:
    from reir.indexer.location import find_index
    from reir.store import Index

    return Index.open(find_index(db=db), database_url=database_url)


def _unreadable(index: Index) -> list[tuple[str, str]]:
    with index.snapshot() as snapshot:
        return [(row.path, row.cause or "") for row in snapshot.all_images("failed")]
