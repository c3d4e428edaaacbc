"""``reir index``: what it reports, its exit codes, and an index that is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from reir.store import Index
from tests.cli.conftest import Reir
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import paint

# Decoding in this process: starting others would take most of the time.
HERE = ("--workers", "0")


def test_index_search_and_nothing_left_to_do(command: Reir, photos: Path) -> None:
    done = command("index", photos, *HERE)
    assert (done.code, done.out) == (0, f"indexed {photos}: 3 new\n")
    assert done.err.startswith("12 objects in ")
    assert done.err.rstrip().endswith(f"index {photos / '.reir'}")
    assert command("search", "red", "--db", photos / ".reir", "-t", "1").out.startswith("1\t1.000\ta/red.png")
    again = command("index", photos, *HERE)
    assert (again.code, again.out, again.err) == (0, f"indexed {photos}: 3 unchanged\n", "")


def test_json_report(command: Reir, photos: Path) -> None:
    report = command("index", photos, "--json", *HERE).json
    assert {name: report[name] for name in ("root", "db", "model", "new", "failed", "instances", "snapshot")} == {
        "root": str(photos),
        "db": str(photos / ".reir"),
        "model": "grid-colour",
        "new": 3,
        "failed": [],
        "instances": 12,
        "snapshot": 1,
    }


def test_the_models_notice_is_on_stderr_and_in_the_json(
    command: Reir, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GridColourModel, "notice", "this model knows five colours")
    done = command("index", photos, "--json", *HERE)
    assert done.json["warnings"] == ["this model knows five colours"]
    assert done.err == "warning: this model knows five colours\n"


def test_pictures_that_cannot_be_read_give_exit_code_3(command: Reir, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    done = command("index", photos, *HERE)
    assert done.code == 3
    assert done.out == f"indexed {photos}: 3 new, 1 unreadable\n"
    assert "unreadable: broken.jpg: " in done.err
    assert command("index", photos, *HERE).code == 3
    looked = command("doctor", "--db", photos / ".reir", "--json")
    assert looked.code == 3
    assert looked.json["healthy"]
    assert [entry["path"] for entry in looked.json["unreadable"]] == ["broken.jpg"]
    (photos / "broken.jpg").unlink()
    assert command("index", photos, *HERE).code == 0


def test_dry_run_writes_nothing(command: Reir, photos: Path) -> None:
    done = command("index", photos, "--dry-run", *HERE)
    assert (done.code, done.out) == (0, f"would index {photos}: 3 new\n")
    assert not (photos / ".reir").exists()
    command("index", photos, *HERE)
    paint(photos / "new.png", ("blue",) * 4)
    assert command("index", photos, "--dry-run", "--json", *HERE).json["new"] == 1
    assert command("info", "--db", photos / ".reir", "--json").json["images"] == 3


def test_a_part_of_the_gallery(command: Reir, photos: Path) -> None:
    command("index", photos, *HERE)
    paint(photos / "a/new.png", ("blue",) * 4)
    paint(photos / "b/new.png", ("blue",) * 4)
    assert command("index", photos / "a", *HERE).out == f"indexed {photos}: 1 new, 2 unchanged\n"


def test_excluded_folders(command: Reir, photos: Path) -> None:
    assert command("index", photos, "--exclude-dir", "b", *HERE).out == f"indexed {photos}: 2 new\n"


def test_an_index_elsewhere(command: Reir, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("index", photos, "--db", tmp_path / "elsewhere", *HERE).code == 0
    assert not (photos / ".reir").exists()
    monkeypatch.setenv("REIR_DB", str(tmp_path / "elsewhere"))
    assert command("index", photos, *HERE).out == f"indexed {photos}: 3 unchanged\n"
    other = paint(tmp_path / "other/red.png", ("red",) * 4).parent
    refused = command("index", other, *HERE)
    assert refused.code == 1
    assert "belongs to" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 2, "no such folder: nowhere"),
        ([], 2, "PATH"),
        ([".", "--workers", "-1"], 2, "--workers"),
        ([".", "--model", "owl"], 2, "no model named 'owl'"),
        ([".", "--max-instances", "0"], 2, "--max-instances"),
    ],
)
def test_usage(
    command: Reir, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(photos)
    done = command("index", *arguments)
    assert done.code == code
    assert message in done.err
    assert not (photos / ".reir").exists()


def image_ids(command: Reir, photos: Path) -> dict[str, int]:
    found = command("search", "red", "--json", "-t", "9", "--db", photos / ".reir").json["hits"]
    return {hit["path"]: hit["image_id"] for hit in found}


def test_another_model_needs_rebuild(command: Reir, photos: Path) -> None:
    command("index", photos, *HERE)
    before = image_ids(command, photos)
    refused = command("index", photos, "--model", "grid-colour-4", *HERE)
    assert refused.code == 1
    assert refused.err.endswith(f"reir index {photos} --rebuild\n")
    rebuild = ("index", photos / "a", "--model", "grid-colour-4", "--rebuild", "--json", *HERE)
    assert command(*rebuild, "--dry-run").json["changed"] == 3, "the whole gallery, whichever part was named"
    assert image_ids(command, photos) == before
    done = command(*rebuild)
    assert (done.code, done.json["changed"]) == (0, 3)
    info = command("info", "--db", photos / ".reir", "--json").json
    assert info["model"]["fingerprint"] == "grid-colour-1-4"
    assert (info["images"], info["instances"], info["failed"]) == (3, 48, 0)
    assert [entry.name for entry in photos.iterdir() if entry.name.startswith(".")] == [".reir"]
    with Index.open(photos / ".reir").snapshot() as snapshot:
        assert {row.path: row.image_id for row in snapshot.all_images()} == before


def test_another_number_of_objects_needs_rebuild(command: Reir, photos: Path) -> None:
    command("index", photos, *HERE)
    refused = command("index", photos, "--max-instances", "2", *HERE)
    assert refused.code == 2
    assert "--rebuild" in refused.err
    rehearsed = command("index", photos, "--max-instances", "2", "--rebuild", "--dry-run", *HERE)
    assert (rehearsed.code, rehearsed.out) == (0, f"would index {photos}: 3 changed\n")
    assert command("index", photos, "--max-instances", "2", "--rebuild", *HERE).code == 0
    info = command("info", "--db", photos / ".reir", "--json").json
    assert (info["settings"]["max_instances"], info["instances"]) == (2, 6)


def test_rebuild_by_the_same_model_keeps_ids(command: Reir, photos: Path) -> None:
    command("index", photos, *HERE)
    before = image_ids(command, photos)
    assert command("index", photos, "--rebuild", "--json", *HERE).json["changed"] == 3
    assert image_ids(command, photos) == before
