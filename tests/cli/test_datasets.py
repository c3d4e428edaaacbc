"""``reir data``, ``eval`` and ``demo``, on a gallery of painted pictures with expressions that have one answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from reir.cli.demo import varied_queries
from reir.data.coco import load_dataset
from reir.data.registry import DatasetEntry
from tests.cli.conftest import Reir
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, paint

PICTURES: dict[str, Quadrants] = {
    "one.png": ("red", "dark", "dark", "dark"),
    "two.png": ("dark", "green", "dark", "dark"),
    "three.png": ("dark", "dark", "blue", "dark"),
}
TRUTHS = {
    "red": ("one.png", [0, 0, 40, 30]),
    "green": ("two.png", [40, 0, 40, 30]),
    "blue": ("three.png", [0, 30, 40, 30]),
}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of three pictures and four expressions; the answer to ``yellow`` is given wrongly."""
    names = list(PICTURES)
    for name, quadrants in PICTURES.items():
        paint(tmp_path / "set/images" / name, quadrants)
    truths = [*TRUTHS.items(), ("yellow", ("three.png", [40, 0, 40, 30]))]
    content = {
        "images": [{"id": n, "file_name": name, "width": 80, "height": 60} for n, name in enumerate(names)],
        "annotations": [
            {
                "id": n,
                "image_id": names.index(name),
                "bbox": box,
                "area": 1200,
                "expressions": [text],
                "expression_kinds": ["wrong" if text == "yellow" else "colour"],
            }
            for n, (text, (name, box)) in enumerate(truths, start=1)
        ],
    }
    path = tmp_path / "set/colours.json"
    path.write_text(json.dumps(content))
    # The user's cache folder is one for all tests, and indexes in it are kept by the folder of their pictures.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_eval_indexes_the_pictures_and_prints_the_contract(command: Reir, dataset: Path) -> None:
    done = command("eval", dataset, "--json", "--k", "1", "5", "--iou", "0.5", "0.9")
    assert done.code == 0
    found = done.json
    assert {
        *("dataset", "model", "queries", "gallery", "official", "any", "image_recall", "precision_at_0.5"),
        *("intervals", "by_kind", "timings_ms"),
    } <= found.keys()
    assert (found["queries"], found["gallery"]) == (4, {"images": 3, "instances": 12})
    assert found["official"]["box_recall"] == {"0.5": {"1": 0.75, "5": 0.75}, "0.9": {"1": 0.75, "5": 0.75}}
    assert found["by_kind"]["colour"]["official"]["box_recall"]["0.5"]["1"] == 1
    assert found["by_kind"]["wrong"]["official"]["box_recall"]["0.5"]["5"] == 0
    assert "3 pictures" in done.err
    assert command("eval", dataset, "--json").err == ""


def test_eval_on_an_index_that_is_there(command: Reir, dataset: Path, tmp_path: Path) -> None:
    command("index", dataset.parent / "images", "--db", tmp_path / "index", "--workers", "0")
    done = command("eval", dataset, "--db", tmp_path / "index", "--protocol", "official")
    assert done.code == 0
    assert "4 expressions, 3 pictures, 12 instances" in done.out
    assert "any" not in command("eval", dataset, "--db", tmp_path / "index", "--protocol", "official", "--json").json


