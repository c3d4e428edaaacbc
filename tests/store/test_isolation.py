"""Readers keep what they opened; there is one writer; nothing is half done after a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from reir.errors import IndexLockedError, IndexNotFoundError, ReirError
from reir.store import Index
from reir.store.publication import Publication
from tests.store.gallery import contents, facts, some_instances


def test_a_reader_keeps_its_rows_boxes_and_files(shared_index: Index) -> None:
    index = shared_index
    with index.writer() as writer:
        image_id = writer.add(facts("a.jpg", size=1, width=100, height=50), some_instances(3, seed=1))
        writer.add(facts("b.jpg"), some_instances(2, seed=2))
        writer.commit()
        with index.snapshot() as reader:
            before = contents(reader)
            for n in range(4):
                writer.add(facts("a.jpg", f"v{n}", size=n, width=7, height=7), some_instances(2, seed=10 + n))
                writer.delete(["b.jpg"])
                writer.add(facts(f"new{n}.jpg"), some_instances(1, seed=n))
                writer.commit()
            assert (reader.number, reader.image_count, reader.instance_count) == (1, 2, 5)
            assert contents(reader) == before
            row = reader.images([image_id])[image_id]
            assert (row.size, row.width, row.instance_count) == (1, 100, 3)
            np.testing.assert_array_equal(reader.instances_of(image_id).boxes, some_instances(3, seed=1).boxes)
            assert (reader.search(some_instances(1).vectors, 9)[1][0] >= 0).sum() == 5
            assert reader.resolve([image_id])[image_id].path == "a.jpg"
            with index.snapshot(1) as again:
                assert again.image_by_path("b.jpg") is not None
            with pytest.raises(ReirError, match=r"snapshot 3 .* is gone"):
                index.snapshot(3)
    assert len(list((index.db / "segments").iterdir())) == 5, "the reader's segment went with the last commit's files"


def test_superseded_files_and_rows_go_when_no_reader_holds_them(index: Index) -> None:
    with index.writer() as writer:
        writer.add(facts("a.jpg"), some_instances(3))
        writer.commit()
        for n in range(10):
            writer.touch(1, facts("a.jpg", mtime_ns=n))
            writer.commit()
    with index._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM images").scalar() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM snapshots").scalar() == 1
    assert [path.name for path in (index.db / "pins").iterdir()] == ["11"]


def test_a_second_writer_is_refused_by_name(index: Index) -> None:
    with index.writer(), pytest.raises(IndexLockedError, match=rf"process {os.getpid()} on .*again"):
        index.writer()
    index.writer().close()


def test_another_process_is_refused_until_the_first_is_killed(index: Index) -> None:
    code = f"""
