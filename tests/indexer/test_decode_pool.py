"""Real decoding processes, with pictures that crash, hang or kill them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reir.imaging import decode_picture
from reir.indexer.decode_pool import DecodeError, DecodePool
from reir.indexer.decode_worker import Task, perform
from tests.indexer.galleries import fill

ILL_WILL = """
import os, signal, time
import reir.indexer.decode_worker as worker
original = worker.decode_picture
def decode(file, max_side):
    name = os.path.basename(file.name)
    if "crash" in name: os.kill(os.getpid(), signal.SIGSEGV)
    if "killed" in name: os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in name: os._exit(3)
    if "hang" in name: time.sleep(1000)
    if "print" in name: print("library noise" * 10000, flush=True)
    if "once" in name and not os.path.exists(file.name + ".seen"):
        open(file.name + ".seen", "w").close()
        os._exit(1)
    return original(file, max_side)
worker.decode_picture = decode
"""
"""Run in every decoding process at its start (as sitecustomize): pictures of certain names harm their decoder."""


@pytest.fixture
def ill_will(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ill"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(ILL_WILL)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def tasks_of(paths: list[Path], max_side: int = 64) -> list[Task]:
    return [Task(number, str(path), frozenset(), max_side) for number, path in enumerate(paths)]


def test_answers_come_in_order_and_equal_those_of_this_process(root: Path) -> None:
    paths = fill(root, 40)
    with DecodePool(tasks_of(paths), workers=3, window=8) as pool:
        answers = list(pool)
    assert [answer.number for answer in answers] == list(range(40))
    for answer, path in zip(answers, paths, strict=True):
        expected = perform(Task(answer.number, str(path), frozenset(), 64))
        assert answer.content_hash == expected.content_hash
        assert answer.picture is not None
        np.testing.assert_array_equal(answer.picture.pixels, decode_picture(path, 64).picture.pixels)


def test_known_content_is_not_decoded(root: Path) -> None:
    (path,) = fill(root, 1)
    content = perform(Task(0, str(path), frozenset(), 0)).content_hash
    assert content is not None
    answer = perform(Task(0, str(path), frozenset({content}), 64))
    assert (answer.content_hash, answer.picture, answer.cause) == (content, None, None)


def test_a_file_that_has_gone(root: Path) -> None:
    assert perform(Task(0, str(root / "none.png"), frozenset(), 64)).gone


def test_nobody_works_further_ahead_than_the_window(root: Path) -> None:
    paths = fill(root, 30)
    taken = []

    def tasks() -> Iterator[Task]:
        for task in tasks_of(paths):
            taken.append(task.number)
            yield task

    with DecodePool(tasks(), workers=2, window=5) as pool:
        for done, _ in enumerate(pool):
            time.sleep(0.01)
            # Those that were handed out, and the window.
            assert len(taken) <= done + 1 + 5
    assert len(taken) == 30


@pytest.mark.usefixtures("ill_will")
def test_a_picture_that_crashes_its_decoder_costs_no_other(root: Path) -> None:
    paths = fill(root, 12)
    for number, name in {2: "crash.png", 5: "exit.png", 6: "killed.png", 9: "print.png", 11: "once.png"}.items():
        paths[number] = paths[number].rename(root / name)
    with DecodePool(tasks_of(paths), workers=2, window=8) as pool:
        answers = list(pool)
    causes = {answer.number: answer.cause for answer in answers if answer.cause is not None}
    assert set(causes) == {2, 5, 6}
    assert causes[2] == "the decoder crashed on it (SIGSEGV)"
    assert causes[5] == "the decoder crashed on it (exit status 3)"
    assert "may need more memory" in causes[6]
    assert all(answer.content_hash for answer in answers), "so that they are not tried again"
    assert [answer.number for answer in answers if answer.picture is not None] == [0, 1, 3, 4, 7, 8, 9, 10, 11]


@pytest.mark.usefixtures("ill_will")
def test_a_picture_that_takes_for_ever_is_given_up(root: Path) -> None:
    paths = fill(root, 4)
    paths[1] = paths[1].rename(root / "hang.png")
    with DecodePool(tasks_of(paths), workers=1, window=4, patience=1.0) as pool:
        answers = list(pool)
    assert [answer.cause for answer in answers] == [None, "decoding it takes too long", None, None]


def test_processes_that_cannot_start_are_an_error(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('no good')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with DecodePool(tasks_of(fill(root, 3)), workers=1, window=4) as pool, pytest.raises(DecodeError, match="no good"):
        list(pool)


def test_leaving_early_ends_the_processes(root: Path) -> None:
    paths = fill(root, 30)
    before = threading.active_count()
    with DecodePool(tasks_of(paths), workers=2, window=8) as pool:
        next(iter(pool))
        processes = [process.pid for process in pool._processes]
    assert processes
    assert threading.active_count() == before
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_decoding_processes_end_with_a_parent_that_is_killed(root: Path) -> None:
    fill(root, 1)
    code = (
        "import time; from reir.indexer.decode_pool import DecodePool; from reir.indexer.decode_worker import Task\n"
        f"pool = DecodePool([Task(0, {str(root / '0000.png')!r}, frozenset(), 64)], workers=1, window=1)\n"
        "while not pool._processes: time.sleep(0.01)\n"
        "print(next(iter(pool._processes)).pid, flush=True); time.sleep(100)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the decoding process outlived its parent")
