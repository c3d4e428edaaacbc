"""One expression in one picture: the answer of a gallery of that picture alone, or a grounder's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from reir import Gallery
from reir.errors import ImageUnreadableError, UsageError
from reir.geometry.masks import decode_rle
from reir.imaging import decode_picture
from reir.rerank import StagePlan
from reir.search import PictureSearcher, ground
from reir.types import Grounding, Picture
from tests.colour_crop_model import ColourCropModel
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import COLOURS, paint

QUADRANTS = ("red", "green", "dark", "yellow")


class ColourGrounder:
    """Finds the pixels of a named colour: their mask, and the box around them, step by step."""

    name = "colour-grounder"
    decode_side = 32

    def __init__(self) -> None:
        self.steps = 0

    def prepare(self) -> None:
        """There is nothing to load."""

    def ground(
        self, questions: Sequence[tuple[Picture, str]], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[Grounding]:
        while not out_of_time() and self.steps < 3:
            self.steps += 1
        return [self._one(picture, expression) for picture, expression in questions]

    def _one(self, picture: Picture, expression: str) -> Grounding:
        near = np.abs(picture.pixels.astype(int) - COLOURS[expression]).max(axis=2) < 40
        rows, columns = np.nonzero(near)
        scale = picture.width / picture.pixels.shape[1]
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        box = (float(x0 * scale), float(y0 * scale), float(x1 * scale), float(y1 * scale))
        return Grounding(box, 0.5, near, {"steps": self.steps})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return paint(tmp_path / "photos" / "one.png", QUADRANTS, (300, 180))


@pytest.mark.parametrize(
    "stages",
    [
        StagePlan(),
        StagePlan(rerank=("templates",)),
        StagePlan(rerank=("templates",), top=2),
        StagePlan(rerank=("templates",), refine="box-search", mask="stored"),
    ],
)
@pytest.mark.parametrize("top", [1, 3, 9])
def test_the_answer_is_that_of_a_gallery_of_one_picture(photo: Path, stages: StagePlan, top: int) -> None:
    found = ground(photo, "red", model=ColourCropModel(), stages=stages, top=top, blend={"lambda": 0.6})
    with Gallery.create(photo.parent, model=ColourCropModel()) as gallery:
        gallery.add([photo], workers=0)
        options = {"rerank": stages.rerank, "refine": stages.refine, "mask": stages.mask, "stage_top": stages.top}
        wanted = gallery.search("red", top=top, flat=True, blend={"lambda": 0.6}, **options)  # type: ignore[arg-type]
    assert len(found.hits) == min(top, 4)
    for hit, other in zip(found.hits, wanted.hits, strict=True):
        assert (hit.rank, hit.box, hit.mask) == (other.rank, pytest.approx(other.box), other.mask)
        assert hit.score == pytest.approx(other.score, abs=1e-3)  # an index keeps 16 bits
        assert hit.stages.keys() == other.stages.keys()
        for name, note in hit.stages.items():
            assert note.keys() == other.stages[name].keys()
            for key, value in note.items():
                assert value == pytest.approx(other.stages[name][key], abs=1e-3)
    assert found.timings_ms.keys() >= {"encode", "decode", "extract", "total", *stages.names}
    assert {hit.path for hit in found.hits} == {str(photo)}


def test_pixels_are_taken_as_they_are(photo: Path) -> None:
    pixels = decode_picture(photo).picture
    (hit,) = ground(pixels, "yellow", model=GridColourModel()).hits
    assert (hit.path, hit.box, hit.width, hit.height) == ("", (150, 90, 300, 180), 300, 180)


def test_warnings_of_the_model_and_of_the_words(photo: Path) -> None:
    assert ground(photo, "red zeppelin", model=GridColourModel()).warnings == (
        "words this model does not know: zeppelin",
    )


def test_the_answer_of_a_grounder_is_a_hit(photo: Path) -> None:
    result = ground(photo, "green", grounder=ColourGrounder())
    (hit,) = result.hits
    assert (result.model, hit.rank, hit.score, hit.box) == (
        "colour-grounder",
        1,
        0.5,
        pytest.approx((150, 0, 300, 90), abs=10),
    )
    assert hit.stages == {"colour-grounder": {"steps": 3}}
    assert hit.mask is not None
    mask = decode_rle(hit.mask)
    assert mask.shape == (180, 300)
    assert mask[:85, 160:].all()
    assert not mask[:, :140].any()
    assert result.timings_ms.keys() == {"decode", "colour-grounder", "total"}


def test_a_grounders_networks_are_loaded_before_its_time_begins(photo: Path) -> None:
    class Loading(ColourGrounder):
        ready = False

        def prepare(self) -> None:
            if not self.ready:
                sleep(0.05)
            self.ready = True

        def ground(self, questions, *, out_of_time=lambda: False):
            assert self.ready
            return super().ground(questions, out_of_time=out_of_time)

    searcher = PictureSearcher(grounder=Loading())
    assert searcher.ground(photo, "green").timings_ms["prepare"] >= 50
    assert "prepare" not in searcher.ground(photo, "green").timings_ms


def test_a_grounder_has_the_time_of_one_stage(photo: Path) -> None:
    (hit,) = ground(photo, "green", grounder=ColourGrounder(), stages=StagePlan(seconds=1e-9)).hits
    assert hit.stages == {"colour-grounder": {"steps": 0}}


def test_stages_that_need_no_vectors_follow_a_grounder(photo: Path) -> None:
    (hit,) = ground(photo, "green", grounder=ColourGrounder(), stages=StagePlan(mask="stored")).hits
    assert hit.stages["stored"] == {"found": False}


@pytest.mark.parametrize(
    ("stages", "blend", "told"),
    [
        (StagePlan(rerank=("templates",)), None, "templates ranks what a model found"),
        (StagePlan(refine="box-search"), None, "does not embed crops"),
        (StagePlan(), {"lambda": 0.5}, "blend"),
    ],
)
def test_a_grounder_refuses_what_needs_a_model(
    photo: Path, stages: StagePlan, blend: dict[str, float] | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        ground(photo, "red", grounder=ColourGrounder(), stages=stages, blend=blend)


def test_one_of_both_finds() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        PictureSearcher()
    with pytest.raises(UsageError, match="give one of them"):
        PictureSearcher(model=GridColourModel(), grounder=ColourGrounder())


@pytest.mark.parametrize(("expression", "top"), [("", 1), ("  ", 1), ("red", 0), ("red", 10_001)])
def test_what_cannot_be_asked(photo: Path, expression: str, top: int) -> None:
    with pytest.raises(UsageError):
        ground(photo, expression, model=GridColourModel(), top=top)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for name, told in (("broken.jpg", "not a picture"), ("nowhere.jpg", "no such file")):
        with pytest.raises(ImageUnreadableError, match=told):
            ground(tmp_path / name, "red", model=GridColourModel())
