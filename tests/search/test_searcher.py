"""Ranking, grouping, filters and ties, on an index whose every score is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.errors import UsageError
from reir.search import BOXES_PER_IMAGE, Candidate, Searcher, group_by_image, parse_date
from reir.store import ImageFilter, Index
from reir.types import Picture
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index

PICTURES: dict[str, Quadrants] = {
    "a/one-red.png": ("red", "green", "blue", "dark"),
    "a/two-reds.png": ("red", "red", "green", "blue"),
    "b/yellow.png": ("yellow", "green", "blue", "blue"),
    "b/no-red.png": ("green", "blue", "green", "blue"),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_index(
        tmp_path_factory.mktemp("gallery"),
        PICTURES,
        taken_at={"a/one-red.png": datetime(2023, 5, 1, 12), "a/two-reds.png": datetime(2024, 1, 1)},
        external_ids={"a/two-reds.png": "asset-2", "b/yellow.png": "asset-3"},
    )


@pytest.fixture
def searcher(index: Index) -> Iterator[Searcher]:
    with index.snapshot() as snapshot:
        yield Searcher(snapshot, GridColourModel())


def test_pictures_are_ranked_by_their_best_box(searcher: Searcher) -> None:
    result = searcher.search("red", top=3)
    assert [(hit.rank, hit.path) for hit in result.hits] == [
        (1, "a/one-red.png"),
        (2, "a/two-reds.png"),
        (2, "a/two-reds.png"),
        (3, "b/yellow.png"),
    ]
    assert [round(hit.score, 3) for hit in result.hits] == [1, 1, 1, 0.707]
    assert result.hits[0].box == (0, 0, 40, 30)
    assert {hit.box for hit in result.hits[1:3]} == {(0, 0, 40, 30), (40, 0, 80, 30)}
    assert (result.hits[0].width, result.hits[0].height) == (80, 60)


def test_a_box_is_shown_only_if_it_scores_as_well_as_the_last_picture(searcher: Searcher) -> None:
    """With one picture asked for, its second red box would only come after another picture's."""
    assert [(hit.rank, hit.path) for hit in searcher.search("red", top=1).hits] == [(1, "a/one-red.png")]


def test_flat_ranks_boxes(searcher: Searcher) -> None:
    hits = searcher.search("red", top=4, flat=True).hits
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.path for hit in hits] == ["a/one-red.png", "a/two-reds.png", "a/two-reds.png", "b/yellow.png"]


def test_flat_and_grouped_agree_on_every_box(searcher: Searcher) -> None:
    flat = searcher.search("green", top=100, flat=True).hits
    assert len(flat) == 16
    grouped = searcher.search("green", top=100).hits
    assert {hit.instance_id: hit.score for hit in grouped} == {hit.instance_id: hit.score for hit in flat}
    assert [hit.rank for hit in grouped] == sorted(hit.rank for hit in grouped)


def test_equal_scores_stand_by_instance_id(searcher: Searcher) -> None:
    hits = searcher.search("no word of these", top=100, flat=True).hits
    assert {hit.score for hit in hits} == {0}
    assert [hit.instance_id for hit in hits] == sorted(hit.instance_id for hit in hits)


@pytest.mark.parametrize("top", range(1, 7))
@pytest.mark.parametrize("flat", [True, False])
def test_a_longer_list_begins_with_the_shorter_one(searcher: Searcher, top: int, flat: bool) -> None:
    shorter = [(hit.path, hit.rank) for hit in searcher.search("red", top=top, flat=flat).hits]
    longer = [(hit.path, hit.rank) for hit in searcher.search("red", top=top + 1, flat=flat).hits]
    assert list(dict.fromkeys(longer))[: len(set(shorter))] == list(dict.fromkeys(shorter))


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        (ImageFilter(path_prefix="b/"), ["b/yellow.png", "b/no-red.png"]),
        (ImageFilter(after=datetime(2023, 6, 1)), ["a/two-reds.png"]),
        (ImageFilter(after=datetime(2024, 1, 1)), ["a/two-reds.png"]),
        (ImageFilter(before=datetime(2024, 1, 1)), ["a/one-red.png"]),
        (ImageFilter(image_ids=[1, 4]), ["a/one-red.png", "b/no-red.png"]),
        (ImageFilter(external_ids=["asset-3"]), ["b/yellow.png"]),
        (ImageFilter(path_prefix="a/", external_ids=["asset-3"]), []),
        (ImageFilter(image_ids=[]), []),
    ],
)
def test_filters_leave_the_order_of_the_rest(searcher: Searcher, where: ImageFilter, paths: list[str]) -> None:
    hits = searcher.search("red", where=where).hits
    assert list(dict.fromkeys(hit.path for hit in hits)) == paths
    everything = searcher.search("red", top=100, flat=True).hits
    filtered = searcher.search("red", top=100, flat=True, where=where).hits
    assert [hit.instance_id for hit in filtered] == [hit.instance_id for hit in everything if hit.path in paths]


