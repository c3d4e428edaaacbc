"""One contract for every vector store: exact scores, one order, any selection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reir.errors import IndexDamagedError
from reir.protocols import VectorStore
from reir.store import FaissExactStore, PlainStore
from reir.types import FloatArray, IntArray

STORES: list[Callable[[int], VectorStore]] = [PlainStore, FaissExactStore]


@pytest.fixture(params=STORES, ids=["plain", "faiss"])
def make(request: pytest.FixtureRequest) -> Callable[[int], VectorStore]:
    factory: Callable[[int], VectorStore] = request.param
    return factory


def random_vectors(count: int, dimension: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def slow_search(
    queries: FloatArray, k: int, ids: IntArray, vectors: FloatArray
) -> tuple[list[list[float]], list[list[int]]]:
    """Sorted by Python, score by score."""
    kept = vectors.astype(np.float16).astype(np.float64)
    all_scores, all_ids = [], []
    for query in queries.astype(np.float64):
        pairs = [(-np.float32(np.sum(query * vector)), int(number)) for number, vector in zip(ids, kept, strict=True)]
        pairs = sorted(pairs)[:k] + [(np.float32(np.inf), -1)] * (k - min(k, len(pairs)))
        all_scores.append([float(-score) for score, _ in pairs])
        all_ids.append([number for _, number in pairs])
    return all_scores, all_ids


@pytest.mark.parametrize("k", [1, 5, 100, 300])
def test_the_best_are_found_in_order(make: Callable[[int], VectorStore], k: int) -> None:
    ids = np.random.default_rng(1).permutation(1000)[:250].astype(np.int64) + (7 << 32)
    vectors, queries = random_vectors(250, 16), random_vectors(3, 16, seed=2)
    store = make(16)
    store.add(ids[:100], vectors[:100])
    store.add(ids[100:], vectors[100:])
    assert len(store) == 250
    scores, found = store.search(queries, k)
    expected_scores, expected_ids = slow_search(queries, k, ids, vectors)
    assert (scores.dtype.name, found.dtype.name) == ("float32", "int64")
    assert found.tolist() == expected_ids
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-6)


def test_equal_scores_go_by_id_even_at_the_border(make: Callable[[int], VectorStore]) -> None:
    store = make(8)
    ids = np.random.default_rng(3).permutation(500).astype(np.int64)
    vectors = np.repeat(random_vectors(5, 8), 100, axis=0)
    store.add(ids, vectors)
    query = vectors[150:151]
    for k in (1, 30, 99, 100, 101, 250):
        assert store.search(query, k)[1].tolist() == slow_search(query, k, ids, vectors)[1]
    constant = make(8)
    constant.add(ids, np.ones((500, 8), np.float32))
    assert constant.search(query, 7)[1].tolist() == [list(range(7))]


def test_near_ties_are_told_apart_exactly(make: Callable[[int], VectorStore]) -> None:
    # Scores differ by less than float32 sums are off by: only the exact re-score finds the order.
    random = np.random.default_rng(4)
    base = random.standard_normal(64).astype(np.float16)
    vectors = np.repeat(base[None], 400, axis=0)
    places = random.integers(0, 64, 400)
    vectors[np.arange(400), places] = np.nextafter(vectors[np.arange(400), places], np.float16(9))
    query = (random.standard_normal((1, 64)) * 1e-3 + 1).astype(np.float32)
    store = make(64)
    store.add(np.arange(400), vectors.astype(np.float32))
    expected = slow_search(query, 20, np.arange(400), vectors.astype(np.float32))
    assert store.search(query, 20)[1].tolist() == expected[1]


def test_a_batch_equals_its_queries_one_by_one(make: Callable[[int], VectorStore]) -> None:
    store = make(24)
    store.add(np.arange(3000), random_vectors(3000, 24))
    queries = random_vectors(9, 24, seed=5)
    scores, found = store.search(queries, 12)
    for place in range(9):
        one_score, one_id = store.search(queries[place : place + 1], 12)
        np.testing.assert_array_equal(one_score[0], scores[place])
        np.testing.assert_array_equal(one_id[0], found[place])


def test_removed_and_not_allowed_rows_are_never_found(make: Callable[[int], VectorStore]) -> None:
    store = make(8)
    ids, vectors, queries = np.arange(300) * 5, random_vectors(300, 8), random_vectors(2, 8, seed=6)
    store.add(ids, vectors)
    store.remove(np.concatenate([ids[:50], [3, 10**9]]))
    assert len(store) == 250
    assert store.search(queries, 10)[1].tolist() == slow_search(queries, 10, ids[50:], vectors[50:])[1]
    allowed = np.concatenate([ids[40:60], [1, 2, 10**12]])
    assert (
        store.search(queries, 15, allowed=allowed)[1].tolist()
        == slow_search(queries, 15, ids[50:60], vectors[50:60])[1]
    )
    nothing = store.search(queries, 2, allowed=np.array([4], np.int64))
    assert nothing[1].tolist() == [[-1, -1], [-1, -1]]
    assert np.isneginf(nothing[0]).all()
    store.add(np.array([10]), vectors[:1])
    assert 10 in store.search(vectors[:1], 300)[1]


def test_empty_stores_and_empty_questions(make: Callable[[int], VectorStore]) -> None:
    store = make(4)
    assert store.search(random_vectors(2, 4), 3)[1].tolist() == [[-1] * 3] * 2
    store.remove(np.array([1]))
    store.add(np.empty(0, np.int64), np.empty((0, 4), np.float32))
    assert len(store) == 0
    store.add(np.arange(2), random_vectors(2, 4))
    assert store.search(np.empty((0, 4), np.float32), 3)[0].shape == (0, 3)
    assert store.search(random_vectors(1, 4), 0)[1].shape == (1, 0)


def test_shapes_are_checked(make: Callable[[int], VectorStore]) -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\), got \(2, 5\)"):
        make(4).add(np.arange(2), random_vectors(2, 5))
    with pytest.raises(ValueError, match=r"\(3, 4\), got \(2, 4\)"):
        make(4).add(np.arange(3), random_vectors(2, 4))


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.tuples(*[st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0])] * 3), min_size=1, max_size=60),
    query=st.tuples(*[st.floats(-4, 4, width=16)] * 3),
    k=st.integers(1, 70),
    data=st.data(),
)
def test_all_stores_agree_bit_by_bit(
    values: list[tuple[float, ...]], query: tuple[float, ...], k: int, data: st.DataObject
) -> None:
    vectors, queries = np.array(values, np.float32), np.array([query], np.float32)
    ids = np.array(data.draw(st.permutations(range(len(values)))), np.int64)
    removed = np.array(data.draw(st.lists(st.sampled_from(ids.tolist()), max_size=5)), np.int64)
    allowed = data.draw(st.none() | st.lists(st.integers(0, 70), max_size=40))
    answers = []
    for factory in STORES:
        store = factory(3)
        store.add(ids, vectors)
        store.remove(removed)
        answers.append(store.search(queries, k, allowed=None if allowed is None else np.array(allowed, np.int64)))
    keep = ~np.isin(ids, removed) & (True if allowed is None else np.isin(ids, allowed))
    assert answers[0][1].tolist() == slow_search(queries, k, ids[keep], vectors[keep])[1]
    for scores, found in answers[1:]:
        assert found.tolist() == answers[0][1].tolist()
        np.testing.assert_array_equal(scores, answers[0][0])


def test_a_saved_store_is_the_same_store(tmp_path: Path) -> None:
    store = FaissExactStore(8)
    store.add(np.arange(100), random_vectors(100, 8))
    store.save(tmp_path / "a.faiss")
    opened = FaissExactStore.open(tmp_path / "a.faiss", np.arange(100), 8, store.largest_norm)
    queries = random_vectors(3, 8, seed=9)
    for left, right in zip(store.search(queries, 10), opened.search(queries, 10), strict=True):
        np.testing.assert_array_equal(left, right)
    with pytest.raises(IndexDamagedError, match="100 x 8 instead of 99 x 8"):
        FaissExactStore.open(tmp_path / "a.faiss", np.arange(99), 8, 1.0)
    (tmp_path / "cut.faiss").write_bytes((tmp_path / "a.faiss").read_bytes()[:500])
    for broken in ("cut.faiss", "missing.faiss"):
        with pytest.raises(IndexDamagedError, match=broken):
            FaissExactStore.open(tmp_path / broken, np.arange(100), 8, 1.0)
