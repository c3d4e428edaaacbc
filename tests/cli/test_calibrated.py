"""``reir models calibrate``, and what the commands say of a calibrated model's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from reir.cli.hits import chance_text
from reir.models import Calibration
from tests.cli.conftest import Reir
from tests.evaluation.test_calibrate import write
from tests.grid_colour_model import GridColourModel

CALIBRATION = Calibration("f", 12.0, -1.0, -5.0, 8.0, 0.9, threshold=0.5, depth=6)


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scorer of these tests, as if it had been calibrated."""
    monkeypatch.setattr(GridColourModel, "calibration", property(lambda self: CALIBRATION))


@pytest.mark.usefixtures("calibrated")
def test_a_person_sees_the_chance(command: Reir, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = command("search", "red", "--json", "--top", "2").json
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "dumb")
    done = command("search", "red", "-t", "2")
    lines = [line.split() for line in done.out.splitlines() if line.strip()]
    assert lines[0] == ["chance", "score", "picture", "box", "(x0,y0,x1,y1)", "size"]
    chance = chance_text(found["hits"][0]["probability"])
    assert chance in [f"{percent}%" for percent in range(80, 100)]
    assert ["1", chance, "1.000", "a/red.png", "0,0,40,30", "80x60"] in lines
    assert found["no_match"] is False
    assert done.err == ""


@pytest.mark.usefixtures("calibrated")
def test_it_is_said_plainly_when_nothing_fits(command: Reir, indexed: Path) -> None:
    nothing = command("search", "red", "--path-prefix", "b/")
    assert nothing.err == "Nothing in this gallery seems to fit; the nearest are:\n"
    assert {line.split("\t")[2] for line in nothing.out.splitlines()} == {"b/no-red.png"}
    assert nothing.code == 0
    assert "nearest" in command("search", "red", "--path-prefix", "b/", "--paths-only").err
    as_json = command("search", "red", "--path-prefix", "b/", "--json")
    assert as_json.err == ""
    assert as_json.json["no_match"] is True
    assert "nearest" not in command("search", "red").err
    assert "nearest" in command("search", "a zebra").err


@pytest.mark.usefixtures("calibrated")
def test_programs_still_read_four_columns(command: Reir, indexed: Path) -> None:
    assert command("search", "red", "--top", "1").out == "1\t1.000\ta/red.png\t0,0,40,30\n"


@pytest.mark.usefixtures("calibrated")
def test_a_sheet_of_nothing_that_fits_is_drawn(command: Reir, indexed: Path, tmp_path: Path) -> None:
    done = command("search", "red", "--path-prefix", "b/", "--sheet", tmp_path / "none.png")
    assert done.code == 0
    assert (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("chance", "text"),
    [(0, "<1%"), (0.004, "<1%"), (0.0051, "1%"), (0.126, "13%"), (0.994, "99%"), (0.9951, ">99%"), (1, ">99%")],
)
def test_chances_in_words(chance: float, text: str) -> None:
    assert chance_text(chance) == text


def test_calibrate_writes_what_searches_then_use(command: Reir, tmp_path: Path) -> None:
    dataset, index = write(tmp_path)
    index.close()
    out = tmp_path / "calibration.json"
    done = command("models", "calibrate", "grid-colour", dataset.path, "--db", tmp_path / "db", "--out", out)
    assert done.code == 0
    assert done.err == f"calibration: {out}\n"
    assert [line.split()[0] for line in done.out.splitlines()[2:6]] == ["10", "12", "40", "120"]
    calibration = Calibration.load(out)
    assert calibration.made["dataset"] == "painted"
    found = command("models", "calibrate", "grid-colour", dataset.path, "--db", tmp_path / "db", "--out", out, "--json")
    assert found.json["calibration"]["score"] == calibration.score
    assert [figures["pictures"] for figures in found.json["by_size"]] == [10, 12, 40, 120]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["grid-colour", "demo"], 2, "Say where to write: --out FILE"),
        (["grid-colour", "demo", "--db", "x", "--images", "y"], 2, "exclude each other"),
        (["grid-color", "demo"], 2, "Did you mean grid-colour?"),
        (["grid-colour", "nowhere.json", "--out", "x.json"], 1, "neither a JSON file nor the name"),
    ],
)
def test_what_is_wrong_is_said(command: Reir, arguments: list[str], code: int, message: str) -> None:
    done = command("models", "calibrate", *arguments)
    assert done.code == code
    assert message in done.err


def test_show_says_on_what_a_model_was_calibrated(
    command: Reir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("models", "show", "clare-tiny", "--json").json["calibration"] is None  # the stand-in has none
    made = {"dataset": "validation", "expressions": 6000, "pictures": 1500}
    monkeypatch.setattr(
        GridColourModel, "calibration", property(lambda self: Calibration("", 1, -1, 0, 1, 1, 0.5, made=made))
    )
    assert "on validation, 6,000 expressions, 1,500 pictures" in command("models", "show", "clare-tiny").out
    assert command("models", "show", "clare-tiny", "--json").json["calibration"] == made
