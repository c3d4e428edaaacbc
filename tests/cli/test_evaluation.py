"""``reir eval`` in its three tasks, over several data sets and in two stages, on scenes of the demo gallery."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reir.cli.app import run
from reir.cli.evaluation import dataset_files
from reir.data import find_dataset
from reir.models import GrounderEntry, grounders
from tests.cli.conftest import Done
from tests.models.towers.tiny_tower import save_tiny_tower

PICTURES = 6

Reir = Callable[..., Done]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first pictures of the demo gallery in ``images``, and two files of expressions about them."""
    folder = tmp_path_factory.mktemp("gallery")
    demo = find_dataset("demo")
    whole = json.loads(demo.read_text())
    images = whole["images"][:PICTURES]
    (folder / "images").mkdir()
    for image in images:
        shutil.copy(demo.parent / "images" / image["file_name"], folder / "images")
    shutil.copy(demo.parent / "images" / whole["images"][PICTURES]["file_name"], folder / "images")
    inside = {image["id"] for image in images}
    annotations = [entry for entry in whole["annotations"] if entry["image_id"] in inside]
    sets = folder / "sets"
    sets.mkdir()
    for name, chosen in (("refs-testA", annotations[::2]), ("refs-testB", annotations[1::2])):
        (sets / f"{name}.json").write_text(json.dumps({"images": images, "annotations": chosen}))
    return folder


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for the file: what a test has indexed, the next one finds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reir(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache: Path) -> Reir:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return call


def test_two_stages(reir: Reir, gallery: Path, tower: Path) -> None:
    one = gallery / "sets/refs-testA.json"
    arguments = ("eval", one, "--images", gallery / "images", "--model", "clare-tiny", "--retriever", tower)
    done = reir(*arguments, "--json", "--k", "1", "3", str(PICTURES))
    assert done.code == 0, done.err
    record = done.json
    assert record["task"] == "reir"
    assert record["retriever"]["name"] == f"picture-clip:{tower}"
    # The picture that the data set does not list is in the folder, and no rival.
    assert record["gallery"]["images"] == PICTURES
    assert done.err.count(f": {PICTURES} pictures") == 2
    # Every picture is among as many as there are, so boxes alone are left to decide.
    everywhere = str(PICTURES)
    assert record["image_recall"][everywhere] == 1.0
    assert record["any"]["box_recall"]["0.5"][everywhere] == record["precision_at_0.5"] > 0.5
    assert record["any"] == record["official"]
    queries, names = record["queries"], ["clare-tiny", f"picture-clip:{tower}"]
    assert record["cost"] == {
        "pictures": dict.fromkeys(names, PICTURES),
        "texts": dict.fromkeys(names, queries),
        "pairs": {},
        "total": 2 * (PICTURES + queries),
    }
    deeper = reir(*arguments, "--depth", "1", "--k", "3")
    assert deeper.code == 0, deeper.err
    assert f"pictures by picture-clip:{tower}" in deeper.out
    assert f"{2 * (PICTURES + queries):,} forward passes" in deeper.out


def test_the_tower_alone_finds_pictures(reir: Reir, gallery: Path, tower: Path) -> None:
    one = gallery / "sets/refs-testA.json"
    alone = reir("eval", one, "--images", gallery / "images", "--task", "tir", "--model", tower, "--json").json
    both = ("eval", one, "--images", gallery / "images", "--model", "clare-tiny", "--retriever", tower, "--json")
    assert alone["image_recall"] == reir(*both).json["image_recall"]
    assert "official" not in alone
    assert alone["cost"]["total"] == PICTURES + alone["queries"]
    assert "precision_at_0.5" not in alone


def test_comprehension_over_a_folder_of_splits(reir: Reir, gallery: Path) -> None:
    arguments = ("eval", gallery / "sets", "--images", gallery / "images", "--model", "clare-tiny", "--task", "rec")
    done = reir(*arguments, "--json", "--iou", "0.5", "0.9")
    assert done.code == 0, done.err
    # The splits share their pictures, which are looked at once.
    assert done.err.count("indexed") == 1
    assert [entry["dataset"] for entry in done.json["datasets"]] == ["refs-testA", "refs-testB"]
    for entry in done.json["datasets"]:
        assert entry["intervals"]["precision_at_0.5"][0] <= entry["precision_at_0.5"]
        assert entry["precision_at_0.9"] <= entry["precision_at_0.5"]
        assert 0.5 < entry["mean_iou"] < 1
        assert "image_recall" not in entry
    table = reir(*arguments).out.splitlines()
    header = next(line for line in table if "mean IoU" in line)
    assert header.split()[:2] == ["queries", "Pr@0.5"]
    first, second = done.json["datasets"]
    row = next(line for line in table if line.startswith("refs-testB"))
    assert row.split()[1:3] == [str(second["queries"]), f"{100 * second['precision_at_0.5']:.1f}"]
    assert first["queries"] != 0


def test_comprehension_on_an_index_that_is_there(reir: Reir, gallery: Path, tmp_path: Path) -> None:
    made = reir("index", gallery / "images", "--db", tmp_path / "db", "--model", "clare-tiny", "--workers", "0")
    assert made.code == 0, made.err
    one, other = sorted((gallery / "sets").iterdir())
    by_index = reir("eval", one, other, "--db", tmp_path / "db", "--task", "rec", "--json")
    assert by_index.code == 0, by_index.err
    assert "indexed" not in by_index.err
    cached = reir(
        "eval", one, other, "--images", gallery / "images", "--model", "clare-tiny", "--task", "rec", "--json"
    )
    for found, expected in zip(by_index.json["datasets"], cached.json["datasets"], strict=True):
        assert found["precision_at_0.5"] == expected["precision_at_0.5"]


