"""Background jobs: pictures that are put into the index or taken out of it, one job at a time in a process."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import BinaryIO, NamedTuple, TypeVar

from reir.errors import IndexLockedError, ReirError
from reir.gallery import Gallery
from reir.indexer import ProgressState
from reir.indexer.decode_pool import DecodePool
from reir.indexer.decode_worker import Task
from reir.server.errors import ServiceError, overloaded
from reir.server.files import GalleryFiles, RefusedPathError, keep_upload, safe_name
from reir.server.job_book import Job, JobBook, Kind
from reir.store import ImageRow

_log = logging.getLogger("reir.server")

T = TypeVar("T")

_RETRY_SECONDS = 10
_MOST_PICTURES = 1000
"""Most pictures whose fate is noted with a job."""
_PROGRESS_SECONDS = 1.0
_CHECK_SIDE = 256
"""Uploads are decoded once at this size before they are kept; JPEGs at an eighth of theirs, which is quick."""


class Upload(NamedTuple):
    """A picture that was sent: the client's name for it, and its bytes."""

    name: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class _Order:
    """A job in the queue, and what is to be done for it."""

    job: Job
    work: Callable[[Job], None]


class _StoppedError(Exception):
    """The service ends; what a job has published stays."""


class Jobs:
    """The jobs of one gallery. All methods may be called from several threads at once.

    Args:
        gallery: what they change.
        files: where its pictures lie.
        book: where they are noted.
        most_waiting: jobs that may wait; more are refused.
        patience: seconds for which a job waits while another process writes to the index.
        workers: decoding processes of an addition. At least one: a picture that crashes a decoder must not end the
            service.
    """

    def __init__(
        self,
        gallery: Gallery,
        files: GalleryFiles,
        book: JobBook,
        *,
        most_waiting: int = 100,
        patience: float = 900.0,
        workers: int = 1,
    ) -> None:
        self._gallery = gallery
        self._files = files
        self._book = book
        self._queue: Queue[_Order] = Queue(most_waiting)
        self._patience = patience
        self._workers = workers
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, paths: Sequence[str], external_ids: Mapping[str, str] | None = None) -> Job:
        """The job that indexes pictures and folders that lie in the gallery, by path relative to its root.

        Raises:
            RefusedPathError: see `GalleryFiles.indexable`; nothing is done for the other paths then.
            ServiceError: too many jobs wait (503).
        """
        for path in paths:
            self._files.indexable(path)
        named = dict.fromkeys(paths)
        ids = dict(external_ids or {})
        return self._submit(self._new("add"), lambda job: self._add(job, named, ids))

    def upload(self, uploads: Sequence[Upload], folder: str) -> Job:
        """The job that keeps uploaded pictures in a folder of the gallery and indexes them.

        Each is decoded before it is kept, gets a safe name that nobody has, and overwrites nothing.

        Raises:
            RefusedPathError: the folder; see `GalleryFiles.folder`.
            NoPictureNameError: a name that does not end like a picture's.
            ServiceError: too many jobs wait (503).
        """
        suffixes = [safe_name(upload.name)[1] for upload in uploads]
        job = self._new("add")
        place = self._files.folder(folder)
        # Hidden, so that no walk takes the files for pictures before they are checked; beside their future place, so
        # that moving them there is one step.
        staging = place / f".incoming-{job.job_id}"
        job.staging = self._files.relative(staging)
        try:
            staging.mkdir(mode=0o700)
            staged = [staging / f"{number:04d}{suffix}" for number, suffix in enumerate(suffixes)]
            for path, upload in zip(staged, uploads, strict=True):
                with path.open("xb") as file:
                    shutil.copyfileobj(upload.file, file)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise RefusedPathError(folder, f"the folder cannot be written: {error.strerror}") from error
        names = dict(zip(staged, (upload.name for upload in uploads), strict=True))
        try:
            return self._submit(job, lambda job: self._keep(job, names, place))
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def remove(self, image_id: int) -> Job:
        """The job that takes a picture out of the index; its file stays. Raises ServiceError when too many wait."""
        return self._submit(self._new("remove", image_id), self._remove)

    def get(self, job_id: str) -> Job | None:
        """The job of this id, whichever process has it, or None."""
        return self._book.get(job_id)

    def newest(self, most: int) -> list[Job]:
        """The newest jobs of all processes, newest first."""
        return self._book.newest(most)

    def close(self, timeout: float = 30.0) -> None:
        """Stops the running job at its next step and gives up the waiting ones. Calling it twice does nothing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._give_up_waiting()
        if self._thread is None or not self._thread.is_alive():
            self._book.sign_off()

    def _new(self, kind: Kind, image_id: int | None = None) -> Job:
        if self._stop.is_set() or self._queue.full():
            raise overloaded(_RETRY_SECONDS)
        try:
            return self._book.new(kind, image_id=image_id)
        except OSError as error:
            raise ServiceError(409, "conflict", f"the index cannot be written: {error.strerror}") from error

    def _submit(self, job: Job, work: Callable[[Job], None]) -> Job:
        with self._starting:
            if self._stop.is_set() or self._queue.full():
                raise overloaded(_RETRY_SECONDS)
            self._book.save(job)
            accepted = Job(**asdict(job))
            self._queue.put_nowait(_Order(job, work))  # Not full: nobody else adds.
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reir-jobs", daemon=True)
                self._thread.start()
        return accepted

    def _work(self) -> None:
        self._tidy()
        while not self._stop.is_set():
            try:
                order = self._queue.get(timeout=0.2)
            except Empty:
                continue
            self._perform(order)
            self._tidy()

    def _perform(self, order: _Order) -> None:
        job = order.job
        job.run()
        self._note(job)
        try:
            order.work(job)
        except _StoppedError:
            job.end("interrupted: the service was stopped. Ask for it again")
        except ReirError as error:
            job.end(str(error))
        except Exception as error:
            _log.exception("job %s failed", job.job_id)
            job.end(f"it failed unexpectedly ({type(error).__name__}). The service's log says why")
        else:
            job.end()
        self._clear(job)
        self._note(job)

    def _when_free(self, job: Job, change: Callable[[], T]) -> T:
        """What the change gives, made as soon as no other process writes to the index. Raises IndexLockedError."""
        pause, until = 0.1, time.monotonic() + self._patience
        while True:
            if self._stop.is_set():
                raise _StoppedError
            try:
                return change()
            except IndexLockedError as error:
                if time.monotonic() + pause > until:
                    raise
                job.wait(f"the index is being written by {error.owner}")
            self._note(job)
            self._stop.wait(pause)
            pause = min(2 * pause, 5.0)
            job.run()

    def _add(
        self,
        job: Job,
        paths: Mapping[str, str | None],
        external_ids: Mapping[str, str],
        refused_before: Sequence[dict[str, object]] = (),
    ) -> None:
        """Index what lies at the paths; each may have the name under which it was sent."""
        places: dict[str, Path] = {}
        refused: dict[str, str] = {}
        for path in paths:
            # Again: time has passed, and links may have been laid.
            try:
                places[path] = self._files.indexable(path)
            except RefusedPathError as error:
                refused[path] = error.cause
        ids = {str(places[path]): name for path, name in external_ids.items() if path in places}
        watch = _Watch(job, self._note, self._stop)
        given = list(places.values())
        report = self._when_free(
            job, lambda: self._gallery.add(given, progress=watch, external_ids=ids, workers=self._workers)
        )
        job.snapshot = report.snapshot
        counted = ("new", "changed", "moved", "duplicates", "deleted", "unchanged", "failed_before", "instances")
        job.counts = {name: getattr(report, name) for name in counted}
        job.counts["failed"] = len(report.failed) + len(refused) + len(refused_before)
        rows = self._rows([path for path, place in places.items() if not place.is_dir()])
        fates = [_outcome(path, rows[path], name=paths[path]) for path in rows]
        fates += [_outcome(path, cause=cause) for path, cause in report.failed if path not in rows]
        fates += [_outcome(path, cause=cause, name=paths[path]) for path, cause in refused.items()]
        job.pictures = [*refused_before, *fates][:_MOST_PICTURES]

    def _rows(self, paths: Sequence[str]) -> dict[str, ImageRow | None]:
        with self._gallery.reading() as snapshot:
            return {path: snapshot.image_by_path(path) for path in paths}

    def _keep(self, job: Job, names: Mapping[Path, str], folder: Path) -> None:
        """Move the uploads that are pictures to their place, and index them."""
        staged = list(names)
        tasks = [Task(number, str(path), frozenset(), _CHECK_SIDE) for number, path in enumerate(staged)]
        sound: list[Path] = []
        refused: list[dict[str, object]] = []
        with DecodePool(tasks, workers=1, window=2, patience=60.0) as answers:
            for answer in answers:
                if self._stop.is_set():
                    raise _StoppedError
                path = staged[answer.number]
                if answer.picture is not None:
                    sound.append(path)
                else:
                    refused.append(_outcome(None, cause=answer.cause or "it cannot be read", name=names[path]))
        kept = {self._files.relative(keep_upload(path, folder, names[path])): names[path] for path in sound}
        job.counts = {"failed": len(refused)}
        # What is said of them if indexing them fails.
        cause = "it was kept, but not indexed. Add it by its path, or index the gallery again"
        job.pictures = refused + [_outcome(path, cause=cause, name=name) for path, name in kept.items()]
        if kept:
            self._add(job, kept, {}, refused)

    def _remove(self, job: Job) -> None:
        assert job.image_id is not None
        with self._gallery.reading() as snapshot:
            row = snapshot.images([job.image_id]).get(job.image_id)
        removed = self._when_free(job, partial(self._gallery.remove_images, [job.image_id]))
        job.counts = {"removed": removed}
        if row is not None and removed:
            job.pictures = [_outcome(row.path, row, status="deleted")]
        with self._gallery.reading() as snapshot:
            job.snapshot = snapshot.number

    def _tidy(self) -> None:
        """Note the jobs that other processes left behind, and forget old ones."""
        try:
            for job in self._book.abandoned():
                self._clear(job)
            self._book.prune()
        except OSError:
            _log.exception("the notes of old jobs cannot be tidied")

    def _note(self, job: Job) -> None:
        """Save the job; a full disk must not end the thread that works."""
        try:
            self._book.save(job)
        except OSError:
            _log.exception("the state of job %s cannot be noted", job.job_id)

    def _clear(self, job: Job) -> None:
        """Remove the uploads of a job that were not kept."""
        if job.staging is not None:
            shutil.rmtree(self._files.root / job.staging, ignore_errors=True)

    def _give_up_waiting(self) -> None:
        with suppress(Empty):
            while True:
                order = self._queue.get_nowait()
                order.job.end("interrupted: the service was stopped before it began. Ask for it again")
                self._clear(order.job)
                self._note(order.job)


class _Watch:
    """Told of every step of an addition: notes it with the job, and ends it when the service is stopped."""

    def __init__(self, job: Job, note: Callable[[Job], None], stop: threading.Event) -> None:
        self._job = job
        self._note = note
        self._stop = stop
        self._noted_at = 0.0

    def __call__(self, state: ProgressState) -> None:
        """Take in the new state."""
        if self._stop.is_set():
            raise _StoppedError
        moment = time.monotonic()
        if moment - self._noted_at >= _PROGRESS_SECONDS:
            self._noted_at = moment
            names = ("phase", "done", "total", "failed")
            self._job.progress = {name: getattr(state, name) for name in names}
            self._note(self._job)


def _outcome(
    path: str | None,
    row: ImageRow | None = None,
    *,
    cause: str | None = None,
    name: str | None = None,
    status: str | None = None,
) -> dict[str, object]:
    """What became of one picture, as a JSON object."""
    return {
        "path": path,
        "name": name,
        "image_id": row.image_id if row is not None else None,
        "status": status or (row.status if row is not None else "failed"),
        "cause": cause or (row.cause if row is not None else None),
    }
