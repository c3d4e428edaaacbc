"""Every kind of damage is found, named, and mended as far as it can be."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reir.errors import IndexDamagedError
from reir.store import Index
from tests.store.gallery import contents, facts, some_instances

QUERY = some_instances(1, seed=77).vectors


@pytest.fixture
def filled(index: Index) -> Index:
    """Three segments, a failed picture, a duplicate and a deleted picture."""
    with index.writer() as writer:
        for segment in range(3):
            for n in range(4):
                writer.add(facts(f"{segment}/{n}.jpg"), some_instances(5, seed=segment * 10 + n))
            writer.commit()
        writer.add_duplicate(facts("copy.jpg", "1/1.jpg"), writer.source_of("1/1.jpg") or 0)
        writer.delete(["1/2.jpg"])
        writer.fail(facts("bad.jpg"), "no picture")
        writer.commit()
    assert index.check() == []
    return index


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES: dict[str, Callable[[Path], None]] = {"cut": cut, "flip": flip, "missing": Path.unlink}
ARRAYS = ["vectors.npy", "boxes.npy", "image_ids.npy", "objectness.npy"]


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", [*ARRAYS, "instances.parquet", "shard"])
def test_one_damaged_file_is_found_and_made_again(filled: Index, name: str, kind: str) -> None:
    with filled.snapshot() as snapshot:
        before, scores = contents(snapshot), snapshot.search(QUERY, 20)
    path = filled.db / "segments" / "00000002" / name
    if name == "shard":
        path = sorted((filled.db / "shards").iterdir())[1]
    whole = path.read_bytes()
    DAMAGES[kind](path)
    (finding,) = filled.check()
    assert (finding.severity, finding.path) == ("error", str(path))
    assert "reir doctor --repair" in finding.mend
    # A look at sizes alone sees no flipped byte, unless the numbers of rows no longer add up.
    assert bool(filled.check(hashes=False)) == (kind != "flip" or name == "image_ids.npy")
    done = filled.repair()
    assert len(done) == 1
    assert path.name in done[0]
    assert filled.check() == []
    assert path.read_bytes() == whole
    with filled.snapshot() as snapshot:
        assert (snapshot.number, contents(snapshot)) == (4, before)
        for left, right in zip(snapshot.search(QUERY, 20), scores, strict=True):
            np.testing.assert_array_equal(left, right)
    assert filled.repair() == []


def test_all_arrays_and_shards_come_back_from_parquet(filled: Index) -> None:
    with filled.snapshot() as snapshot:
        before = contents(snapshot)
    for path in [*filled.db.glob("segments/*/*.npy"), *filled.db.glob("shards/*")]:
        path.unlink()
    assert len(filled.check()) == 3 * 4 + 3
    filled.repair()
    assert filled.check() == []
    with filled.snapshot() as snapshot:
        assert contents(snapshot) == before


def test_a_segment_that_cannot_be_saved_costs_only_its_own_pictures(filled: Index) -> None:
    with filled.snapshot() as snapshot:
        before = contents(snapshot)
    shutil.rmtree(filled.db / "segments" / "00000002")
    assert all("read again" in f.mend or "rebuilt" in f.mend for f in filled.check())
    with filled.snapshot() as snapshot, pytest.raises(IndexDamagedError, match=r"00000002.*reir doctor --repair"):
        snapshot.search(QUERY, 3)
    (line,) = filled.repair()
    assert "4 pictures" in line, "three of the segment's own and the duplicate"
    assert filled.check() == []
    lost = {"1/0.jpg", "1/1.jpg", "1/3.jpg", "copy.jpg"}
    with filled.snapshot() as snapshot:
        after = contents(snapshot)
        assert {path for path in after if after[path] != before[path]} == lost
        assert snapshot.instance_count == 40
        assert (snapshot.search(QUERY, 50)[1][0] >= 0).sum() == 40
    with filled.writer() as writer:
        known = writer.known_files()
        for path in lost:
            assert (known[path].mtime_ns, known[path].content_hash, known[path].status) == (-1, None, "failed")
        image_id = known["1/1.jpg"].image_id
        assert writer.add(facts("1/1.jpg"), some_instances(5, seed=11)) == image_id
        writer.commit()
    with filled.snapshot() as snapshot:
        assert contents(snapshot)["1/1.jpg"] == before["1/1.jpg"]


def test_rows_that_contradict_the_segments_are_found(filled: Index) -> None:
    with sqlite3.connect(filled.db / "index.sqlite") as connection:
        connection.execute("UPDATE images SET instance_count = 9 WHERE path = '0/1.jpg'")
        connection.execute("UPDATE snapshots SET image_count = 5")
    connection.close()
    whats = [finding.what for finding in filled.check()]
    assert whats == ["12 pictures instead of 5", "1 pictures have other numbers of instances than were stored"]
    assert "1 pictures" in filled.repair()[0]
    assert filled.check() == []


def test_an_index_whose_pictures_all_went_is_healthy(filled: Index) -> None:
    with filled.writer() as writer:
        writer.delete(list(writer.known_files()))
        writer.commit()
    assert filled.check() == []
    assert filled.repair() == []


def test_strangers_are_noted_and_swept_by_the_next_writer(filled: Index) -> None:
    (filled.db / "segments" / "00000099").mkdir()
    (filled.db / "shards" / "00000099.faiss.new").write_bytes(b"half")
    assert [finding.severity for finding in filled.check()] == ["note", "note"]
    filled.writer().close()
    assert filled.check() == []


def test_a_broken_table_file_is_named(filled: Index) -> None:
    filled.close()
    (filled.db / "index.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(IndexDamagedError, match=r"index\.sqlite is damaged .*Delete the folder .*reir index FOLDER"):
        Index.open(filled.db)
    (filled.db / "index.sqlite").unlink()
    with pytest.raises(IndexDamagedError, match=r"index\.sqlite is damaged \(missing\)"):
        Index.open(filled.db)


def test_damaged_pages_of_the_tables_are_found(filled: Index) -> None:
    filled.close()
    path = filled.db / "index.sqlite"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = bytes(64)
    path.write_bytes(bytes(data))
    (finding,) = Index.open(filled.db).check()
    assert finding.what == "tables: database disk image is malformed"
    assert finding.mend == f"Delete the folder {filled.db} and index the gallery again: reir index FOLDER"


def test_a_missing_pin_is_found_and_made_again(filled: Index) -> None:
    (filled.db / "pins" / "4").unlink()
    assert ["readers cannot hold" in finding.what for finding in filled.check()] == [True]
    assert filled.repair() == ["snapshot 4 can be read again"]
    with filled.snapshot() as snapshot:
        assert snapshot.number == 4
