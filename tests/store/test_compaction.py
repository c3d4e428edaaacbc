"""Compaction: nothing that can be seen changes but the ids, and old ids are understood for one generation."""

from __future__ import annotations

import numpy as np
import pytest

from reir.errors import IndexDamagedError, InstanceGoneError
from reir.store import Index
from reir.store.shard import FAN_IN, SHARD_ROWS, shards_to_merge
from tests.store.gallery import contents, facts, some_instances


def fill(index: Index, commits: int, first: int = 0) -> None:
    with index.writer() as writer:
        for segment in range(first, first + commits):
            for n in range(3):
                writer.add(facts(f"{segment}/{n}.jpg"), some_instances(4, seed=segment * 10 + n))
            writer.commit()


def test_old_ids_are_understood_for_one_generation(shared_index: Index) -> None:
    index = shared_index
    fill(index, 4)
    with index.writer() as writer:
        writer.delete(["1/1.jpg", "2/0.jpg"])
        writer.commit()
    with index.snapshot() as snapshot:
        before = contents(snapshot)
        blocks = list(snapshot.blocks())
        old_ids = np.concatenate([block.instance_ids for block in blocks])
        old_boxes = np.concatenate([block.boxes for block in blocks])
        row = snapshot.image_by_path("0/0.jpg")
        assert row is not None
        query = snapshot.instances_of(row.image_id).vectors[:2]
        scores, found = snapshot.search(query, 30)
        dead_id = (2 << 32) + 5
        number = snapshot.number
    assert index.compact() == number + 1
    assert index.check() == []
    with index.snapshot() as snapshot:
        assert contents(snapshot) == before
        assert [segment.row_count for segment in snapshot._manifest.segments] == [40]
        assert snapshot.instance_count == 40
        np.testing.assert_array_equal(snapshot.instances(old_ids).boxes, old_boxes)
        new_scores, new_found = snapshot.search(query, 30)
        np.testing.assert_array_equal(new_scores, scores)
        np.testing.assert_array_equal(snapshot.instances(new_found[0]).boxes, snapshot.instances(found[0]).boxes)
        first_generation = new_found[0]
        for gone in (dead_id, 99 << 32, -5, (5 << 32) + 40):
            with pytest.raises(InstanceGoneError, match=f"instance {gone} is gone"):
                snapshot.instances([gone])
    assert index.compact() == number + 1, "nothing to do: no new snapshot"
    fill(index, 1, first=7)
    index.compact()
    with index.snapshot() as snapshot:
        assert len(snapshot.instances(first_generation)) == 30
        with pytest.raises(InstanceGoneError):
            snapshot.instances(old_ids[:1])
        assert [segment.number for segment in snapshot._manifest.segments] == [7]
    assert len(list((index.db / "segments").iterdir())) == 1


def test_a_reader_is_not_disturbed_by_compaction(index: Index) -> None:
    fill(index, 3)
    with index.snapshot() as reader:
        before = contents(reader)
        with index.writer() as writer:
            writer.delete(["0/0.jpg"])
            writer.commit()
        index.compact()
        index.compact()
        assert contents(reader) == before
        assert (reader.search(some_instances(1).vectors, 36)[1] >= 0).all()
        assert len(list((index.db / "segments").iterdir())) == 4
    index.writer().close()
    assert len(list((index.db / "segments").iterdir())) == 1


def test_everything_removed_compacts_to_nothing(index: Index) -> None:
    fill(index, 2)
    with index.writer() as writer:
        writer.delete(list(writer.known_files()))
        writer.commit()
    index.compact()
    assert index.check() == []
    assert (list((index.db / "segments").iterdir()), list((index.db / "shards").iterdir())) == ([], [])


def test_damage_is_not_carried_on(index: Index) -> None:
    fill(index, 2)
    path = index.db / "segments" / "00000001" / "instances.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(IndexDamagedError, match=r"not what was written.*--repair"):
        index.compact()
    assert index.latest() == 2
    index.repair()
    assert index.compact() == 3


def test_many_small_commits_leave_few_shards_and_all_are_found(index: Index) -> None:
    fill(index, 3 * FAN_IN)
    shards = list((index.db / "shards").iterdir())
    assert len(shards) < FAN_IN
    assert index.check() == []
    with index.snapshot() as snapshot:
        assert (snapshot.search(some_instances(1).vectors, 300)[1] >= 0).sum() == 3 * FAN_IN * 12


def test_merging_shards_stays_logarithmic() -> None:
    sizes: list[int] = []
    rewritten = 0
    for _ in range(2000):
        sizes.append(3000)
        merged = shards_to_merge(sizes)
        if merged:
            rewritten += sum(sizes[-merged:])
            sizes[-merged:] = [sum(sizes[-merged:])]
    assert sum(sizes) == 2000 * 3000
    assert len(sizes) < 5 * FAN_IN
    assert rewritten < 5 * sum(sizes)
    assert max(sizes) < FAN_IN * SHARD_ROWS
