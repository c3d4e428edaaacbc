"""What happens to pictures: added, changed, moved, copied, failed, deleted. Over every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from reir.errors import InstanceGoneError
from reir.store import ImageFilter, Index, KnownFile
from tests.store.gallery import contents, everything, facts, some_instances


def test_what_is_added_can_be_read_back(shared_index: Index) -> None:
    taken = datetime(2024, 5, 6, 7, 8, 9)
    first = facts("a/1.jpg", width=640, height=480, orientation=6, taken_at=taken, latitude=52.5, longitude=-13.25)
    first = replace(first, external_id="x-1", mtime_ns=1_700_000_000_123_456_789, size=2**40)
    given = some_instances(5)
    with shared_index.writer() as writer:
        image_id = writer.add(first, given)
        empty_id = writer.add(facts("a/empty.jpg"), some_instances(0))
        failed_id = writer.fail(facts("bad.jpg"), "truncated")
        assert writer.commit() == 1
    with shared_index.snapshot() as snapshot:
        assert (snapshot.number, snapshot.image_count, snapshot.instance_count, snapshot.failed_count) == (1, 2, 5, 1)
        row = snapshot.image_by_path("a/1.jpg")
        assert row is not None
        assert {name: getattr(row, name) for name in first.__dataclass_fields__} == {
            name: getattr(first, name) for name in first.__dataclass_fields__
        }
        assert (row.image_id, row.source_image_id, row.status, row.segment, row.instance_count) == (
            image_id, image_id, "indexed", 1, 5,
        )  # fmt: skip
        assert snapshot.images([image_id, failed_id, 999])[failed_id].cause == "truncated"
        assert snapshot.instances_of(empty_id).vectors.shape == (0, 6)
        kept = snapshot.instances_of(image_id)
        np.testing.assert_array_equal(kept.boxes, given.boxes)
        np.testing.assert_array_equal(kept.objectness, given.objectness)
        np.testing.assert_array_equal(kept.vectors, given.vectors)
        rows = snapshot.instances(kept.instance_ids[::-1])
        np.testing.assert_array_equal(rows.boxes, given.boxes[::-1])
        assert rows.image_ids.tolist() == [image_id] * 5
        assert [r.path for r in snapshot.all_images("failed")] == ["bad.jpg"]
        assert [r.image_id for r in snapshot.all_images()] == sorted([image_id, empty_id, failed_id])


def test_instances_beside_are_those_of_the_picture_of_each(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        for n in range(6):
            writer.add(facts(f"{n}.jpg"), some_instances(n, seed=n))
            if n % 2:
                writer.commit()
        writer.commit()
    with shared_index.snapshot() as snapshot:
        plain = {int(i): snapshot.instances_of(int(row)) for i, row in zip(*everything(snapshot)[::2], strict=True)}
        asked = [*plain, *plain][::-1]
        beside = snapshot.instances_beside(asked)
        assert len(beside) == len(asked) == 30
        for number, block in zip(asked, beside, strict=True):
            for name in ("instance_ids", "image_ids", "boxes", "objectness", "vectors"):
                np.testing.assert_array_equal(getattr(block, name), getattr(plain[number], name))
        assert snapshot.instances_beside([]) == []
        gone = snapshot.instances_of(snapshot.image_by_path("3.jpg").image_id).instance_ids[0]
    with shared_index.writer() as writer:
        writer.delete(["3.jpg"])
        writer.commit()
    with shared_index.snapshot() as snapshot, pytest.raises(InstanceGoneError):
        snapshot.instances_beside([gone])


def test_search_ranks_every_live_instance(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        for n in range(10):
            writer.add(facts(f"{n}.jpg"), some_instances(4, seed=n))
            if n % 3 == 0:
                writer.commit()
        writer.commit()
    queries = some_instances(3, seed=99).vectors
    with shared_index.snapshot() as snapshot:
        ids, vectors, _ = everything(snapshot)
        scores, found = snapshot.search(queries, 50)
        assert scores.shape == found.shape == (3, 50)
        for query, line, numbers in zip(queries, scores, found, strict=True):
            expected = vectors.astype(np.float64) @ query
            order = np.argsort(-expected, kind="stable")
            assert numbers[:40].tolist() == ids[order].tolist()
            np.testing.assert_allclose(line[:40], expected[order], atol=1e-6)
            assert numbers[40:].tolist() == [-1] * 10
            assert np.isneginf(line[40:]).all()


def test_a_changed_picture_keeps_its_id_and_loses_its_old_instances(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        image_id = writer.add(facts("a.jpg", external_id="mine"), some_instances(3))
        writer.commit()
        with shared_index.snapshot() as before:
            old_ids = before.instances_of(image_id).instance_ids
        assert writer.add(facts("a.jpg", "new content"), some_instances(2, seed=5)) == image_id
        writer.commit()
    with shared_index.snapshot() as snapshot:
        assert snapshot.instance_count == 2
        assert snapshot.images([image_id])[image_id].external_id == "mine"
        with pytest.raises(InstanceGoneError, match=str(old_ids[0])):
            snapshot.instances(old_ids)
        _, found = snapshot.search(some_instances(1).vectors, 10)
        assert set(found[0].tolist()).isdisjoint(old_ids.tolist())
        new = snapshot.instances(found[0][:2])
        assert {row.image_id for row in snapshot.resolve(new.image_ids).values()} == {image_id}


def test_a_duplicate_outlives_the_picture_that_it_copies(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        owner = writer.add(facts("b/owner.jpg", "same"), some_instances(3))
        source = writer.source_of("same")
        assert source is not None
        copy = writer.add_duplicate(facts("a/copy.jpg", "same"), source)
        writer.commit()
        with shared_index.snapshot() as snapshot:
            assert (snapshot.image_count, snapshot.instance_count) == (2, 3)
            assert snapshot.resolve([source])[source].image_id == owner
            assert snapshot.resolve([source], ImageFilter(path_prefix="a/"))[source].image_id == copy
            np.testing.assert_array_equal(
                snapshot.instances_of(copy).instance_ids, snapshot.instances_of(owner).instance_ids
            )
        assert writer.delete(["b/owner.jpg"]) == 1
        writer.commit()
        with shared_index.snapshot() as snapshot:
            assert (snapshot.image_count, snapshot.instance_count) == (1, 3)
            assert snapshot.resolve([source])[source].path == "a/copy.jpg"
            assert len(snapshot.search(some_instances(1).vectors, 3)[1][0]) == 3
        assert writer.source_of("same") == source
        writer.delete(["a/copy.jpg"])
        writer.commit()
        assert writer.source_of("same") is None
    with shared_index.snapshot() as snapshot:
        assert (snapshot.image_count, snapshot.instance_count) == (0, 0)
        assert snapshot.search(some_instances(1).vectors, 3)[1].tolist() == [[-1, -1, -1]]


def test_a_duplicate_keeps_the_old_content_when_the_owner_changes(shared_index: Index) -> None:
    old, new = some_instances(3, seed=1), some_instances(2, seed=2)
    with shared_index.writer() as writer:
        owner = writer.add(facts("owner.jpg", "old"), old)
        copy = writer.add_duplicate(facts("copy.jpg", "old"), owner)
        writer.commit()
        writer.add(facts("owner.jpg", "new"), new)
        writer.commit()
    with shared_index.snapshot() as snapshot:
        np.testing.assert_array_equal(snapshot.instances_of(copy).vectors, old.vectors)
        np.testing.assert_array_equal(snapshot.instances_of(owner).vectors, new.vectors)
        for vector, path in ((old.vectors[:1], "copy.jpg"), (new.vectors[:1], "owner.jpg")):
            _, found = snapshot.search(vector, 1)
            source = int(snapshot.instances(found[0]).image_ids[0])
            assert snapshot.resolve([source])[source].path == path


def test_moves_touches_and_a_swap_need_no_new_vectors(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        a = writer.add(facts("a.jpg", width=30, height=20), some_instances(2, seed=1))
        b = writer.add(facts("b.jpg"), some_instances(2, seed=2))
        writer.commit()
        writer.move(a, facts("b.jpg", "a.jpg"))
        writer.move(b, facts("c.jpg", "b.jpg"))
        writer.touch(a, facts("b.jpg", "a.jpg", mtime_ns=77))
        assert writer.commit() == 2
        assert writer.commit() == 2, "nothing changed: no new snapshot"
        known = writer.known_files()
    assert known == {
        "b.jpg": KnownFile(a, 10, 77, "a.jpg", "indexed", None),
        "c.jpg": KnownFile(b, 10, 1000, "b.jpg", "indexed", None),
    }
    with shared_index.snapshot() as snapshot:
        assert contents(snapshot) == {
            "b.jpg": ("indexed", some_instances(2, seed=1).vectors.tolist()),
            "c.jpg": ("indexed", some_instances(2, seed=2).vectors.tolist()),
        }
        assert (snapshot.images([a])[a].width, snapshot.instance_count) == (30, 4)
    assert len(list((shared_index.db / "segments").iterdir())) == 1


def test_a_picture_that_comes_back_gets_its_id_back(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        image_id = writer.add(facts("a.jpg", external_id="e"), some_instances(2))
        writer.commit()
        assert writer.delete(["a.jpg", "a.jpg", "never there"]) == 1
        writer.commit()
        with shared_index.snapshot() as snapshot:
            assert snapshot.image_by_path("a.jpg") is None
            assert snapshot.images([image_id])[image_id].status == "deleted"
            assert (list(snapshot.all_images()), writer.known_files()) == ([], {})
        assert writer.add(facts("a.jpg"), some_instances(1)) == image_id
        assert writer.known_files()["a.jpg"].external_id == "e"
        assert writer.add(facts("new.jpg"), some_instances(1)) != image_id


def test_a_failed_picture_may_recover_and_fail_again(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        image_id = writer.fail(facts("a.jpg", None), "empty file")
        writer.commit()
        assert writer.known_files()["a.jpg"].status == "failed"
        assert writer.add(facts("a.jpg"), some_instances(2)) == image_id
        writer.commit()
        assert writer.fail(facts("a.jpg"), "truncated") == image_id
        writer.commit()
    with shared_index.snapshot() as snapshot:
        assert (snapshot.image_count, snapshot.failed_count, snapshot.instance_count) == (0, 1, 0)


def test_several_changes_before_one_commit_count_once(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        writer.add(facts("a.jpg", "1"), some_instances(2, seed=1))
        writer.add(facts("a.jpg", "2"), some_instances(3, seed=2))
        writer.add(facts("gone.jpg"), some_instances(4))
        writer.delete(["gone.jpg"])
        writer.commit()
    with shared_index.snapshot() as snapshot:
        assert (snapshot.image_count, snapshot.instance_count) == (1, 3)
        assert contents(snapshot)["a.jpg"][1] == some_instances(3, seed=2).vectors.tolist()
        assert [s.row_count for s in snapshot._manifest.segments] == [3]


def test_a_commit_without_vectors_writes_no_segment(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        writer.fail(facts("bad.jpg"), "cause")
        writer.add(facts("plain.jpg"), some_instances(0))
        writer.commit()
    assert list((shared_index.db / "segments").iterdir()) == []
    with shared_index.snapshot() as snapshot:
        assert snapshot.search(some_instances(2).vectors, 2)[1].tolist() == [[-1, -1], [-1, -1]]


def test_leaving_without_commit_drops_the_changes(shared_index: Index) -> None:
    with shared_index.writer() as writer:
        first = writer.add(facts("a.jpg"), some_instances(2))
    with shared_index.writer() as writer:
        assert writer.known_files() == {}
        assert writer.add(facts("b.jpg"), some_instances(2)) == first


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e6])
def test_vectors_beyond_float16_are_refused(index: Index, bad: float) -> None:
    instances = some_instances(2)
    instances.vectors[1, 3] = bad
    with index.writer() as writer, pytest.raises(ValueError, match="finite"):
        writer.add(facts("a.jpg"), instances)


def test_wrong_dimensions_are_refused(index: Index) -> None:
    with index.writer() as writer, pytest.raises(ValueError, match=r"\(N, 6\), got \(2, 5\)"):
        writer.add(facts("a.jpg"), some_instances(2, dimension=5))
    with index.snapshot() as snapshot, pytest.raises(ValueError, match=r"\(Q, 6\)"):
        snapshot.search(np.zeros((1, 5), np.float32), 1)
