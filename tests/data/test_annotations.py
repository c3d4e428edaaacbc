"""Every annotated object of a file, in each of the layouts, and a list of what is wrong."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reir.data import load_dataset, read_annotations
from reir.data.annotations import mask_fault, parse_annotations
from reir.data.columns import TextColumn
from reir.errors import DatasetError

IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}
OBJECT = {"id": 1, "image_id": 1, "bbox": [10, 10, 20, 20], "category_id": 5, "iscrowd": 0}
CATEGORIES = [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}]


def parse(*annotations: dict[str, Any], images: list[Any] | None = None, **more: Any) -> Any:
    content = {"images": images or [IMAGE], "annotations": list(annotations), "categories": CATEGORIES} | more
    return parse_annotations(content, Path("set.json"))


def test_detection() -> None:
    found = parse(
        OBJECT | {"segmentation": [[0, 0, 9, 9, 0, 9]]},
        OBJECT | {"id": 2, "category_id": 2, "iscrowd": 1, "segmentation": {"size": [50, 100], "counts": [10, 4990]}},
    )
    picture = found[0]
    assert picture.boxes.tolist() == [[10, 10, 30, 30]] * 2
    assert found.category_names == ("dog", "cat")
    assert (picture.categories.tolist(), picture.crowd.tolist()) == ([0, 1], [False, True])
    assert (picture.expressions, picture.complete, found.issues) == (((), ()), True, ())
    assert (found.object_counts.tolist(), found.expression_counts.tolist()) == ([1], [0])


def test_entries_of_one_picture_for_each_instance() -> None:
    """REIRCOCO's layout."""
    images = [
        IMAGE | {"expressions": ["a dog", "Instance quality is poor."]},
        IMAGE | {"id": 2, "expressions": ["a cat"]},
        {"id": 3, "file_name": "b.jpg", "width": 9, "height": 9},
    ]
    found = parse(OBJECT, OBJECT | {"id": 2, "image_id": 2}, images=images, categories=[])
    assert [picture.file_name for picture in found] == ["a.jpg", "b.jpg"]
    assert found[0].expressions == (("a dog",), ("a cat",))
    assert not found.complete
    assert found[0].categories.tolist() == [-1, -1]
    assert [issue.kind for issue in found.issues] == ["poor"]
    assert (found.referred, found.expressions, found.object_counts.tolist()) == (2, 2, [2, 0])
    assert found[1].boxes.shape == (0, 4)


def test_whether_boxes_are_complete() -> None:
    referred = OBJECT | {"expressions": ["a dog"]}
    assert not parse(referred).complete
    assert parse(referred, OBJECT | {"id": 2}).complete
    assert parse(referred, info={"boxes": "all"}).complete
    assert not parse(OBJECT, info={"boxes": "referred"}).complete
    assert not parse_annotations({"images": [IMAGE], "annotations": [OBJECT]}, Path("a"), complete=False).complete


@pytest.mark.parametrize(
    ("annotation", "kind", "message"),
    [
        ({"bbox": [1, 2, 3]}, "malformed", "four numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "malformed", "four numbers"),
        ({"bbox": [1, 2, 0, 3]}, "no area", "bbox"),
        ({"bbox": [200, 2, 5, 3]}, "outside", "lies outside"),
        ({"bbox": [90, 2, 20, 3]}, "outside", "stands out"),
        ({"category_id": 9}, "malformed", "category 9"),
        ({"iscrowd": 2}, "malformed", "iscrowd"),
        ({"image_id": 9}, "malformed", "image 9"),
        ({"id": "x"}, "malformed", "whole number"),
        ({"id": 0}, "malformed", "another annotation"),
        ({"segmentation": [[1, 2, 3]]}, "malformed", "three points"),
        ({"segmentation": {"size": [1, 2], "counts": "a"}}, "malformed", "of the size"),
        ({"segmentation": 4}, "malformed", "neither polygons nor run lengths"),
        ({"expressions": ["a dog", "A  dog."]}, "duplicate", "A  dog."),
        ({"expressions": [3]}, "malformed", "must be text"),
        ({"expressions": "a dog"}, None, ""),
    ],
)
def test_what_is_wrong_is_told(annotation: dict[str, Any], kind: str | None, message: str) -> None:
    found = parse(OBJECT | {"id": 0}, OBJECT | annotation)
    assert [issue.kind for issue in found.issues] == ([kind] if kind else [])
    assert all(message in str(issue) for issue in found.issues)
    assert found[0].boxes[0].tolist() == [10, 10, 30, 30]
    assert (found[0].boxes <= [100, 50, 100, 50]).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"file_name": "/etc/passwd"}, "leaves the images folder"),
        ({"file_name": "a/../../b.jpg"}, "leaves the images folder"),
        ({"file_name": ""}, "must be text"),
        ({"width": 0}, "whole numbers from 1"),
        ({"id": 1}, "another image"),
        ({"id": None}, "whole number"),
        ({"width": 99}, "99x50 here and 100x50 before"),
        ({"expressions": ["a dog"]}, "which one is meant"),
    ],
)
def test_wrong_images(image: dict[str, Any], message: str) -> None:
    found = parse(OBJECT, images=[IMAGE, IMAGE | {"id": 2} | image])
    assert [issue.kind for issue in found.issues] == ["malformed"]
    assert message in str(found.issues[0])
    assert len(found) == 1


@pytest.mark.parametrize("content", [[], {}, {"images": []}, {"images": {}, "annotations": []}])
def test_other_files(content: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="COCO's layout"):
        read_annotations(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        read_annotations(tmp_path / "a.json")


def test_the_demo_holds_what_evaluation_reads() -> None:
    found, dataset = read_annotations("demo"), load_dataset("demo")
    assert len(found) == len(dataset.images)
    assert found.expressions == len(dataset.queries)
    assert {text for picture in found for texts in picture.expressions for text in texts} == {
        query.text for query in dataset.queries
    }
    assert not [issue for issue in found.issues if issue.kind == "malformed"]
    copy = pickle.loads(pickle.dumps(found))
    assert copy[7].expressions == found[7].expressions
    assert np.array_equal(copy[-1 + len(copy)].boxes, found[len(found) - 1].boxes)
    assert [picture.file_name for picture in found[:3]] == [found.file_names[i] for i in range(3)]


def test_text_columns() -> None:
    texts = ["", "d\u00f6g", "\U0001f436 dog", "", "\ud800"]
    column = TextColumn(texts)
    assert [column[i] for i in range(len(column))] == texts
    with pytest.raises(IndexError):
        column[5]
    assert len(TextColumn([])) == 0


def test_masks() -> None:
    assert mask_fault(None, 4, 3) is None
    assert mask_fault({"size": [3, 4], "counts": [2, 10]}, 4, 3) is None
    assert "adds up to 11" in (mask_fault({"size": [3, 4], "counts": [1, 10]}, 4, 3) or "")


@pytest.mark.parametrize(
    "change",
    [
        {"category_id": [5]},
        {"bbox": [1, 1, 10**400, 4]},
        {"segmentation": {"size": [50, 100], "counts": ["a"]}},
        {"segmentation": [["a"] * 6]},
    ],
)
def test_values_of_another_type_are_malformed(change: dict[str, Any]) -> None:
    assert [issue.kind for issue in parse(OBJECT | change).issues] == ["malformed"]


def test_categories_that_are_no_list_are_malformed() -> None:
    found = parse(OBJECT, categories=5)
    assert [str(issue) for issue in found.issues] == ["categories: must be a list, got int"]
