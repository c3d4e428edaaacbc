"""``reir search``: what is printed where, and the files it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reir.models
from reir import Gallery
from tests.cli.conftest import Reir
from tests.colour_crop_model import ColourCropModel
from tests.search.galleries import paint

COLOUR_OF_FIRST_BOX = (230, 40, 70)


def test_piped_output_is_one_line_a_hit(command: Reir, indexed: Path) -> None:
    done = command("search", "red", "--top", "2")
    assert (done.code, done.err) == (0, "")
    assert done.out == "1\t1.000\ta/red.png\t0,0,40,30\n2\t0.707\ta/yellow.png\t0,0,40,30\n"


def test_on_a_terminal_it_is_a_table(command: Reir, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "dumb")
    out = command("search", "red", "-t", "2").out
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["score", "picture", "box", "(x0,y0,x1,y1)", "size"]
    assert ["1", "1.000", "a/red.png", "0,0,40,30", "80x60"] in lines
    assert max(len(line) for line in out.splitlines()) <= 100
    assert command("search", "red", "--min-score", "2").out == "Nothing found.\n"


def test_json_is_the_contract(command: Reir, indexed: Path) -> None:
    done = command("search", "red", "--json", "--top", "1")
    assert list(done.json) == [
        *("expression", "model", "snapshot", "no_match", "next_cursor", "timings_ms", "warnings", "hits")
    ]
    (hit,) = done.json["hits"]
    assert hit | {"score": 1.0, "objectness": 0.5} == {
        "rank": 1,
        "score": 1.0,
        "image_id": 1,
        "path": "a/red.png",
        "width": 80,
        "height": 60,
        "box": [0.0, 0.0, 40.0, 30.0],
        "objectness": 0.5,
        "instance_id": hit["instance_id"],
        "external_id": None,
        "probability": None,
        "mask": None,
        "stages": {},
    }
    assert done.json["no_match"] is None
    assert done.json["timings_ms"].keys() == {"encode", "search", "metadata", "total"}


def test_json_of_no_hits_is_json(command: Reir, indexed: Path) -> None:
    done = command("search", "red", "--json", "--path-prefix", "nowhere/")
    assert (done.code, done.json["hits"]) == (0, [])


def test_warnings_go_to_stderr_and_into_the_json(command: Reir, indexed: Path) -> None:
    done = command("search", "red zeppelin", "--json")
    assert done.json["warnings"] == ["words this model does not know: zeppelin"]
    assert done.err == "warning: words this model does not know: zeppelin\n"


def test_paths_only_are_whole_paths_each_once(command: Reir, indexed: Path) -> None:
    done = command("search", "blue", "--paths-only", "--flat", "--top", "3")
    assert done.out.splitlines() == [str(indexed / "a/red.png"), str(indexed / "a/yellow.png")]


def test_filters(command: Reir, indexed: Path) -> None:
    assert "no-red" in command("search", "red", "--path-prefix", "b/").out
    assert len(command("search", "red", "--flat", "--top", "5").out.splitlines()) == 5
    assert len(command("search", "red", "--min-score", "0.9").out.splitlines()) == 1
    assert command("search", "red", "--after", "2024").out == ""
    assert command("search", "red", "--before", "2024-05").out == ""


def test_by_example(command: Reir, indexed: Path, tmp_path: Path) -> None:
    crop = paint(tmp_path / "crop.png", ("yellow",) * 4)
    done = command("search", "--image", crop, "--top", "1", "--json")
    assert done.json["expression"] is None
    assert done.json["hits"][0]["path"] == "a/yellow.png"


def test_the_next_page(command: Reir, indexed: Path) -> None:
    first = command("search", "red", "--top", "1", "--json").json
    second = command("search", "--cursor", first["next_cursor"], "--top", "5", "--json").json
    assert [hit["rank"] for hit in first["hits"]] == [1]
    assert {hit["rank"] for hit in second["hits"]} == {2, 3}
    assert (second["expression"], second["next_cursor"]) == ("red", None)


def test_the_index_is_found_from_a_folder_inside(
    command: Reir, indexed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(indexed / "a")
    assert command("search", "red", "-t", "1").out.split("\t")[2] == "a/red.png"
    monkeypatch.chdir(tmp_path)
    assert command("search", "red").code == 1
    assert command("search", "red", "--db", indexed / ".reir").code == 0
    monkeypatch.setenv("REIR_DB", str(indexed / ".reir"))
    assert command("search", "red").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give one of an expression, --image and --cursor"),
        (["red", "--image", "x.png"], 2, "give one of an expression, --image and --cursor"),
        (["--cursor", "made up"], 2, "the cursor is damaged"),
        ([" "], 2, "the expression is empty"),
        (["red", "--json", "--paths-only"], 2, "exclude each other"),
        (["red", "--top", "0"], 2, "top must be 1 to"),
        (["red", "--top", "many"], 2, "--top"),
        (["red", "--after", "tomorrow"], 2, "is not a date"),
        (["red", "--sheet", "sheet.txt"], 2, "does not end in .png"),
        (["red", "--no-such-option"], 2, "--no-such-option"),
        (["red", "--device", "abacus"], 2, "abacus"),
        (["red", "--model", "grid-color"], 2, "Did you mean grid-colour?"),
        (["red", "--model", "grid-colour-4"], 1, "was made by grid-colour"),
        (["red", "--db", "nowhere"], 1, "no index at"),
        (["--image", "nowhere.png"], 1, "nowhere.png"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    command: Reir, indexed: Path, arguments: list[str], code: int, message: str
) -> None:
    done = command("search", *arguments)
    assert done.code == code
    assert message in " ".join(done.err.replace("│", " ").split())
    assert done.out == ""
    assert "Traceback" not in done.err


def test_debug_shows_where(command: Reir, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in command("--debug", "search", "red", "--db", "nowhere").err
    monkeypatch.setenv("REIR_DEBUG", "1")
    assert "Traceback" in command("search", "red", "--db", "nowhere").err


def test_a_fault_of_ours_keeps_its_traceback(command: Reir, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reir.search.Searcher.search_many", lambda *_, **__: 1 / 0)
    done = command("search", "red")
    assert done.code == 1
    assert "ZeroDivisionError" in done.err
    assert "fault of reir itself" in done.err


def test_save_writes_each_picture_with_its_boxes(command: Reir, indexed: Path, tmp_path: Path) -> None:
    done = command("search", "red", "--top", "2", "--save", tmp_path / "found")
    assert sorted(file.name for file in (tmp_path / "found").iterdir()) == ["01 red.jpg", "02 yellow.jpg"]
    assert "2 pictures with boxes" in done.err
    assert len(done.out.splitlines()) == 2
    saved = np.asarray(Image.open(tmp_path / "found/02 yellow.jpg")).astype(int)
    assert saved.shape == (60, 80, 3)
    assert abs(saved[29, 5] - COLOUR_OF_FIRST_BOX).max() < 40
    assert abs(saved[55, 75] - (0, 0, 255)).max() < 40


def test_sheet_shows_every_picture(command: Reir, indexed: Path, tmp_path: Path) -> None:
    done = command("search", "red", "--sheet", tmp_path / "sheets/red.png")
    assert "contact sheet" in done.err
    sheet = np.asarray(Image.open(tmp_path / "sheets/red.png").convert("RGB"))
    assert sheet.shape[1] > 1000
    assert (sheet == COLOUR_OF_FIRST_BOX).all(axis=2).sum() > 3 * 100


def test_a_picture_that_vanished_is_told_and_the_rest_is_drawn(command: Reir, indexed: Path, tmp_path: Path) -> None:
    (indexed / "a/red.png").unlink()
    done = command("search", "red", "--save", tmp_path / "found", "--sheet", tmp_path / "sheet.png")
    assert done.code == 0
    assert done.err.count("red.png cannot be shown") == 2
    assert len(list((tmp_path / "found").iterdir())) == 2
    assert (tmp_path / "sheet.png").exists()


def test_masks_are_drawn_on_saved_pictures_and_on_the_sheet(
    command: Reir, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Gallery.create(photos, model=ColourCropModel()) as gallery:
        gallery.add([photos], workers=0)
    monkeypatch.setattr(reir.models, "load_model", lambda name, device: ColourCropModel())
    monkeypatch.chdir(photos)
    for mask in ((), ("--mask", "stored")):
        folder, sheet = tmp_path / f"saved{len(mask)}", tmp_path / f"sheet{len(mask)}.png"
        done = command("search", "red", "-t", "1", "--blend", "lambda=1", *mask, "--save", folder, "--sheet", sheet)
        assert done.code == 0, done.err
    plain, masked = (
        np.asarray(Image.open(next((tmp_path / name).glob("*.jpg")))).astype(int) for name in ("saved0", "saved2")
    )
    tinted = np.abs(plain - masked).max(axis=2) > 20
    assert tinted[14:26, 20:36].mean() > 0.8  # the red quadrant, below its label
    assert not tinted[:, 50:].any()
    sheets = [np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("sheet0.png", "sheet2.png")]
    assert sheets[0].shape == sheets[1].shape
    assert (np.abs(sheets[0] - sheets[1]).max(axis=2) > 20).mean() > 0.01