def test_eval_with_the_pictures_elsewhere(command: Reir, dataset: Path, tmp_path: Path) -> None:
    (dataset.parent / "images").rename(tmp_path / "moved")
    missing = command("eval", dataset)
    assert missing.code == 1
    assert "--images" in missing.err
    assert command("eval", dataset, "--images", tmp_path / "moved", "--json").json["queries"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.json"], 1, "nowhere.json"),
        (["DATASET", "--protocol", "mine"], 2, "--protocol"),
        (["DATASET", "--k", "0"], 2, "k must be at least 1"),
        (["DATASET", "--images", "a", "--db", "b"], 2, "exclude each other"),
        (["DATASET", "--db", "nowhere"], 1, "no index at"),
    ],
)
def test_eval_usage(command: Reir, dataset: Path, arguments: list[str], code: int, message: str) -> None:
    done = command("eval", *[str(dataset) if argument == "DATASET" else argument for argument in arguments])
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_demo_indexes_searches_and_draws(
    command: Reir, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = DatasetEntry("demo", dataset, "three pictures", "none")
    monkeypatch.setattr("reir.data.registry._ENTRIES", (entry,))
    done = command("demo", "--out", tmp_path / "out")
    assert done.code == 0
    assert [line.split("  (")[0] for line in done.out.splitlines()[:3]] == [
        *("found   red", "rank 3  yellow", "found   green")
    ]
    assert "2 of 3 found at the first place" in done.out
    for name in ("answers.png", "ranking.png"):
        assert str(tmp_path / "out" / name) in done.out
        assert Image.open(tmp_path / "out" / name).width > 500
    assert f"--db {tmp_path / 'out/index'}" in done.err
    again = command("demo", "--out", tmp_path / "out")
    assert again.code == 0
    assert "0 of the pictures new" in again.err
    monkeypatch.setattr("reir.models.load_model", lambda *_, **__: GridColourModel(fingerprint="retrained"))
    renewed = command("demo", "--out", tmp_path / "out")
    assert renewed.code == 0
    assert "3 of the pictures new" in renewed.err


def test_demo_searches_are_of_every_kind_and_of_different_pictures(dataset: Path) -> None:
    queries = varied_queries(load_dataset(dataset), 10)
    assert [query.text for query in queries] == ["red", "yellow", "green"]
    assert len({query.file_name for query in queries}) == 3
    assert [query.text for query in varied_queries(load_dataset(dataset), 1)] == ["red"]


def test_data_synth(command: Reir, tmp_path: Path) -> None:
    arguments = ("data", "synth", tmp_path / "scenes", "--split", "validation", "--images", "4", "--max-side", "96")
    done = command(*arguments, "--workers", "1", "--json")
    assert done.code == 0
    assert (done.json["images"], done.json["split"]) == (4, "validation")
    assert len(load_dataset(tmp_path / "scenes/validation.json").images) == 4
    told = command(*arguments, "--workers", "1").out
    assert "4 pictures" in told
    assert "dropped because" in told
    for picture in (tmp_path / "scenes/images").iterdir():
        assert max(Image.open(picture).size) <= 96


@pytest.mark.parametrize("size", ["big", "10x", "8x8", "40320x30240"])
def test_data_synth_refuses_odd_sizes(command: Reir, tmp_path: Path, size: str) -> None:
    done = command("data", "synth", tmp_path / "scenes", "--size", size)
    assert done.code == 2
    assert "4032x3024" in done.err
    assert not (tmp_path / "scenes").exists()


def test_models(command: Reir) -> None:
    listed = command("models", "list")
    assert any(line.startswith("clare-tiny  ") for line in listed.out.splitlines())
    assert {entry["name"] for entry in command("models", "list", "--json").json["models"]} >= {"clare", "clare-tiny"}
    assert "emoji" in command("models", "show", "clare-tiny").out
    assert command("models", "show", "clare-tiny", "--json").json["licence"] == "Apache-2.0"
    unknown = command("models", "show", "clare-tinny")
    assert unknown.code == 2
    assert "Did you mean clare-tiny" in unknown.err


def test_train_says_what_is_wrong_with_a_run_file(command: Reir, tmp_path: Path) -> None:
    unknown = command("train", "clare-huge")
    assert unknown.code == 2
    assert "clare-tiny" in unknown.err
    (tmp_path / "run.toml").write_text("name = 'x'\nmodle = 'tiny'\n")
    wrong = command("train", tmp_path / "run.toml")
    assert wrong.code == 2
    assert "modle" in wrong.err


def test_train_does_not_begin_over_a_run_and_refuses_what_it_cannot_go_on_from(command: Reir, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    again = command("train", "clare-tiny", "--out", tmp_path)
    assert again.code == 2
    assert "holds a run. Go on with it by --resume" in again.err
    older = command("train", "clare-tiny-relations", "--from-step", "500", "--out", tmp_path / "new")
    assert older.code == 2
    assert "--from-step is for runs of the whole of CLARE" in older.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "demo", "--images", "5"], "demo gallery is always the same"),
        (["--split", "demo", "--skip", "1"], "demo gallery is always the same"),
        (["--images", "1000000", "--skip", "1"], "split test has 1,000,000 scenes"),
    ],
)
def test_data_synth_refuses_what_it_would_not_do(
    command: Reir, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = command("data", "synth", tmp_path / "scenes", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "scenes").exists()
