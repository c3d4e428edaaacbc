"""Pictures that two files share are found by COCO's number in any of its forms, or by content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reir.data import load_dataset, read_annotations
from reir.data.check import check_files
from reir.data.pictures import coco_image_id, find_picture
from reir.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("COCO_train2014_000000123456.jpg", 123456),
        ("train2017/000000123456.jpg", 123456),
        ("images/val2014/COCO_val2014_000000000042.jpg", 42),
        ("COCO_train2014_000000581857_16.jpg", 581857),
        ("000001.jpg", None),
        ("sofa.jpg", None),
        ("MY_000000123456.jpg", None),
    ],
)
def test_coco_numbers(name: str, number: int | None) -> None:
    assert coco_image_id(name) == number


def test_pictures_are_found_under_the_names_of_either_year(tmp_path: Path) -> None:
    (tmp_path / "train2017").mkdir()
    path = tmp_path / "train2017/000000123456.jpg"
    path.touch()
    for name in ("COCO_train2014_000000123456.jpg", "train2014/COCO_train2014_000000123456.jpg", "000000123456.jpg"):
        assert find_picture([tmp_path / "none", tmp_path], name) == path
    assert find_picture([tmp_path / "train2017"], "COCO_val2014_000000123456.jpg") == path
    assert find_picture([tmp_path], "000000123457.jpg") is None
    assert find_picture([tmp_path], "other.jpg") is None
    old = tmp_path / "COCO_val2014_000000000007.jpg"
    old.touch()
    assert find_picture([tmp_path], "000000000007.jpg") == old


def write(path: Path, names: list[str], **more: Any) -> Path:
    content = {
        "images": [{"id": i, "file_name": name, "width": 8, "height": 8} for i, name in enumerate(names)],
        "annotations": [
            {"id": 10 + i, "image_id": i, "bbox": [1, 1, 4, 4], "expressions": [f"thing {i}"]}
            for i in range(len(names))
        ],
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_leaks_are_found_and_dropped(tmp_path: Path) -> None:
    names = ["COCO_train2014_000000000001.jpg", "COCO_train2014_000000000002.jpg", "plain.jpg"]
    ambiguous = [{"expression": "thing", "annotation_ids": ids} for ids in ([10, 11], [12])]
    train = write(tmp_path / "reir_train.json", names, ambiguous=ambiguous)
    coco = write(tmp_path / "instances_train2017.json", ["000000000003.jpg", "000000000009.jpg"])
    test = write(tmp_path / "refcoco_unc_testA.json", ["x/COCO_train2014_000000000002.jpg", "plain.jpg"])
    own = write(tmp_path / "mine.json", ["000000000003.jpg"])
    report = check_files([train, coco, test], held_out=[own], drop_leaks=tmp_path / "clean")
    assert [(Path(leak.train).name, Path(leak.held_out).name, leak.pictures) for leak in report.leaks] == [
        (train.name, test.name, ((names[1], "x/" + names[1]),)),
        (coco.name, own.name, (("000000000003.jpg", "000000000003.jpg"),)),
    ]
    assert not report.clean
    clean = tmp_path / "clean" / train.name
    assert report.dropped[str(clean)] == (1, 1)
    assert [image.file_name for image in load_dataset(clean).images] == [names[0], names[2]]
    assert [query.text for query in load_dataset(clean).ambiguous] == ["thing"]
    assert len(read_annotations(tmp_path / "clean" / coco.name)) == 1
    assert not (tmp_path / "clean" / test.name).exists()
    assert check_files([clean, tmp_path / "clean" / coco.name, test], held_out=[own]).leaks == ()
    with pytest.raises(DatasetError, match="give another folder"):
        check_files([train, test], drop_leaks=tmp_path)


def test_leaks_by_content(tmp_path: Path) -> None:
    train = write(tmp_path / "train.json", ["sofa.png", "lamp.png"])
    val = write(tmp_path / "val.json", ["other/canape.png"])
    for name, colour in (("sofa.png", "red"), ("lamp.png", "blue"), ("other/canape.png", "red")):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(tmp_path / "photos" / name)
    assert check_files([train, val], images=[tmp_path / "photos"]).leaks == ()
    report = check_files([train, val], images=[tmp_path / "photos"], by_content=True)
    assert [leak.pictures for leak in report.leaks] == [(("sofa.png", "other/canape.png"),)]


def test_missing_and_other_pictures(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", ["a.png", "b.png", "c.png", "d.png"])
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images/a.png")
    Image.new("RGB", (8, 9)).save(tmp_path / "images/b.png")
    (tmp_path / "images/c.png").write_bytes(b"damaged")
    (report,) = check_files([path]).files
    assert (report.missing, report.resized) == (("d.png",), ("b.png", "c.png"))
    (elsewhere,) = check_files([path], images=[tmp_path / "none"]).files
    assert len(elsewhere.missing or ()) == 4
    moved = write(tmp_path / "deep/train.json", ["a.png"])
    assert check_files([moved]).files[0].missing is None


def test_expressions_of_several_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", ["a.png", "b.png", "c.png"])
    content = json.loads(path.read_text())
    content["annotations"][2]["expressions"] = ["Thing 0.", "another"]
    path.write_text(json.dumps(content))
    (report,) = check_files([path]).files
    assert report.repeated == ("thing 0",)
    assert check_files(["demo"]).files[0].repeated == ()


def test_published_counts_of_reircoco_are_those_of_both_files(tmp_path: Path) -> None:
    train = write(tmp_path / "reir_coco_train.json", ["a.jpg", "b.jpg"])
    assert check_files([train]).differences == ()
    test = write(tmp_path / "reir_coco_test.json", ["c.jpg"])
    told = check_files([train, test]).differences
    assert told == (
        "reir_coco has 30,106 pictures, here 3",
        "reir_coco has 215,835 referred objects, here 3",
        "reir_coco has 613,548 expressions, here 3",
    )
    coco = write(tmp_path / "instances_val2017.json", ["000000000003.jpg"])
    assert check_files([coco]).differences == ("instances_val2017 has 5,000 pictures, here 1",)


def test_training_files_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    names = ["COCO_train2014_000000000001.jpg"]
    files = [write(tmp_path / folder / "instances.json", names) for folder in ("refcoco", "refcoco+")]
    with pytest.raises(DatasetError, match="one at a time"):
        check_files(files, drop_leaks=tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_malformed_entries_do_not_stop_the_cleaning(tmp_path: Path) -> None:
    shared = "COCO_train2014_000000000001.jpg"
    path = write(tmp_path / "train.json", [shared, "other.jpg"])
    content = json.loads(path.read_text())
    content["images"] += ["nonsense", {"id": [7], "file_name": 5}]
    content["annotations"] += [None, {"id": 99, "image_id": [1]}]
    path.write_text(json.dumps(content))
    held_out = write(tmp_path / "test.json", [shared])
    report = check_files([path, held_out], drop_leaks=tmp_path / "clean")
    assert report.dropped == {str(tmp_path / "clean/train.json"): (1, 1)}
    assert [picture.file_name for picture in read_annotations(tmp_path / "clean/train.json")] == ["other.jpg"]