def test_min_score_leaves_out_what_scores_lower(searcher: Searcher) -> None:
    hits = searcher.search("red", top=100, min_score=0.7).hits
    assert [hit.path for hit in hits] == ["a/one-red.png", "a/two-reds.png", "a/two-reds.png", "b/yellow.png"]
    assert len(searcher.search("red", top=100, flat=True, min_score=hits[0].score).hits) == 3
    assert searcher.search("red", min_score=1.1).hits == ()


def test_an_example_picture_finds_its_like(searcher: Searcher) -> None:
    pixels = np.zeros((10, 10, 3), dtype=np.uint8)
    pixels[..., 0] = pixels[..., 1] = 255
    result = searcher.search(Picture(pixels, 10, 10))
    assert result.expression is None
    assert result.hits[0].path == "b/yellow.png"


def test_a_vector_is_taken_as_it_is(searcher: Searcher) -> None:
    by_vector = searcher.search(np.array([1, 0, 0], dtype=np.float32))
    assert by_vector.hits == searcher.search("red").hits


def test_what_the_model_cannot_take_in_is_told(searcher: Searcher) -> None:
    result = searcher.search("red  zeppelin ")
    assert result.expression == "red zeppelin"
    assert result.warnings == ("words this model does not know: zeppelin",)


def test_times_are_told_for_each_step(searcher: Searcher) -> None:
    timings = searcher.search("red").timings_ms
    assert list(timings) == ["encode", "search", "metadata", "total"]
    assert timings["total"] == pytest.approx(sum(timings[name] for name in ("encode", "search", "metadata")), abs=5)


@pytest.mark.parametrize("expression", ["", "  ", "\n"])
def test_an_empty_expression_is_an_error(searcher: Searcher, expression: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        searcher.search(expression)


@pytest.mark.parametrize("top", [0, -1, 10_001])
def test_top_is_checked(searcher: Searcher, top: int) -> None:
    with pytest.raises(UsageError, match="top must be"):
        searcher.search("red", top=top)


def test_a_vector_of_another_dimension_is_refused(searcher: Searcher) -> None:
    with pytest.raises(ValueError, match=r"is \(3,\), got \(4,\)"):
        searcher.search(np.zeros(4, dtype=np.float32))
    with pytest.raises(ValueError, match="finite"):
        searcher.search(np.full(3, np.nan, dtype=np.float32))


def test_an_empty_index_has_no_answer(tmp_path: Path) -> None:
    with make_index(tmp_path, {}).snapshot() as snapshot:
        assert Searcher(snapshot, GridColourModel()).search("red").hits == ()


def test_enough_pictures_are_found_behind_one_with_many_boxes(tmp_path: Path) -> None:
    """The first fetch holds only boxes of the first picture: more are fetched until enough pictures appeared."""
    model = GridColourModel(cells=16)
    all_red: Quadrants = ("red", "red", "red", "red")
    pictures = {f"{number}.png": all_red for number in range(3)} | {"4.png": ("yellow", "dark", "dark", "dark")}
    with make_index(tmp_path, pictures, model=model).snapshot() as snapshot:
        result = Searcher(snapshot, model).search("red", top=4)
    assert [hit.path for hit in result.hits] == ["0.png"] * 5 + ["1.png"] * 5 + ["2.png"] * 5 + ["4.png"]
    assert [hit.rank for hit in result.hits] == [1] * 5 + [2] * 5 + [3] * 5 + [4]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=60), st.integers(1, 8))
def test_grouping_against_the_whole_ranking(scored: list[tuple[int, int]], top: int) -> None:
    """Against a plain definition, and the same from any prefix of the ranking that holds enough pictures."""
    ranking = [
        Candidate(float(score), number, image)
        for number, (score, image) in sorted(enumerate(scored), key=lambda pair: (-pair[1][0], pair[0]))
    ]
    groups, more = group_by_image(ranking, top)
    images = list(dict.fromkeys(candidate.image_id for candidate in ranking))
    assert [group[0].image_id for group in groups] == images[:top]
    assert more == (len(images) > top)
    last = ranking.index(groups[-1][0]) if len(images) >= top else len(ranking) - 1
    for group in groups:
        shown = [candidate for candidate in ranking[: last + 1] if candidate.image_id == group[0].image_id]
        assert group == shown[:BOXES_PER_IMAGE]
    for length in range(len(ranking)):
        part, more_than_part = group_by_image(ranking[:length], top)
        if more_than_part:
            assert part == groups


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", datetime(2024, 1, 1)),
        ("2024-05", datetime(2024, 5, 1)),
        ("2024-5", datetime(2024, 5, 1)),
        (" 2024-05-17 ", datetime(2024, 5, 17)),
        ("2024-05-17T18:30", datetime(2024, 5, 17, 18, 30)),
        ("2024-05-17T18:30:00+02:00", datetime(2024, 5, 17, 18, 30)),
    ],
)
def test_dates_as_people_write_them(text: str, moment: datetime) -> None:
    assert parse_date(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13", "0000", "17.05.2024"])
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a date"):
        parse_date(text)