def test_masks_inside_pictures(reir: Reir, gallery: Path) -> None:
    one = gallery / "sets/refs-testA.json"
    arguments = ("eval", one, "--images", gallery / "images", "--model", "clare-tiny", "--task", "ris")
    done = reir(*arguments, "--json")
    assert done.code == 0, done.err
    record = done.json
    # The model keeps no masks, so boxes stand in for them: better than nothing, worse than the boxes are.
    assert record["masks"]["filled_boxes"] == record["queries"]
    assert "filled boxes that stand in for masks" in done.err
    boxes = reir(*arguments[:-1], "rec", "--json").json
    assert 0.3 < record["mean_iou"] < boxes["mean_iou"]
    for name in ("mean_iou", "overall_iou", "object_centric_iou", "precision_at_0.9"):
        low, high = record["intervals"][name]
        assert low <= record[name] <= high
    assert set(record["by_kind"]) == set(boxes["by_kind"])
    assert "image_recall" not in record
    assert "overall IoU of the mask" in reir(*arguments, "--mask", "stored").out


def test_masks_by_a_grounder(reir: Reir, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = GrounderEntry("colour", "pixels of a colour", "tests.colour_grounder:load", "none")
    monkeypatch.setitem(grounders._ENTRIES, "colour", entry)
    arguments = ("eval", gallery / "sets", "--images", gallery / "images", "--task", "ris", "--grounder", "colour")
    done = reir(*arguments, "--json")
    assert done.code == 0, done.err
    first, second = done.json["datasets"]
    assert (first["model"], first["fingerprint"]) == ("colour", "")
    assert first["masks"]["masks"] == first["queries"]
    assert second["cost"]["pairs"] == {"colour": second["queries"]}
    assert "mIoU" in reir(*arguments).out
    alone = reir("eval", gallery / "sets/refs-testA.json", *arguments[2:], "--task", "rec", "--json").json
    assert alone["task"] == "rec"
    assert alone["masks"] is None


def test_two_stages_over_an_index_that_is_there(reir: Reir, gallery: Path, tower: Path, tmp_path: Path) -> None:
    """The retriever sees the pictures of the index, all of them."""
    reir("index", gallery / "images", "--db", tmp_path / "db", "--model", "clare-tiny", "--workers", "0")
    done = reir("eval", gallery / "sets/refs-testA.json", "--db", tmp_path / "db", "--retriever", tower, "--json")
    assert done.code == 0, done.err
    assert done.json["gallery"]["images"] == PICTURES + 1
    assert set(done.json["cost"]["pictures"].values()) == {PICTURES + 1}
    assert not any("differ" in warning for warning in done.json["warnings"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["SETS", "--depth", "3"], 2, "name the first with --retriever"),
        (["SETS", "--task", "rec", "--retriever", "ViT-B-32__openai"], 2, "--task rec has one stage"),
        (["SETS", "--retriever", "ViT-B-33__openai"], 2, "ViT-B-32"),
        (["EMPTY", "--task", "rec"], 1, "has no JSON files of expressions"),
        (["SETS", "--task", "vqa"], 2, "--task"),
        (["SETS", "--task", "rec", "--mask", "stored"], 2, "masks are measured with --task ris"),
        (["SETS", "--grounder", "nowhere"], 2, "--task rec or ris"),
        (["SETS", "--task", "ris", "--grounder", "nowhere", "--model", "clare-tiny"], 2, "--grounder and --model"),
        (["SETS", "--task", "ris", "--grounder", "nowhere"], 2, "no grounder named 'nowhere'"),
    ],
)
def test_usage(reir: Reir, gallery: Path, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    places = {"SETS": str(gallery / "sets"), "EMPTY": str(tmp_path)}
    done = reir("eval", "--images", gallery / "images", *[places.get(argument, argument) for argument in arguments])
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_outcomes_are_saved_and_compared(reir: Reir, gallery: Path, tower: Path, tmp_path: Path) -> None:
    arguments = ("eval", gallery / "sets/refs-testA.json", "--images", gallery / "images", "--model", "clare-tiny")
    saved = tmp_path / "two-stage.parquet"
    two = reir(*arguments, "--retriever", tower, "--save-outcomes", saved, "--json").json
    done = reir(*arguments, "--compare", saved, "--json")
    assert done.code == 0, done.err
    comparison = done.json["comparison"]
    expected = done.json["any"]["box_recall"]["0.5"]["1"] - two["any"]["box_recall"]["0.5"]["1"]
    assert comparison["differences"]["any"]["box_recall"]["0.5"]["1"] == pytest.approx(expected)
    assert f"pictures by picture-clip:{tower}" in comparison["other"]
    told = reir(*arguments, "--compare", saved).out
    assert "points with 95% paired intervals" in told
    elsewhere = reir("eval", gallery / "sets/refs-testB.json", *arguments[2:], "--compare", saved)
    assert elsewhere.code == 2
    assert "answered other queries" in elsewhere.err
    several = reir("eval", gallery / "sets", *arguments[2:], "--compare", saved)
    assert several.code == 2
    assert "measure it alone" in several.err
    folder = reir(*arguments, "--save-outcomes", tmp_path)
    assert (folder.code, "is a folder" in folder.err) == (2, True)


def test_a_name_is_a_data_set_beside_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert dataset_files(["demo"]) == ["demo"]
