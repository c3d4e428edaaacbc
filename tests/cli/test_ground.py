"""``reir ground``: one picture, one expression, no index."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reir
import reir.models
from reir.imaging import decode_picture
from reir.imaging.draw import COLOURS, draw_boxes
from reir.models import GrounderEntry, ModelSpec, grounders
from reir.rerank import list_stages
from reir.types import Grounding, Hit, Picture
from tests.cli.conftest import Reir
from tests.colour_crop_model import ColourCropModel


class BrightestHalf:
    """Finds the brighter half of a picture, whatever is asked; tells an ellipse in it, and how it was named."""

    name = "brightest-half"
    decode_side = 64

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self.note = {"asked": str(spec), "device": device}

    def prepare(self) -> None:
        """There is nothing to load."""

    def ground(
        self, questions: Sequence[tuple[Picture, str]], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[Grounding]:
        return [self._one(picture) for picture, _ in questions]

    def _one(self, picture: Picture) -> Grounding:
        middle = picture.pixels.shape[1] // 2
        left = picture.pixels[:, :middle].mean() > picture.pixels[:, middle:].mean()
        mask = np.zeros(picture.pixels.shape[:2], dtype=bool)
        mask[:, :middle] = left
        mask[:, middle:] = not left
        x0 = 0.0 if left else picture.width / 2
        ellipse = {"centre": [x0 + picture.width / 4, picture.height / 2], "axes": [15.0, 8.0], "angle": 0.5}
        box = (x0, 0.0, x0 + picture.width / 2, float(picture.height))
        return Grounding(box, 0.25, mask, {**self.note, "ellipse": ellipse})


def load_brightest_half(spec: ModelSpec, *, device: str) -> BrightestHalf:
    return BrightestHalf(spec, device)


@pytest.fixture
def brightest_half(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = GrounderEntry("brightest-half", "the brighter half", f"{__name__}:load_brightest_half", "none")
    monkeypatch.setitem(grounders._ENTRIES, entry.name, entry)


@pytest.fixture
def photo(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(photos)
    return Path("a/red.png")


def test_the_best_box_of_the_picture(command: Reir, photo: Path) -> None:
    done = command("ground", photo, "blue")
    assert (done.code, done.err) == (0, "")
    assert done.out == "1\t1.000\ta/red.png\t0,30,40,60\n"
    assert len(command("ground", photo, "blue", "-t", "3").out.splitlines()) == 3


def test_on_a_terminal_it_is_a_table_that_names_its_own_option(
    command: Reir, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert "see the boxes with --save found.png" in command("ground", photo, "blue").out
    monkeypatch.setattr(reir.models, "load_model", lambda name, device: ColourCropModel())
    monkeypatch.setenv("COLUMNS", "120")
    staged = ("ground", photo, "yellow", "-t", "4", "--rerank", "templates", "--mask", "stored")
    shown = command(*staged).out
    assert re.search(r"\(templates \d+ ms, stored \d+ ms\)", shown)
    with monkeypatch.context() as piped:
        piped.setattr("sys.stdout.isatty", lambda: False)
        notes = [hit["stages"]["templates"] for hit in command(*staged, "--json").json["hits"]]
    rises = [note["place_before"] - note["place"] for note in notes]
    moves = [f"{'↑' if rise > 0 else '↓'}{abs(rise)}" for rise in rises if rise]
    assert moves
    assert re.findall(r"[↑↓]\d", shown) == moves


def test_the_json_is_that_of_a_search(command: Reir, indexed: Path) -> None:
    found = command("ground", "a/red.png", "blue zeppelin", "--json")
    searched = command("search", "blue", "--json", "--top", "1")
    assert found.json.keys() == searched.json.keys()
    assert found.json["hits"][0].keys() == searched.json["hits"][0].keys()
    assert found.json["warnings"] == ["words this model does not know: zeppelin"]
    assert found.err == "warning: words this model does not know: zeppelin\n"
    assert found.json["timings_ms"].keys() == {"encode", "decode", "extract", "total"}


def test_stages_follow_and_their_masks_are_drawn(
    command: Reir, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reir.models, "load_model", lambda name, device: ColourCropModel())
    target = tmp_path / "new" / "found.png"
    stages = ("--rerank", "templates", "--refine", "box-search", "--mask", "stored", "--blend", "lambda=1")
    done = command("ground", photo, "green", *stages, "--json", "--save", target)
    assert done.code == 0, done.err
    (hit,) = done.json["hits"]
    assert hit["stages"].keys() == {"templates", "box-search", "stored"}
    assert hit["mask"]["size"] == [60, 80]
    drawn = np.asarray(Image.open(target))
    assert drawn.shape == (60, 80, 3)
    assert drawn[20, 70].tolist() != [0, 255, 0]  # green with the mask's colour over it
    assert drawn[20, 30].tolist() == [255, 0, 0]  # outside the mask
    assert str(target) in done.err


def test_a_grounder_finds_by_itself(command: Reir, photo: Path, brightest_half: None, tmp_path: Path) -> None:
    target = tmp_path / "found.png"
    name = "brightest-half:big,steps=3"
    done = command("ground", photo, "green", "--grounder", name, "--device", "cpu", "--json", "--save", target)
    assert done.code == 0, done.err
    assert done.json["model"] == "brightest-half"
    (hit,) = done.json["hits"]
    assert (hit["box"], hit["score"], hit["mask"]["size"]) == ([0.0, 0.0, 40.0, 60.0], 0.25, [60, 80])
    note = hit["stages"]["brightest-half"]
    assert (note["asked"], note["device"]) == (name, "cpu")
    drawn = np.asarray(Image.open(target)).astype(int)
    plain = np.asarray(
        draw_boxes(decode_picture(photo).picture, reir.cli.drawn._marks([Hit.from_json({**hit, "stages": {}})]))
    ).astype(int)
    assert np.abs(drawn - plain).sum(axis=2).any()  # the ellipse
    assert (drawn[30] == COLOURS[0]).all(axis=1).sum() >= 4


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nowhere.jpg", "red"), 1, "nowhere.jpg: no such file"),
        (("notes.txt", "red"), 1, "notes.txt: not a picture"),
        (("a/red.png", " "), 2, "the expression is empty"),
        (("a/red.png", "red", "--top", "0"), 2, "top must be"),
        (("a/red.png", "red", "--mask", "templates"), 2, "use --rerank templates"),
        (("a/red.png", "red", "--rerank", "templates"), 2, "does not embed crops"),
        (("a/red.png", "red", "--grounder", "brightest-hal"), 2, "Did you mean brightest-half?"),
        (("a/red.png", "red", "--grounder", "brightest-half", "--model", "grid-colour"), 2, "give one of them"),
        (("a/red.png", "red", "--grounder", "brightest-half", "--rerank", "templates"), 2, "finds one box only"),
        (("a/red.png", "red", "--save", "found.txt"), 2, "does not end in"),
    ],
)
def test_what_is_wrong_is_said(
    command: Reir, photo: Path, brightest_half: None, arguments: tuple[str, ...], code: int, told: str
) -> None:
    Path("notes.txt").write_text("no picture at all")
    done = command("ground", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_stages_lists_grounders_too(command: Reir, brightest_half: None) -> None:
    listed = command("stages").out
    assert "--mask stored\n" in listed
    assert listed.count("needs weights of its own") == sum(entry.weights for entry in list_stages())
    assert "--grounder brightest-half\n    the brighter half\n" in listed
    record = command("stages", "--json").json
    assert {"templates", "box-search", "stored"} <= {stage["name"] for stage in record["stages"]}
    assert "brightest-half" in {grounder["name"] for grounder in record["grounders"]}


def test_from_python_a_path_pixels_and_a_pillow_image_are_alike(photo: Path, brightest_half: None) -> None:
    pillow = Image.open(photo)
    found = [
        reir.ground(image, "red", grounder="brightest-half").hits[0].box
        for image in (photo, str(photo), pillow, decode_picture(photo).picture)
    ]
    assert found == [(0.0, 0.0, 40.0, 60.0)] * 4
    (hit,) = reir.ground(pillow, "green", model=ColourCropModel(), mask="stored").hits
    assert (hit.path, hit.box, hit.stages) == ("", (40, 0, 80, 30), {"stored": {"found": True}})