import sys, time
from pathlib import Path
from reir.store import Index
writer = Index.open(Path({str(index.db)!r})).writer()
print("locked", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(IndexLockedError, match=f"process {other.pid} on"):
            index.writer()
        other.send_signal(signal.SIGKILL)
        other.wait()
    index.writer().close()


def test_a_forked_child_does_not_keep_the_lock_of_its_killed_parent(index: Index) -> None:
    code = f"""
import os, signal, time
from pathlib import Path
from reir.store import Index
index = Index.open(Path({str(index.db)!r}))
writer, reader = index.writer(), index.snapshot()
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        child = int(other.stdout.readline())
        other.send_signal(signal.SIGKILL)
        os.waitpid(other.pid, 0)
        try:
            with index.writer() as writer:
                writer.fail(facts("a.jpg"), "cause")
                writer.commit()
            assert [path.name for path in (index.db / "pins").iterdir()] == ["1"]
        finally:
            os.kill(child, signal.SIGKILL)


def test_closing_while_a_forked_child_lives_frees_the_lock(index: Index) -> None:
    writer = index.writer()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        writer.close()
        index.writer().close()
        child.kill()


@pytest.mark.parametrize("stage", ["segment", "shard", "rows", "pin"])
def test_a_kill_before_the_publication_leaves_the_last_snapshot(index: Index, stage: str) -> None:
    with index.writer() as writer:
        writer.add(facts("kept.jpg"), some_instances(3))
        writer.commit()
    places = {
        "segment": "reir.store.segment.measure",
        "shard": "reir.store.shard.measure",
        "rows": "reir.store.publication.Publication._save_counters",
        "pin": "sqlalchemy.Connection.commit",
    }
    code = f"""
import os, signal
from pathlib import Path
from unittest.mock import patch
from reir.store import Index
from tests.store.gallery import facts, some_instances
index = Index.open(Path({str(index.db)!r}))
writer = index.writer()
writer.add(facts("lost.jpg"), some_instances(4))
writer.delete(["kept.jpg"])
with patch({places[stage]!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
    writer.commit()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {finding.severity for finding in index.check()} == {"note"}, "only leftovers"
    with index.snapshot() as snapshot:
        assert (snapshot.number, set(contents(snapshot))) == (1, {"kept.jpg"})
    with index.writer() as writer:
        assert index.check() == []
        writer.add(facts("next.jpg"), some_instances(2))
        writer.commit()
    with index.snapshot() as snapshot:
        assert set(contents(snapshot)) == {"kept.jpg", "next.jpg"}


@pytest.mark.slow
def test_kills_at_random_moments_never_hurt_a_snapshot(index: Index) -> None:
    # Every commit adds the pictures of one round and removes those of the last: any mixture would show.
    code = f"""
from pathlib import Path
from reir.store import Index
from tests.store.gallery import facts, some_instances
index = Index.open(Path({str(index.db)!r}))
with index.writer() as writer:
    known = writer.known_files()
    start = max((int(path.split("/")[0]) for path in known), default=-1) + 1
    print("begins", flush=True)
    for n in range(start, start + 1000):
        for place in range(20):
            writer.add(facts(f"{{n}}/{{place}}.jpg"), some_instances(5, seed=n))
        writer.delete([path for path in writer.known_files() if not path.startswith(f"{{n}}/")])
        writer.commit()
"""
    with index.writer() as writer:
        for place in range(20):
            writer.add(facts(f"0/{place}.jpg"), some_instances(5, seed=0))
        writer.commit()
    moments = random.Random(5)
    rounds = 0
    for _ in range(25):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "begins\n"
            time.sleep(moments.uniform(0.0, 1.5))
            other.send_signal(signal.SIGKILL)
            other.wait()
        assert {finding.severity for finding in index.check()} <= {"note"}
        with index.snapshot() as snapshot:
            paths = sorted(contents(snapshot))
            number = paths[0].split("/")[0]
            assert paths == sorted(f"{number}/{place}.jpg" for place in range(20))
            vectors = some_instances(5, seed=int(number)).vectors.tolist()
            assert all(found == ("indexed", vectors) for found in contents(snapshot).values())
            rounds = max(rounds, int(number))
    assert rounds > 20
    index.writer().close()
    assert index.check() == []


def test_many_threads_read_while_one_writes(index: Index) -> None:
    with index.writer() as writer:
        for n in range(20):
            writer.add(facts(f"{n}.jpg"), some_instances(3, seed=n))
        writer.commit()
    stop, failures = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            with index.snapshot() as snapshot:
                count = len(contents(snapshot))
                found = (snapshot.search(some_instances(1).vectors, 500)[1] >= 0).sum()
                if not count == snapshot.image_count == found // 3:
                    failures.append((count, snapshot.image_count, found))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    with index.writer() as writer:
        for n in range(20, 35):
            writer.add(facts(f"{n}.jpg"), some_instances(3, seed=n))
            writer.delete([f"{n - 20}.jpg"] if n % 2 else [])
            writer.commit()
    index.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_half_read_list_of_pictures_does_not_hold_the_writer_up(index: Index) -> None:
    with index.writer() as writer:
        for n in range(3):
            writer.fail(facts(f"{n}.jpg"), "cause")
        writer.commit()
    with index.snapshot() as snapshot:
        rows = snapshot.all_images()
        assert next(rows).path == "0.jpg"
        begun = time.monotonic()
        with index.writer() as writer:
            writer.delete(["1.jpg"])
            writer.commit()
        assert time.monotonic() - begun < 30, "the writer waited for the reader"
        assert [row.path for row in rows] == ["1.jpg", "2.jpg"]


def test_an_error_while_publishing_loses_the_changes_and_frees_the_lock(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Publication, "publish", full)
        writer = index.writer()
        writer.add(facts("a.jpg"), some_instances(2))
        with pytest.raises(OSError, match="No space left"):
            writer.commit()
    with index.writer() as writer:
        assert writer.known_files() == {}
    assert index.check() == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not write")
def test_a_read_only_index_is_searched_and_not_written(index: Index) -> None:
    with index.writer() as writer:
        writer.add(facts("a.jpg"), some_instances(3))
        writer.commit()
    index.close()
    code = f"""
import os, sys
from pathlib import Path
from reir.errors import ReirError
from reir.store import Index, ImageFilter
from tests.store.gallery import some_instances
index = Index.open(Path({str(index.db)!r}))
with index.snapshot() as snapshot:  # imports what user nobody may not read
    snapshot.search(some_instances(1).vectors, 3)
index.close()
os.setuid(65534)
index = Index.open(Path({str(index.db)!r}))
with index.snapshot() as snapshot:
    print(snapshot.image_by_path("a.jpg").image_id, (snapshot.search(some_instances(1).vectors, 3)[1] >= 0).sum())
print(index.check())
try:
    index.writer()
except ReirError as error:
    print(error)
"""
    for folder in [index.db, *index.db.parents]:
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    before = sorted(path.name for path in index.db.iterdir())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["1 3", "[]"]
    assert "cannot be written" in lines[2]
    assert sorted(path.name for path in index.db.iterdir()) == before


def test_where_there_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "nothing", tmp_path, tmp_path / "file"):
        with pytest.raises(IndexNotFoundError, match="Make one with: reir index"):
            Index.open(place)
