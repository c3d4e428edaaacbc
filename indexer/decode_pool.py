"""Decoding processes that may crash: a picture is lost at most, never the run.

Each process has a thread here that feeds it and takes its answers. Answers are handed out in the order of the tasks,
and nobody works further ahead than ``window`` tasks, which bounds the pixels in memory.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import reir.errors
from reir.errors import ReirError
from reir.indexer.decode_worker import Answer, Task, perform, receive_answer, send_task

PIPELINE = 2
"""Tasks that a process holds: one in work and one waiting, so that it never waits for the parent."""
PATIENCE_SECONDS = 180.0
"""After this long on one picture a process counts as hung."""


class DecodeError(ReirError):
    """The decoding processes cannot be started at all."""


class DecodePool:
    """Answers to tasks, in order, from several decoding processes.

    Args:
        tasks: in the order of their numbers, which count up from 0; taken as they are needed.
        workers: number of processes, each started when it gets its first task.
        window: most tasks in work or answered and not yet handed out.
        patience: seconds after which a process that does not answer is ended and its picture given up.
    """

    def __init__(self, tasks: Iterable[Task], *, workers: int, window: int, patience: float = PATIENCE_SECONDS) -> None:
        self._tasks = iter(tasks)
        self._again: deque[tuple[Task, bool]] = deque()
        self._answers: dict[int, Answer] = {}
        self._window = max(window, 1)
        self._patience = patience
        self._handed_out = 0
        self._exhausted = False
        self._in_work = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(max(workers, 1))]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Answer]:
        """The answers, in the order of the tasks.

        Raises:
            DecodeError: no process could be started.
        """
        while True:
            with self._changed:
                while self._handed_out not in self._answers:
                    if self._error is not None:
                        raise self._error
                    if self._exhausted and not self._in_work and not self._again:
                        return
                    # With a limit, so that Ctrl-C is noticed while waiting.
                    self._changed.wait(0.1)
                answer = self._answers.pop(self._handed_out)
                self._handed_out += 1
                self._changed.notify_all()
            yield answer

    def close(self) -> None:
        """End the processes and their threads; what they were doing is dropped."""
        with self._changed:
            self._closed = True
            for process in self._processes:
                process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        process: _Process | None = None
        try:
            while not self._closed:
                held: deque[tuple[Task, bool]] = deque() if process is None else process.held
                while len(held) < PIPELINE and (item := self._next(wait=not held)) is not None:
                    if process is None:
                        process = self._start()
                        held = process.held
                    process.give(*item)
                if not held:
                    return
                assert process is not None
                answer = process.answer(self._patience)
                if answer is not None:
                    self._finish(answer)
                else:
                    self._lost(process)
                    process = None
        except BaseException as error:  # Shown where the answers are read.
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()
        finally:
            if process is not None:
                self._end(process)

    def _next(self, *, wait: bool) -> tuple[Task, bool] | None:
        """The next task and whether it is tried a second time; None at the end, or at once when ``wait`` is false."""
        with self._changed:
            while not self._closed:
                if self._again:
                    self._in_work += 1
                    return self._again.popleft()
                if not self._exhausted and self._in_work + len(self._answers) < self._window:
                    task = next(self._tasks, None)
                    if task is not None:
                        self._in_work += 1
                        return task, False
                    self._exhausted = True
                    self._changed.notify_all()
                if not wait or (self._exhausted and not self._in_work):
                    return None
                self._changed.wait()
            return None

    def _finish(self, answer: Answer) -> None:
        with self._changed:
            self._answers[answer.number] = answer
            self._in_work -= 1
            self._changed.notify_all()

    def _lost(self, process: _Process) -> None:
        """A process has ended or hung: its picture is tried once more in a fresh one, then given up."""
        self._end(process)
        (task, again), *waiting = process.held
        process.held.clear()
        if self._closed:
            return
        with self._changed:
            self._again.extend(waiting)
            if not again:
                self._again.append((task, True))
            self._in_work -= len(waiting) + (not again)
            self._changed.notify_all()
        if again:
            # Hashed here, so that it is known again and not tried in the next run.
            known = perform(replace(task, max_side=0))
            self._finish(known if known.content_hash is None else replace(known, cause=process.epitaph))

    def _start(self) -> _Process:
        process = _Process()
        with self._changed:
            self._processes.add(process.popen)
            if self._closed:
                process.popen.kill()
        if not process.ready() and not self._closed:
            raise DecodeError(f"decoding processes cannot be started: {process.last_words()}")
        return process

    def _end(self, process: _Process) -> None:
        process.end()
        with self._changed:
            self._processes.discard(process.popen)


class _Process:
    """One decoding process and the tasks it holds, oldest first."""

    def __init__(self) -> None:
        self.held: deque[tuple[Task, bool]] = deque()
        self.hung = False
        self.epitaph = ""
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        package = Path(reir.errors.__file__).parents[1]
        path = os.pathsep.join(part for part in (str(package), os.environ.get("PYTHONPATH", "")) if part)
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-c", "from reir.indexer.decode_worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            bufsize=0,  # What a buffer here held back could not be waited for.
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self._tasks = cast(io.RawIOBase, self.popen.stdin)
        self._answers = cast(io.RawIOBase, self.popen.stdout)

    def ready(self) -> bool:
        """Whether the process has come up."""
        return receive_answer(self._answers) is not None

    def give(self, task: Task, again: bool) -> None:
        """Hand over a task. If the process has died, the missing answer tells."""
        self.held.append((task, again))
        try:
            send_task(self._tasks, task)
        except OSError:
            return

    def answer(self, patience: float) -> Answer | None:
        """The answer to the oldest task, or None when the process has ended, or takes longer than ``patience``."""
        if not wait([self._answers.fileno()], patience):
            self.hung = True
            return None
        answer = receive_answer(self._answers)
        if answer is not None:
            self.held.popleft()
        return answer

    def end(self) -> None:
        """End the process, if it has not ended by itself, and close what it held."""
        # Answers first: a process that is stuck in writing one would not see that its tasks have ended.
        self._answers.close()
        with suppress(OSError):
            self._tasks.close()
        if self.hung or self.held:
            self.popen.kill()
        try:
            self.popen.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.epitaph = self._epitaph()
        self._messages.close()

    def last_words(self) -> str:
        """The end of what the process wrote to standard error."""
        self.popen.wait()
        self._messages.seek(0)
        lines = self._messages.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.popen.returncode}"

    def _epitaph(self) -> str:
        """Why the process has no answer, as the cause of its picture."""
        if self.hung:
            return "decoding it takes too long"
        code = self.popen.returncode
        if code == -signal.SIGKILL:
            return "the decoder was killed while reading it: it may need more memory than there is"
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"the decoder crashed on it ({name})"
