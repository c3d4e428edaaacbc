"""Chances in answers: of expressions only, and the same on every page, for every length and minimum score."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir.models import Calibration
from reir.search import Cursor, Example, Searcher
from reir.store import ImageFilter, Index
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import make_index

CALIBRATION = Calibration("grid-colour-1-2", 12.0, -1.0, -5.0, 8.0, 0.9, threshold=0.5, depth=6)

PICTURES = {
    "a/red.png": ("red", "green", "blue", "dark"),
    "a/yellow.png": ("yellow", "green", "blue", "blue"),
    "b/no-red.png": ("green", "blue", "green", "blue"),
    "b/more.png": ("yellow", "yellow", "red", "red"),
    "c/pale.png": ("blue", "dark", "dark", "yellow"),
}


class CalibratedModel(GridColourModel):
    """The grid's colours with chances."""

    @property
    def calibration(self) -> Calibration:
        return CALIBRATION


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_index(tmp_path_factory.mktemp("calibrated"), PICTURES)


def test_chances_are_the_calibrations_of_the_whole_gallery(index: Index) -> None:
    model = CalibratedModel()
    with index.snapshot() as snapshot:
        best = snapshot.search(model.encode(["red"]), 6)[0][0]
        found = Searcher(snapshot, model).search("red", flat=True, top=20)
        scores = [hit.score for hit in found.hits]
        expected = CALIBRATION.probabilities(scores, best, snapshot.instance_count)
    assert len(found.hits) == 20
    assert [hit.probability for hit in found.hits] == pytest.approx(expected.tolist())
    assert found.no_match is False
    assert found.hits[0].probability > found.hits[-1].probability > 0


def test_they_depend_on_neither_page_nor_length_nor_minimum_score(index: Index) -> None:
    with index.snapshot() as snapshot:
        searcher = Searcher(snapshot, CalibratedModel())
        whole = searcher.search("yellow", flat=True, top=20)
        chances = {hit.instance_id: hit.probability for hit in whole.hits}
        for top in (1, 3, 7):
            page = searcher.search("yellow", flat=True, top=top)
            assert {hit.instance_id: hit.probability for hit in page.hits}.items() <= chances.items()
            while page.next_cursor is not None:
                page = searcher.search(Cursor.decode(page.next_cursor), flat=True, top=top)
                assert page.no_match is whole.no_match
                assert {hit.instance_id: hit.probability for hit in page.hits}.items() <= chances.items()
        high = searcher.search("yellow", flat=True, top=20, min_score=0.9)
        assert {hit.instance_id: hit.probability for hit in high.hits}.items() <= chances.items()
        assert searcher.search("yellow", min_score=2.0).no_match is False
        grouped = searcher.search("yellow", top=2)
        assert {hit.instance_id: hit.probability for hit in grouped.hits}.items() <= chances.items()


def test_a_filter_makes_a_smaller_gallery(index: Index) -> None:
    where = ImageFilter(path_prefix="b/")
    model = CalibratedModel()
    with index.snapshot() as snapshot:
        ranking = snapshot.rank(model.encode(["red"]), 6, where=where)
        found = Searcher(snapshot, model).search("red", flat=True, where=where)
        nowhere = Searcher(snapshot, model).search("red", where=ImageFilter(path_prefix="nowhere/"))
    assert ranking.searched == 8
    expected = CALIBRATION.probabilities([hit.score for hit in found.hits], ranking.scores[0], 8)
    assert [hit.probability for hit in found.hits] == pytest.approx(expected.tolist())
    assert nowhere.hits == ()
    assert nowhere.no_match is True


def test_nothing_fits_what_is_not_there_or_cannot_be_read(index: Index) -> None:
    with index.snapshot() as snapshot:
        searcher = Searcher(snapshot, CalibratedModel())
        assert searcher.search("red", where=ImageFilter(path_prefix="b/no-red")).no_match is True
        whole = searcher.search("red")
        half = searcher.search("red zeppelin")
        unread = searcher.search("zebra xylophone")
        page = searcher.search("zebra xylophone", top=1)
        assert page.next_cursor is not None
        second = searcher.search(Cursor.decode(page.next_cursor), top=1)
    assert whole.no_match is False
    # The model sees the same in both, and half of what is asked in the second.
    assert [hit.probability for hit in half.hits] == pytest.approx([hit.probability / 2 for hit in whole.hits])
    assert half.no_match is True
    assert unread.no_match is True
    assert {hit.probability for hit in unread.hits} == {0.0}
    assert second.no_match is True
    assert {hit.probability for hit in second.hits} == {0.0}


def test_examples_and_vectors_have_no_chances(index: Index, tmp_path: Path) -> None:
    model = CalibratedModel()
    crop = model.extract([_picture(tmp_path)])[0]
    with index.snapshot() as snapshot:
        searcher = Searcher(snapshot, model)
        first = searcher.search("red").hits[0].instance_id
        for query in (crop.vectors[0], Example(first), _picture(tmp_path)):
            found = searcher.search(query, top=1)
            assert found.no_match is None
            assert [hit.probability for hit in found.hits] == [None] * len(found.hits)
            assert found.next_cursor is not None
            assert searcher.search(Cursor.decode(found.next_cursor), top=1).no_match is None


def test_without_calibration_there_is_none(index: Index) -> None:
    with index.snapshot() as snapshot:
        found = Searcher(snapshot, GridColourModel()).search("red")
    assert found.no_match is None
    assert {hit.probability for hit in found.hits} == {None}


def test_an_empty_gallery_fits_nothing(tmp_path: Path) -> None:
    with make_index(tmp_path, {}).snapshot() as snapshot:
        found = Searcher(snapshot, CalibratedModel()).search("red")
    assert (found.hits, found.no_match) == ((), True)


def _picture(folder: Path):
    from reir.imaging import as_picture

    return as_picture(Image.fromarray(np.full((8, 8, 3), (250, 0, 0), np.uint8)))
