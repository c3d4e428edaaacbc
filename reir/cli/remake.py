"""An index made anew, by another model or with other settings, in place of the old one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from reir.errors import ReirError, UsageError

if TYPE_CHECKING:
    from reir.indexer import IndexOptions, IndexReport, Progress
    from reir.protocols import Model
    from reir.store import Index


def needs_remake(index: Index, model: Model, options: IndexOptions) -> bool:
    """Whether the vectors of ``index`` cannot stand beside those that ``model`` and ``options`` would give."""
    kept = index.info.settings.get("max_instances")
    return index.info.model != model.identity or options.max_instances not in (None, kept)


def remake(index: Index, model: Model, options: IndexOptions, *, progress: Progress | None) -> IndexReport:
    """What was done to make the whole index anew beside the old one, which serves until it is replaced at the end.

    External ids are carried over; image ids begin anew. A remake that is stopped is continued by the next one.
    A service that holds the old index open has to be restarted.

    Raises:
        UsageError: the tables are in a shared database, which holds one index.
        IndexLockedError: another process is writing to the index.
    """
    from reir.indexer import run_index
    from reir.store import Index
    from reir.store.layout import Layout

    db, root = index.db, index.info.root
    fresh_db, old_db = db.with_name(f"{db.name}.new"), db.with_name(f"{db.name}.old")
    # Held to the end, so that nobody writes to an index that is about to go.
    with index.writer() as writer:
        if not Layout(db).sqlite.exists():
            raise UsageError(f"index {db} keeps its tables in a shared database. Make the new index with --db DIR")
        external_ids = {path: known.external_id for path, known in writer.known_files().items() if known.external_id}
        settings = {**index.info.settings}
        if options.max_instances is not None:
            settings["max_instances"] = options.max_instances
        try:
            fresh = Index.create(root, db=fresh_db, model=model.identity, settings=settings)
        except ReirError:  # Left by a remake that was stopped, and meant for yet another model.
            shutil.rmtree(fresh_db)
            fresh = Index.create(root, db=fresh_db, model=model.identity, settings=settings)
        everything = replace(options, paths=None, rebuild=False, external_ids=external_ids)
        report = run_index(fresh, model, everything, progress=progress)
        fresh.close()
        if report.interrupted:
            return report
        shutil.rmtree(old_db, ignore_errors=True)
        db.rename(old_db)
        fresh_db.rename(db)
    shutil.rmtree(old_db)
    return report
