"""Jobs on disk: one small JSON file a job, so that every process that serves an index knows of every job."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from reir.store.locks import FileLock

Kind = Literal["add", "remove"]
State = Literal["waiting", "running", "done", "failed"]

_JOB_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(slots=True)
class Job:
    """One job: what is asked for, how far it is, and what came of it.

    ``message`` is what it waits for or why it failed. ``progress`` holds phase, done, total and failed of a running
    addition; ``counts`` what an ended job did; ``pictures`` path, image id, status and cause of each picture that was
    named. ``worker`` is the process that has it, ``staging`` the folder of its uploads, relative to the gallery's root.
    """

    job_id: str
    kind: Kind
    worker: str
    created_at: str
    state: State = "waiting"
    started_at: str | None = None
    ended_at: str | None = None
    message: str | None = None
    image_id: int | None = None
    snapshot: int | None = None
    progress: dict[str, Any] | None = None
    counts: dict[str, int] | None = None
    pictures: list[dict[str, Any]] = field(default_factory=list)
    staging: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.state in ("done", "failed")

    def run(self) -> None:
        """It has begun, or goes on after having waited for somebody."""
        self.state, self.message = "running", None
        self.started_at = self.started_at or now()

    def wait(self, message: str) -> None:
        """It has to wait."""
        self.state, self.message = "waiting", message

    def end(self, failure: str | None = None) -> None:
        """It is done, or has failed for this reason."""
        self.state = "done" if failure is None else "failed"
        self.message, self.progress, self.ended_at = failure, None, now()


class JobBook:
    """The jobs of an index, in a folder that several processes share.

    Each process that takes jobs holds a lock file for as long as it lives. A job whose process is gone is shown as
    failed.

    Args:
        folder: made when the first job comes.
        kept: most jobs that are kept once they have ended.
    """

    def __init__(self, folder: Path, *, kept: int = 200) -> None:
        self._folder = folder
        self._workers = folder / "workers"
        self._kept = kept
        self._lock: FileLock | None = None
        self._signing = Lock()

    def sign_on(self) -> str:
        """The name under which this process has jobs from now on."""
        with self._signing:
            while self._lock is None:
                self._workers.mkdir(parents=True, exist_ok=True)
                path = self._workers / f"{secrets.token_hex(8)}.lock"
                path.touch(exist_ok=False)
                # Another process that looks for dead ones may take and remove it first; then a new one is made.
                with suppress(FileNotFoundError):
                    self._lock = FileLock.acquire(path, shared=False)
            return self._lock.path.stem

    def sign_off(self) -> None:
        """From now on this process has no jobs."""
        with self._signing:
            if self._lock is not None:
                self._lock.path.unlink(missing_ok=True)
                self._lock.close()
                self._lock = None

    def new(self, kind: Kind, **facts: Any) -> Job:
        """A waiting job of this process, not saved yet. Ids count up with time."""
        return Job(f"{time.time_ns():016x}{secrets.token_hex(4)}", kind, self.sign_on(), now(), **facts)

    def save(self, job: Job) -> None:
        """Write the job as it is now; who reads it meanwhile sees the old state or the new one."""
        path = self._path(job.job_id)
        fresh = path.with_suffix(f".{secrets.token_hex(4)}.new")
        fresh.write_text(json.dumps(asdict(job), ensure_ascii=True), "utf-8")
        fresh.replace(path)

    def get(self, job_id: str) -> Job | None:
        """The job of this id, or None."""
        if not _JOB_ID.fullmatch(job_id):
            return None
        job = self._saved(job_id)
        if job is None:
            return None
        if not job.ended and not self._alive(job.worker):
            job.end("interrupted: the process that had it ended before it was done. Ask for it again")
        return job

    def newest(self, most: int) -> list[Job]:
        """The newest jobs, newest first."""
        jobs = (self.get(job_id) for job_id in self._ids())
        return [job for job, _ in zip((job for job in jobs if job is not None), range(most), strict=False)]

    def abandoned(self) -> Iterator[Job]:
        """The jobs that processes left behind when they ended, shown as failed; each is then saved as that."""
        for job_id in self._ids():
            saved = self._saved(job_id)
            if saved is not None and not saved.ended and (job := self.get(job_id)) is not None and job.ended:
                yield job
                self.save(job)

    def prune(self) -> None:
        """Forget the oldest ended jobs beyond ``kept``, and the locks of processes that are gone."""
        for job_id in self._ids()[self._kept :]:
            job = self.get(job_id)
            if job is not None and job.ended:
                self._path(job_id).unlink(missing_ok=True)
        for path in list(self._workers.glob("*.lock")):
            if not self._alive(path.stem):
                path.unlink(missing_ok=True)

    def _ids(self) -> list[str]:
        """All ids, newest first."""
        return sorted((path.stem for path in self._folder.glob("*.json")), reverse=True)

    def _saved(self, job_id: str) -> Job | None:
        try:
            facts = json.loads(self._path(job_id).read_text("utf-8"))
        except FileNotFoundError:
            return None
        # A newer version may have written more.
        return Job(**{name: facts[name] for name in Job.__dataclass_fields__ if name in facts})

    def _alive(self, worker: str) -> bool:
        path = self._workers / f"{worker}.lock"
        if self._lock is not None and self._lock.path == path:
            return True
        try:
            lock = FileLock.acquire(path, shared=False)
        except FileNotFoundError:
            return False
        except OSError:  # Not to be told apart here; better late than never than to give up what is running.
            return True
        if lock is None:
            return True
        lock.close()
        return False

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"


def now() -> str:
    """The present moment, in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
