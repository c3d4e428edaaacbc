"""RefCOCO in its original layout becomes files that evaluation and training both read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reir.data import load_dataset, read_annotations
from reir.data.expected import EXPECTED, WHOLE, Counts, differences
from reir.data.refer import convert_references, read_references
from reir.errors import DatasetError
from tests.data.refer.original import python2_pickle, references, write_original


def test_every_split_is_a_file_with_all_boxes_of_its_pictures(tmp_path: Path) -> None:
    captions = tmp_path / "captions.json"
    told = [
        {"id": 1, "image_id": 581857, "caption": " Two women. "},
        {"id": 2, "image_id": 581857, "caption": "A dog."},
    ]
    captions.write_text(json.dumps({"annotations": told}))
    report = convert_references(write_original(tmp_path), tmp_path / "sets", captions=[captions])
    assert report.name == "refcoco_unc"
    assert {split: path.name for split, path in report.files.items()} == {
        split: f"refcoco_unc_{split}.json" for split in ("train", "val", "testA")
    }
    assert report.counts["train"] == Counts(2, 3, 4)
    assert report.counts[WHOLE] == Counts(4, 5, 8)
    train = read_annotations(report.files["train"])
    assert [len(picture.boxes) for picture in train] == [3, 1]
    assert [picture.expressions for picture in train] == [
        (("navy blue shirt", "woman back in blue"), ("woman in gray shirt facing camera on right",), ()),
        (("lady with the dog",),),
    ]
    assert (train.complete, train.split, train.category_names) == (True, "train", ("person", "dog"))
    assert train[0].categories.tolist() == [0, 0, 1]
    assert train[0].boxes[0].tolist() == [10.5, 20, 40.5, 60]
    val = read_annotations(report.files["val"])[0]
    assert val.crowd.tolist() == [False, True]
    written = json.loads(report.files["train"].read_text())
    assert written["images"][0]["captions"] == ["Two women.", "A dog."]
    assert "captions" not in written["images"][1]
    assert written["annotations"][0]["segmentation"] == [[10.5, 20.0, 40.5, 20.0, 40.5, 60.0]]


def test_evaluation_reads_the_same_files(tmp_path: Path) -> None:
    report = convert_references(write_original(tmp_path), tmp_path / "sets")
    dataset = load_dataset(report.files["val"], images=tmp_path / "train2014")
    assert [query.text for query in dataset.queries] == ["bottom left dog", "d\u00f6g left", "left dog"]
    assert {query.box for query in dataset.queries} == {(10.5, 20.0, 40.5, 60.0)}
    assert (dataset.images_root / dataset.images[0].file_name).is_file()


def test_raw_wording(tmp_path: Path) -> None:
    report = convert_references(write_original(tmp_path), tmp_path / "sets", wording="raw")
    assert "Navy blue shirt!" in report.files["train"].read_text()


def test_what_differs_from_the_published_counts_is_told(tmp_path: Path) -> None:
    report = convert_references(write_original(tmp_path), tmp_path / "sets")
    assert "refcoco_unc val has 3,811 referred objects, here 1" in report.differences
    assert "refcoco_unc has 142,210 expressions, here 8" in report.differences
    other = convert_references(write_original(tmp_path, name="mine", splitter="own"), tmp_path / "sets")
    assert (other.name, other.differences) == ("mine_own", ())


@pytest.mark.parametrize("name", ["refcoco_unc", "refcoco+_unc", "refcocog_umd", "refcocog_google", "refcoco_google"])
def test_published_counts_agree_with_themselves(name: str) -> None:
    """References of the splits add up to the whole set, and, where a picture has one split, so do the pictures."""
    table = dict(EXPECTED[name])
    whole = table.pop(WHOLE)
    assert sum(counts.referred or 0 for counts in table.values()) == whole.referred
    if "google" not in name:
        assert sum(counts.pictures or 0 for counts in table.values()) == whole.pictures
    if all(counts.expressions for counts in table.values()):
        assert sum(counts.expressions or 0 for counts in table.values()) == whole.expressions
    assert differences(name, WHOLE, whole) == []


def test_names(tmp_path: Path) -> None:
    refs = write_original(tmp_path, name="refcocoG", splitter="umd")
    assert convert_references(refs, tmp_path / "sets").name == "refcocog_umd"
    renamed = refs.rename(refs.with_name("references.p"))
    with pytest.raises(DatasetError, match="--name"):
        convert_references(renamed, tmp_path / "sets")
    assert convert_references(renamed, tmp_path / "sets", name="mine").files["val"].name == "mine_val.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ann_id": 99}, "means annotation 99"),
        ({"image_id": 581563}, "means annotation 1719310 of picture 581563"),
        ({"ref_id": 1}, "two references have the ref_id 1"),
        ({"ref_id": "0"}, "ref_id must be a whole number"),
        ({"split": "../train"}, "split must be a word"),
        ({"sentences": []}, "has no sentences"),
        ({"sentences": [{"raw": "A"}]}, "no text 'sent'"),
    ],
)
def test_contradictions(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    refs = write_original(tmp_path)
    records = references()
    records[0] |= change
    refs.write_bytes(python2_pickle(records))
    with pytest.raises(DatasetError, match=message):
        convert_references(refs, tmp_path / "sets")
    assert not (tmp_path / "sets").exists()


def test_files_of_another_layout(tmp_path: Path) -> None:
    refs = write_original(tmp_path)
    (refs.parent / "instances.json").write_text("[]")
    with pytest.raises(DatasetError, match="COCO's layout"):
        convert_references(refs, tmp_path / "sets")
    refs.write_bytes(python2_pickle({"a": 1}))
    with pytest.raises(DatasetError, match="list of references"):
        read_references(refs)
    bad = tmp_path / "captions.json"
    bad.write_text(json.dumps({"annotations": [{"image_id": "1"}]}))
    (tmp_path / "again").mkdir()
    with pytest.raises(DatasetError, match="needs image_id and caption"):
        convert_references(write_original(tmp_path / "again"), tmp_path / "sets", captions=[bad])
