"""Pages of one answer: together they are the answer, whatever happens to the gallery meanwhile."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir import Gallery
from reir.errors import InstanceGoneError, SnapshotGoneError, UsageError
from reir.search import Cursor, Example, Searcher, SearchRequest
from reir.search.cursor import digest_of
from reir.store import ImageFilter, Index
from reir.types import Hit, SearchResult
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index, paint

COLOURS = ("red", "green", "blue", "yellow", "dark")
PICTURES: dict[str, Quadrants] = {
    f"{number:02}.png": tuple(COLOURS[(number * step + step) % 5] for step in (1, 2, 3, 4)) for number in range(23)
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_index(tmp_path_factory.mktemp("gallery"), PICTURES)


@pytest.fixture
def searcher(index: Index) -> Iterator[Searcher]:
    with index.snapshot() as snapshot:
        yield Searcher(snapshot, GridColourModel())


def places(hits: tuple[Hit, ...]) -> list[tuple[int, int]]:
    """(rank, picture) of each place."""
    return list(dict.fromkeys((hit.rank, hit.image_id) for hit in hits))


def all_pages(searcher: Searcher, top: int, *, flat: bool, where: ImageFilter | None = None) -> list[SearchResult]:
    pages = [searcher.search("red", top=top, flat=flat, where=where)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(searcher.search(Cursor.decode(cursor), top=top, flat=flat, where=where))
    return pages


@pytest.mark.parametrize("top", [1, 3, 7, 22, 23])
def test_pages_of_pictures_neither_repeat_nor_skip(searcher: Searcher, top: int) -> None:
    whole = searcher.search("red", top=100)
    assert whole.next_cursor is None
    pages = all_pages(searcher, top, flat=False)
    assert [place for page in pages for place in places(page.hits)] == places(whole.hits)
    assert all(len(places(page.hits)) == top for page in pages[:-1])
    assert {page.expression for page in pages} == {"red"}


@pytest.mark.parametrize("top", [1, 5, 92])
def test_pages_of_boxes_neither_repeat_nor_skip(searcher: Searcher, top: int) -> None:
    """Most scores are equal here: the id decides, on both sides of a page's border."""
    whole = searcher.search("red", top=100, flat=True).hits
    assert len(whole) == 92
    assert tuple(hit for page in all_pages(searcher, top, flat=True) for hit in page.hits) == whole


def test_pages_keep_to_the_filter(searcher: Searcher) -> None:
    where = ImageFilter(image_ids=[2, 3, 5, 7, 11, 13])
    shown = [hit.image_id for page in all_pages(searcher, 4, flat=True, where=where) for hit in page.hits]
    assert len(shown) == 24
    assert set(shown) == {2, 3, 5, 7, 11, 13}


def test_another_filter_refuses_the_cursor(searcher: Searcher) -> None:
    cursor = searcher.search("red", top=1).next_cursor
    assert cursor is not None
    with pytest.raises(UsageError, match="other filters"):
        searcher.search(Cursor.decode(cursor), where=ImageFilter(image_ids=[1]))
    with pytest.raises(UsageError, match="other filters"):
        searcher.search(Cursor.decode(cursor), flat=True)


def test_the_order_of_an_allow_list_plays_no_part() -> None:
    one, other = (digest_of(ImageFilter(image_ids=ids), False, 5, None) for ids in ([3, 1], [1, 3]))
    assert one == other != digest_of(ImageFilter(image_ids=[1]), False, 5, None)
    none, empty = (digest_of(where, False, 5, None) for where in (None, ImageFilter()))
    assert none == empty
    date = ImageFilter(after=datetime(2024, 1, 1))
    assert digest_of(date, False, 5, None) != none


@given(
    st.integers(0, 2**62),
    st.integers(1, 10_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 2**62),
    st.none() | st.text(max_size=30),
)
def test_a_cursor_survives_its_text(
    snapshot: int, places: int, score: float, instance: int, expression: str | None
) -> None:
    vector = np.linspace(-1, 1, 5, dtype=np.float32)
    cursor = Cursor(snapshot, b"12345678", places, score, instance, vector, expression)
    text = cursor.encode()
    again = Cursor.decode(text)
    assert again.encode() == text
    assert (again.snapshot, again.places, again.score, again.instance_id, again.expression) == (
        snapshot,
        places,
        score,
        instance,
        expression,
    )
    assert again.vector.tobytes() == vector.tobytes()


@given(st.text(max_size=80) | st.binary(max_size=120).map(lambda data: urlsafe_b64encode(data).decode()))
def test_no_text_breaks_the_decoder(text: str) -> None:
    with suppress(UsageError):
        assert np.isfinite(Cursor.decode(text).vector).all()


def test_requests_are_answered_together_as_alone(searcher: Searcher) -> None:
    narrow = ImageFilter(image_ids=[4, 9])
    requests = [
        SearchRequest("red", top=3),
        SearchRequest("blue", top=2, flat=True),
        SearchRequest(Example(1 << 40)),
        SearchRequest("red", where=narrow),
        SearchRequest("green yellow", where=narrow, top=1),
        SearchRequest("dark", top=23, boxes=1),
    ]
    together = searcher.search_many(requests)
    assert isinstance(together[2], InstanceGoneError)
    for request, answer in zip(requests, together, strict=True):
        (alone,) = searcher.search_many([request])
        if isinstance(answer, SearchResult):
            assert isinstance(alone, SearchResult)
            assert answer.hits == alone.hits
            assert answer.next_cursor == alone.next_cursor
    last = together[-1]
    assert isinstance(last, SearchResult)
    assert [hit.rank for hit in last.hits] == list(range(1, 24))


def gallery_that_changes(folder: Path, keep: float) -> tuple[Gallery, str]:
    """A gallery and the cursor of a page, after which the best picture was changed and another added."""
    index = make_index(folder, {"a.png": ("red",) * 4, "b.png": ("red", "blue", "blue", "blue")})
    gallery = Gallery(index, model=GridColourModel(), keep_snapshots=keep)
    cursor = gallery.search("red", top=1).next_cursor
    assert cursor is not None
    paint(folder / "a.png", ("green",) * 4, (90, 60))
    paint(folder / "c.png", ("red",) * 4)
    gallery.add(["."], workers=0)
    return gallery, cursor


def test_a_kept_snapshot_goes_on_as_it_began(tmp_path: Path) -> None:
    gallery, cursor = gallery_that_changes(tmp_path, keep=60)
    with gallery:
        page = gallery.search(cursor=cursor)
        assert [(hit.rank, hit.path) for hit in page.hits] == [(2, "b.png")] * 4
        assert page.snapshot < gallery.search("red").snapshot


def test_a_collected_snapshot_is_gone(tmp_path: Path) -> None:
    gallery, cursor = gallery_that_changes(tmp_path, keep=0)
    with gallery:
        gallery.remove(["c.png"])  # collects what nobody held any more
        with pytest.raises(SnapshotGoneError, match="Search anew"):
            gallery.search(cursor=cursor)
        to_come = Cursor.decode(cursor)
        with pytest.raises(SnapshotGoneError):
            gallery.search(cursor=replace(to_come, snapshot=to_come.snapshot + 1000).encode())
