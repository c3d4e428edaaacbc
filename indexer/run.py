"""Bringing an index up to date with its gallery."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reir.errors import UsageError
from reir.indexer.decode_pool import DecodePool
from reir.indexer.decode_worker import Answer, Task, perform
from reir.indexer.extract import Extractor
from reir.indexer.interrupt import on_interrupt
from reir.indexer.location import FOLDER
from reir.indexer.options import DEFAULT_MAX_INSTANCES, IndexOptions, IndexReport
from reir.indexer.plan import Candidate, KnownContents, Plan, keep_unreadable, make_plan, make_tasks
from reir.indexer.progress import Meter, Progress
from reir.indexer.scope import known_in, make_scopes
from reir.indexer.walk import FoundFile, Walk
from reir.indexer.write import CommittingLedger, Ledger, Rehearsal
from reir.protocols import Model

if TYPE_CHECKING:
    from reir.store import FileFacts, Index, KnownFile


def run_index(
    index: Index,
    model: Model | Callable[[], Model],
    options: IndexOptions | None = None,
    *,
    progress: Progress | None = None,
) -> IndexReport:
    """What was done to bring an index up to date with its gallery, or with the part of it that ``options`` name.

    Args:
        index: the index.
        model: the model that made it, or a function that gives it; not called when no file has to be opened.
        options: what to do and how.
        progress: is told often how far the run is.

    Ctrl-C once (in the main thread) ends the run after the pictures in work and keeps what was done; twice, at once.

    Raises:
        ModelMismatchError: the index was made by another model.
        UsageError: it was made with another number of instances a picture, or a path is hidden or not there.
        RootMismatchError: a path lies outside the gallery.
        IndexLockedError: another process is writing to the index.
    """
    options = options or IndexOptions()
    kept = _instances_kept(index)
    if options.max_instances not in (None, kept):
        raise UsageError(
            f"index {index.db} keeps {kept} instances a picture, not {options.max_instances}. "
            f"Leave --max-instances out, or make it anew with --rebuild"
        )
    if isinstance(model, Model):
        index.info.require(model.identity)
    if options.dry_run:
        return rehearse(index.info.root, index, options, progress=progress)
    with index.writer() as writer:
        ledger = CommittingLedger(writer, every_pictures=options.commit_pictures, every_seconds=options.commit_seconds)
        return _Run(index.info.root, index, ledger, model, options, progress).go()


def rehearse(
    root: Path, index: Index | None, options: IndexOptions, *, progress: Progress | None = None
) -> IndexReport:
    """What a run would do. Nothing is written, and no model is loaded; ``index`` is None where none was made yet.

    Files are hashed but not decoded: those that cannot be read count as new or changed.
    """
    return _Run(root, index, Rehearsal(index), None, options, progress).go()


class _Run:
    def __init__(
        self,
        root: Path,
        index: Index | None,
        ledger: Ledger,
        model: Model | Callable[[], Model] | None,
        options: IndexOptions,
        progress: Progress | None,
    ) -> None:
        self._root = root
        self._index = index
        self._db = root / FOLDER if index is None else index.db
        self._ledger = ledger
        self._model = model
        self._options = options
        self._meter = Meter(progress)
        self._report = IndexReport(dry_run=model is None)
        self._extractor: Extractor | None = None
        self._batch: list[tuple[Candidate, FileFacts, Answer]] = []
        self._batch_contents: set[str] = set()
        self._copies: list[tuple[Candidate, FileFacts]] = []
        self._fresh: set[str] = set()
        self._handled = 0
        self._stop = threading.Event()

    def go(self) -> IndexReport:
        """The report of the whole run."""
        began = time.perf_counter()
        report = self._report
        if not self._root.is_dir() and not self._options.prune:
            report.unchanged = len(self._ledger.known_files())
            report.messages.append(
                f"the folder {self._root} is not there (a disk that is not mounted?): the index was left as it is. "
                f"To empty it: reir index {self._root} --prune"
            )
        else:
            known, plan = self._look()
            with on_interrupt(self._stop):
                self._work(known, plan)
        report.snapshot = self._ledger.commit()
        report.interrupted = self._stop.is_set()
        report.seconds = time.perf_counter() - began
        report.images_per_second = self._handled / report.seconds
        return report

    def _look(self) -> tuple[dict[str, KnownFile], Plan]:
        self._meter.enter("looking")
        options = self._options
        walk = Walk(self._root, exclude_dirs=options.exclude_dirs, index_folder=self._db.resolve())
        scopes = make_scopes(self._root, self._db, options.paths, self._ledger)
        known = known_in(scopes, self._ledger)
        plan = make_plan(
            self._found(walk, scopes),
            known,
            verify=options.verify or options.rebuild,
            external_ids=options.external_ids,
        )
        keep_unreadable(plan, walk.unreadable)
        self._report.unchanged, self._report.failed_before = plan.unchanged, plan.failed_before
        for folder in walk.unreadable:
            self._report.messages.append(
                f"the folder {folder or self._root} may not be listed; its pictures stay as known"
            )
        self._report.failed += [(path, "its name is not valid UTF-8: rename it") for path in walk.unnameable]
        return known, plan

    def _found(self, walk: Walk, scopes: Sequence[str]) -> Iterator[FoundFile]:
        for scope in scopes:
            for file in walk.files(scope):
                self._meter.step()
                yield file

    def _work(self, known: dict[str, KnownFile], plan: Plan) -> None:
        for candidate in plan.renamed:
            assert candidate.known is not None
            self._ledger.touch(candidate.known.image_id, self._facts(candidate, None))
        if self._options.rebuild:
            # Oldest first, so that of several pictures with one content the one that the others refer to is renewed.
            plan.candidates.sort(key=lambda item: item.known.image_id if item.known else 1 << 62)
        self._meter.enter("indexing", len(plan.candidates))
        self._meter.failed = len(self._report.failed)
        contents = KnownContents(known, plan)
        if plan.candidates:
            tasks = make_tasks(
                plan.candidates, known, os.fspath(self._root), max_side=self._max_side(), rebuild=self._options.rebuild
            )
            with self._decoding(tasks, len(plan.candidates)) as answers:
                for answer in answers:
                    self._take(plan.candidates[answer.number], answer, contents)
                    self._handled += 1
                    self._meter.step()
                    if self._stop.is_set():
                        return
        self._flush()
        self._forget(plan)
        self._meter.enter("saving")

    def _decoding(self, tasks: Iterable[Task], count: int) -> AbstractContextManager[Iterable[Answer]]:
        workers = _usable_cores() if self._options.workers is None else self._options.workers
        if workers == 0:
            return nullcontext(map(perform, tasks))
        # Two batches: one that the model has in hand, one that is being filled.
        window = 2 * self._options.batch + 2 * workers
        return DecodePool(tasks, workers=min(workers, count), window=window)

    def _max_side(self) -> int:
        if self._model is None:
            return 0
        model = self._model if isinstance(self._model, Model) else self._model()
        assert self._index is not None
        self._index.info.require(model.identity)
        self._extractor = Extractor(model, max_instances=_instances_kept(self._index), most_at_once=self._options.batch)
        return model.decode_side

    def _take(self, candidate: Candidate, answer: Answer, contents: KnownContents) -> None:
        """Decide what a file that was opened is: gone, broken, as before, moved, a copy, or something to extract."""
        if answer.gone:
            return
        facts = self._facts(candidate, answer)
        content, known = answer.content_hash, candidate.known
        if answer.cause is not None or content is None:
            self._fail(facts, answer.cause or "cannot be read")
        elif known is not None and content == known.content_hash and not self._options.rebuild:
            self._keep(facts, known)
        elif known is None and (moved := contents.take_vanished(content, facts.path)) is not None:
            self._ledger.move(moved.image_id, facts)
            self._report.moved += 1
        elif content in self._batch_contents:
            self._copies.append((candidate, facts))
        elif (source := self._source(content)) is not None:
            self._ledger.add_duplicate(self._with_size(facts, contents), source)
            self._report.duplicates += 1
        elif self._extractor is None:
            self._add(candidate, facts, None)
        elif answer.picture is None:
            # Its content was known when the run began, and has lost its last picture since. It was decoded once before.
            task = Task(answer.number, f"{self._root}/{facts.path}", frozenset(), self._max_side())
            self._take(candidate, perform(task), contents)
        else:
            self._batch.append((candidate, facts, answer))
            self._batch_contents.add(content)
            if len(self._batch) >= self._extractor.at_once:
                self._flush()

    def _facts(self, candidate: Candidate, answer: Answer | None) -> FileFacts:
        from reir.store import FileFacts

        path = candidate.file.path
        external_id = (self._options.external_ids or {}).get(path)
        facts = FileFacts(path, candidate.file.size, candidate.file.mtime_ns, external_id=external_id)
        if answer is None or answer.size is None or answer.mtime_ns is None:
            return facts
        facts = replace(facts, size=answer.size, mtime_ns=answer.mtime_ns, content_hash=answer.content_hash)
        if answer.picture is None:
            return facts
        return replace(
            facts,
            width=answer.picture.width,
            height=answer.picture.height,
            orientation=answer.orientation,
            taken_at=answer.taken_at,
            latitude=answer.latitude,
            longitude=answer.longitude,
        )

    def _keep(self, facts: FileFacts, known: KnownFile) -> None:
        new_external_id = facts.external_id not in (None, known.external_id)
        if (facts.size, facts.mtime_ns) != (known.size, known.mtime_ns) or new_external_id:
            self._ledger.touch(known.image_id, facts)
        if known.status == "failed":
            self._report.failed_before += 1
        else:
            self._report.unchanged += 1

    def _fail(self, facts: FileFacts, cause: str) -> None:
        self._ledger.fail(facts, cause)
        self._report.failed.append((facts.path, cause))
        self._meter.failed += 1

    def _source(self, content: str) -> int | None:
        if self._options.rebuild and content not in self._fresh:
            return None
        return self._ledger.source_of(content)

    def _with_size(self, facts: FileFacts, contents: KnownContents) -> FileFacts:
        """The facts of a copy that was not decoded, completed by those of the picture with the same content."""
        twin = contents.indexed.get(facts.content_hash or "")
        if facts.width or twin is None or self._index is None:
            return facts
        with self._index.snapshot() as snapshot:
            row = snapshot.images([twin.image_id])[twin.image_id]
        names = ("width", "height", "orientation", "taken_at", "latitude", "longitude")
        changes: dict[str, Any] = {name: getattr(row, name) for name in names}
        return replace(facts, **changes)

    def _flush(self) -> None:
        """Extract the waiting batch and put it in, then the copies of its pictures."""
        if self._batch:
            assert self._extractor is not None
            try:
                results = self._extractor.extract([a.picture for _, _, a in self._batch if a.picture is not None])
            except BaseException:
                self._ledger.commit()
                raise
            for (candidate, facts, _), result in zip(self._batch, results, strict=True):
                if isinstance(result, str):
                    self._fail(facts, result)
                else:
                    self._add(candidate, facts, result)
                    self._report.instances += len(result)
        copies, self._copies = self._copies, []
        self._batch.clear()
        self._batch_contents.clear()
        for _, facts in copies:
            source = self._ledger.source_of(facts.content_hash or "")
            if source is None:
                self._fail(facts, "the model failed on a picture with the same content")
            else:
                self._ledger.add_duplicate(facts, source)
                self._report.duplicates += 1

    def _add(self, candidate: Candidate, facts: FileFacts, instances: Any) -> None:
        self._ledger.add(facts, instances)
        if self._options.rebuild:
            self._fresh.add(facts.content_hash or "")
        if candidate.known is None:
            self._report.new += 1
        else:
            self._report.changed += 1

    def _forget(self, plan: Plan) -> None:
        if not plan.vanished:
            return
        if plan.most_vanished and not self._options.prune:
            self._report.unchanged += len(plan.vanished)
            self._report.messages.append(
                f"{len(plan.vanished):,} of {plan.known:,} known files are not in {self._root} any more. That looks "
                "like a missing disk: none was taken out of the index. If they are gone on purpose, add --prune"
            )
        else:
            self._report.deleted = self._ledger.delete(sorted(plan.vanished))


def _instances_kept(index: Index) -> int:
    kept: int = index.info.settings.get("max_instances", DEFAULT_MAX_INSTANCES)
    return kept


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
