"""``reir data convert`` and ``reir data check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Reir
from tests.data.refer.original import python2_pickle, write_original


def test_convert_then_check_then_evaluate(command: Reir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = write_original(tmp_path)
    done = command("data", "convert", refs, tmp_path / "sets")
    assert done.code == 0
    assert f"{tmp_path}/sets/refcoco_unc_train.json: 2 pictures, 3 references, 4 expressions" in done.out
    assert "warning: refcoco_unc val has 3,811 referred objects, here 1" in done.err
    sets = sorted((tmp_path / "sets").iterdir())
    assert [path.name for path in sets] == [f"refcoco_unc_{split}.json" for split in ("testA", "train", "val")]
    checked = command("data", "check", *sets, "--images", tmp_path / "train2014")
    assert checked.code == 0
    assert "refcoco_unc_train.json (training)\n  2 pictures, 4 objects (0 crowds) of 2 categories" in checked.out
    assert "refcoco_unc_val.json (held out)\n  1 pictures, 2 objects (1 crowds)" in checked.out
    assert "missing" not in checked.out
    assert "leak" not in checked.out
    assert "warning: refcoco_unc train has 16,994 pictures, here 2" in checked.err
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    measured = command("eval", sets[2], "--images", tmp_path / "train2014", "--json")
    assert measured.code == 0
    assert (measured.json["queries"], measured.json["gallery"]["images"]) == (3, 1)


def test_convert_as_json_and_strict(command: Reir, tmp_path: Path) -> None:
    refs = write_original(tmp_path)
    done = command("data", "convert", refs, tmp_path / "sets", "--json", "--strict")
    assert done.code == 1
    assert done.json["counts"]["train"] == {"pictures": 2, "referred": 3, "expressions": 4}
    assert "refcoco_unc has 50,000 referred objects, here 5" in done.json["differences"]
    named = command("data", "convert", refs, tmp_path / "sets", "--name", "mine", "--strict", "--wording", "raw")
    assert (named.code, named.err) == (0, "")
    assert "Navy blue shirt!" in (tmp_path / "sets/mine_train.json").read_text()


def test_convert_refuses_what_is_no_plain_pickle(command: Reir, tmp_path: Path) -> None:
    refs = write_original(tmp_path)
    refs.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    done = command("data", "convert", refs, tmp_path / "sets")
    assert (done.code, done.out) == (1, "")
    assert "names os.system, and only plain data is read" in done.err
    assert not (tmp_path / "ran").exists()
    refs.write_bytes(python2_pickle([{}]))
    assert "reference 0 has no sentences" in command("data", "convert", refs, tmp_path / "sets").err


def test_check_lists_leaks_and_writes_clean_files(command: Reir, tmp_path: Path) -> None:
    refs = write_original(tmp_path)
    command("data", "convert", refs, tmp_path / "sets")
    coco = json.loads((refs.parent / "instances.json").read_text())
    for image in coco["images"]:
        image["file_name"] = f"{image['id']:012d}.jpg"
    coco["annotations"][0]["bbox"] = "none"
    train = tmp_path / "instances_train2017.json"
    train.write_text(json.dumps(coco))
    arguments = ("data", "check", train, tmp_path / "sets/refcoco_unc_val.json", "--images", tmp_path / "train2014")
    told = command(*arguments, "--list", "--drop-leaks", tmp_path / "clean")
    assert told.code == 0
    assert "instances_train2017.json (training)" in told.out
    assert "malformed: 1\n    annotation 1719310: bbox must be four numbers" in told.out
    assert "share 1 pictures\n  000000581563.jpg (COCO_train2014_000000581563.jpg)" in told.out
    assert "without 1 pictures and their 2 annotations" in told.out
    as_json = command(*arguments, "--list", "--json", "--strict")
    assert as_json.code == 1
    assert as_json.json["leaks"][0]["pictures"] == 1
    assert as_json.json["files"][0]["missing"] == 0
    assert as_json.json["listed"]["leaks"][0]["pictures"] == [["000000581563.jpg", "COCO_train2014_000000581563.jpg"]]
    clean = command("data", "check", tmp_path / "clean" / train.name, arguments[3], "--json").json
    assert (clean["leaks"], clean["files"][0]["missing"]) == ([], None)


def test_check_of_the_shipped_gallery_is_clean(command: Reir) -> None:
    done = command("data", "check", "demo", "--strict", "--json")
    assert done.code == 0
    assert done.json["clean"]
    (file,) = done.json["files"]
    assert (file["pictures"], file["missing"], file["role"]) == (300, 0, "held out")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["check", "nowhere.json"], 1, "nowhere.json"),
        (["check"], 2, "FILE"),
        (["convert", "refs(unc).p", "sets"], 1, "cannot be read"),
        (["convert", "refs(unc).p", "sets", "--wording", "mine"], 2, "--wording"),
    ],
)
def test_usage(command: Reir, arguments: list[str], code: int, message: str) -> None:
    done = command("data", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
