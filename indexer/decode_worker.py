"""The decoding process: reads tasks, answers with a hash and pixels. It imports neither torch nor the store.

It is started as a fresh interpreter rather than by ``multiprocessing``: nothing is inherited from a process that has
torch's threads and CUDA, and a script that calls reir without a ``__main__`` guard is not run a second time.
Tasks and answers are pickles with their length before them; the pixels of an answer follow it as they are.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import signal
import struct
import warnings
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from reir.errors import ImageUnreadableError, MissingPackageError
from reir.imaging import decode_picture
from reir.types import Picture

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Task:
    """A file to hash and, unless its hash is one of ``known_hashes`` or ``max_side`` is 0, to decode."""

    number: int
    file: str
    known_hashes: frozenset[str]
    max_side: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a task: hash and size of the file, then either a picture, or why not, or neither (known content).

    ``content_hash`` is None when the file could not be read to its end, or a package is missing to decode it: such a
    failure may pass without the file changing. ``gone`` means that there is no such file any more. ``size`` and
    ``mtime_ns`` are None when it could not be opened.
    """

    number: int
    size: int | None = None
    mtime_ns: int | None = None
    content_hash: str | None = None
    cause: str | None = None
    gone: bool = False
    picture: Picture | None = None
    orientation: int = 1
    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


def perform(task: Task) -> Answer:
    """The answer to a task; whatever is wrong with the file becomes its cause."""
    path = Path(task.file)
    try:
        with path.open("rb") as file:
            # Before reading: if the file changes meanwhile, the next run sees another time than is kept here.
            facts = os.fstat(file.fileno())
            answer = Answer(task.number, facts.st_size, facts.st_mtime_ns)
            content_hash = hashlib.file_digest(file, _hasher).hexdigest()
            if content_hash in task.known_hashes or task.max_side == 0:
                return replace(answer, content_hash=content_hash)
            file.seek(0)
            return _decode(file, replace(answer, content_hash=content_hash), task.max_side)
    except FileNotFoundError:
        return Answer(task.number, gone=True)
    except OSError as error:
        cause = (
            "no permission to read it" if isinstance(error, PermissionError) else f"cannot be read: {error.strerror}"
        )
        return Answer(task.number, cause=cause)


def _decode(file: BinaryIO, answer: Answer, max_side: int) -> Answer:
    try:
        decoded = decode_picture(file, max_side)
    except ImageUnreadableError as error:
        if isinstance(error.__cause__, MissingPackageError):
            return replace(answer, cause=error.cause, content_hash=None)
        return replace(answer, cause=error.cause)
    return replace(
        answer,
        picture=decoded.picture,
        orientation=decoded.orientation,
        taken_at=decoded.taken_at,
        latitude=decoded.latitude,
        longitude=decoded.longitude,
    )


def _hasher() -> hashlib.blake2b:
    # 128 bits of BLAKE2b: as good as never equal by chance, and nobody can make two files that share their instances.
    return hashlib.blake2b(digest_size=16)


def send_answer(stream: io.RawIOBase, answer: Answer) -> None:
    """Write an answer and its pixels."""
    picture = answer.picture
    size = (picture.pixels.shape, picture.width, picture.height) if picture is not None else None
    _send(stream, (replace(answer, picture=None), size))
    if picture is not None:
        _write(stream, np.ascontiguousarray(picture.pixels).data.cast("B"))


def receive_answer(stream: io.RawIOBase) -> Answer | None:
    """The next answer, or None where the other end has closed, be it in the middle of one."""
    try:
        answer, size = _receive(stream)
        assert isinstance(answer, Answer)
        if size is None:
            return answer
        shape, width, height = size
        pixels = np.empty(shape, dtype=np.uint8)
        _read(stream, pixels.data.cast("B"))
        return replace(answer, picture=Picture(pixels, width, height))
    except EOFError:
        return None


def send_task(stream: io.RawIOBase, task: Task) -> None:
    """Write a task."""
    _send(stream, task)


def receive_task(stream: io.RawIOBase) -> Task | None:
    """The next task, or None at the end."""
    try:
        task = _receive(stream)
    except EOFError:
        return None
    assert isinstance(task, Task)
    return task


def _send(stream: io.RawIOBase, message: object) -> None:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    _write(stream, memoryview(_LENGTH.pack(len(body)) + body))


def _receive(stream: io.RawIOBase) -> Any:
    length = bytearray(_LENGTH.size)
    _read(stream, memoryview(length))
    body = bytearray(_LENGTH.unpack(length)[0])
    _read(stream, memoryview(body))
    return pickle.loads(body)


def _write(stream: io.RawIOBase, view: memoryview) -> None:
    while len(view):
        view = view[stream.write(view) or 0 :]


def _read(stream: io.RawIOBase, view: memoryview) -> None:
    """Fill ``view``. Raises EOFError where the stream ends first."""
    while len(view):
        got = stream.readinto(view)
        if not got:
            raise EOFError
        view = view[got:]


def main() -> None:
    """Answer the tasks of standard input on standard output until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent decides what Ctrl-C means.
    warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters becomes a cause.
    tasks, answers = io.FileIO(0, "rb"), io.FileIO(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever a library prints must not end up between the answers.
    try:
        send_answer(answers, Answer(-1))  # Ready.
        while (task := receive_task(tasks)) is not None:
            send_answer(answers, perform(task))
    except BrokenPipeError:
        os._exit(1)  # The parent is gone.
