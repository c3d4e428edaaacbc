"""Picture filters: the search answers from the pictures that satisfy them, and only from those."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reir.store import ImageFilter, Index, Snapshot
from tests.store.gallery import facts, some_instances

QUERY = some_instances(1, seed=50).vectors
DAY = datetime(2024, 3, 1, 12)
PATHS = ["a/1.jpg", "a/2.jpg", "a/Ä.jpg", "ab/3.jpg", "b/4.jpg", "B/5.jpg", "b%/6.jpg", "b_/7.jpg", "😀/8.jpg"]


def fill(index: Index) -> None:
    with index.writer() as writer:
        for place, path in enumerate(PATHS):
            taken = None if place == 0 else DAY.replace(day=place)
            writer.add(facts(path, taken_at=taken, external_id=f"e{place}"), some_instances(3, seed=place))
            if place == 4:
                writer.commit()
        writer.add_duplicate(facts("z/copy.jpg", "b/4.jpg"), writer.source_of("b/4.jpg") or 0)
        writer.fail(facts("a/bad.jpg"), "cause")
        writer.delete(["a/2.jpg"])
        writer.commit()


def answered(snapshot: Snapshot, where: ImageFilter) -> set[str]:
    scores, ids = snapshot.search(QUERY, 100, where=where)
    assert snapshot.rank(QUERY, 1, where=where).searched == (ids[0] >= 0).sum()
    found = ids[0][ids[0] >= 0]
    assert len(found) == len(set(found.tolist()))
    assert np.isneginf(scores[0][len(found) :]).all()
    resolved = snapshot.resolve(snapshot.instances(found).image_ids, where)
    assert len(found) == sum(row.instance_count for row in resolved.values())
    return {row.path for row in resolved.values()}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (ImageFilter(), {"a/1.jpg", "a/Ä.jpg", "ab/3.jpg", "b/4.jpg", "B/5.jpg", "b%/6.jpg", "b_/7.jpg", "😀/8.jpg"}),
        (ImageFilter(path_prefix="a"), {"a/1.jpg", "a/Ä.jpg", "ab/3.jpg"}),
        (ImageFilter(path_prefix="a/"), {"a/1.jpg", "a/Ä.jpg"}),
        (ImageFilter(path_prefix="a/Ä"), {"a/Ä.jpg"}),
        (ImageFilter(path_prefix="b"), {"b/4.jpg", "b%/6.jpg", "b_/7.jpg"}),
        (ImageFilter(path_prefix="b%"), {"b%/6.jpg"}),
        (ImageFilter(path_prefix="b_"), {"b_/7.jpg"}),
        (ImageFilter(path_prefix="😀"), {"😀/8.jpg"}),
        (ImageFilter(path_prefix="z/"), {"z/copy.jpg"}),
        (ImageFilter(path_prefix="nowhere"), set()),
        (ImageFilter(after=DAY.replace(day=5)), {"B/5.jpg", "b%/6.jpg", "b_/7.jpg", "😀/8.jpg"}),
        (ImageFilter(before=DAY.replace(day=3)), {"a/Ä.jpg"}),
        (
            ImageFilter(after=DAY.replace(day=3, tzinfo=UTC), before=DAY.replace(day=4, hour=13)),
            {"ab/3.jpg", "b/4.jpg"},
        ),
        (ImageFilter(image_ids=[]), set()),
        (ImageFilter(image_ids=[1, 2, 3, 777]), {"a/1.jpg", "a/Ä.jpg"}),
        (ImageFilter(image_ids=np.array([5, 10])), {"b/4.jpg"}),  # type: ignore[arg-type]
        (ImageFilter(external_ids=["e0", "e5", "nobody's"]), {"a/1.jpg", "B/5.jpg"}),
        (ImageFilter(external_ids=["e0", "e5"], path_prefix="B"), {"B/5.jpg"}),
        (ImageFilter(image_ids=[1, 4], external_ids=["e3"], after=DAY), {"ab/3.jpg"}),
    ],
)
def test_all_conditions_hold(shared_filled: Index, where: ImageFilter, expected: set[str]) -> None:
    with shared_filled.snapshot() as snapshot:
        assert answered(snapshot, where) == expected
        assert answered(snapshot, where) == expected, "asked again"


@pytest.fixture
def shared_filled(shared_index: Index) -> Index:
    fill(shared_index)
    return shared_index


def test_long_lists_are_taken(shared_filled: Index) -> None:
    with shared_filled.snapshot() as snapshot:
        assert answered(snapshot, ImageFilter(image_ids=range(3, 200_000))) == {
            "a/Ä.jpg", "ab/3.jpg", "b/4.jpg", "B/5.jpg", "b%/6.jpg", "b_/7.jpg", "😀/8.jpg",
        }  # fmt: skip
        names = [f"e{n}" for n in range(2, 100_000)]
        assert len(answered(snapshot, ImageFilter(external_ids=names))) == 7
        assert len(snapshot.images(range(100_000))) == 11


def test_the_two_engines_give_the_same_answers(shared_filled: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    wheres = [None, ImageFilter(path_prefix="b"), ImageFilter(image_ids=[1, 4, 6])]
    answers = []
    for small in (1 << 23, 0):
        monkeypatch.setattr("reir.store.snapshot.SMALL", small)
        with shared_filled.snapshot() as snapshot:
            answers.append([snapshot.search(QUERY, k, where=where) for where in wheres for k in (1, 5, 50)])
    for plain, faiss in zip(*answers, strict=True):
        np.testing.assert_array_equal(plain[0], faiss[0])
        np.testing.assert_array_equal(plain[1], faiss[1])


def test_names_of_any_bytes_survive(shared_index: Index) -> None:
    name = os.fsdecode(b"caf\xe9/\xff.jpg")
    with shared_index.writer() as writer:
        writer.add(facts(name, "1"), some_instances(1))
        writer.fail(facts("bad.jpg"), f"no such file: {name}")
        writer.commit()
        assert set(writer.known_files()) == {name, "bad.jpg"}
        assert set(writer.known_files(os.fsdecode(b"caf\xe9/\xff"))) == {name}
    with shared_index.snapshot() as snapshot:
        row, bad = snapshot.image_by_path(name), snapshot.image_by_path("bad.jpg")
        assert row is not None
        assert bad is not None
        assert os.fsencode(row.path) == b"caf\xe9/\xff.jpg"
        assert bad.cause == f"no such file: {name}"
        assert answered(snapshot, ImageFilter(path_prefix=os.fsdecode(b"caf\xe9"))) == {name}


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=4)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names, min_size=1, max_size=12, unique=True), names)
def test_prefixes_mean_what_python_means(index: Index, paths: list[str], prefix: str) -> None:
    with index.writer() as writer:
        for path in paths:
            writer.fail(facts(path), "cause")
        assert set(writer.known_files(prefix)) == {path for path in paths if path.startswith(prefix)}
