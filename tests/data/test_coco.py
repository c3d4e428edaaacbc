import json
from pathlib import Path

import pytest

from reir.data.coco import load_dataset
from reir.data.dataset import DatasetImage, Query, Target
from reir.data.registry import find_dataset, registered_datasets
from reir.errors import DatasetError


def on_annotations():
    return {
        "images": [
            {"id": 1, "file_name": "a/one.jpg", "width": 100, "height": 80},
            {"id": 2, "file_name": "two.jpg", "width": 60, "height": 60},
        ],
        "annotations": [
            {
                "id": 10,
                "image_id": 1,
                "bbox": [10, 20, 30, 40],
                "expressions": ["brown dog", "dog on the left"],
                "expression_kinds": ["attribute", "relation"],
                "size": "small",
                "area": 700.5,
            },
            {"id": 11, "image_id": 2, "bbox": [0.5, 0, 50, 60], "expressions": ["red lamp"]},
            {"id": 12, "image_id": 2, "bbox": [0, 0, 0, 0]},
        ],
        "ambiguous": [{"expression": "thing", "annotation_ids": [11, 10], "kind": "noun"}],
    }


def on_images():
    return {
        "images": [
            {"id": 1, "file_name": "one.jpg", "width": 100, "height": 80, "expressions": ["brown dog", "the dog"]},
            {"id": 2, "file_name": "one.jpg", "width": 100, "height": 80, "expressions": ["red lamp"]},
            {"id": 3, "file_name": "two.jpg", "width": 60, "height": 60, "expressions": []},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "bbox": [10, 20, 30, 40], "category_id": 1, "iscrowd": 0, "area": 1200},
            {"id": 2, "image_id": 2, "bbox": [50, 20, 10, 10], "category_id": 1},
        ],
    }


@pytest.fixture
def write(tmp_path):
    def write(content) -> Path:
        path = tmp_path / "set.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_expressions_on_annotations(write):
    path = write(on_annotations())
    data = load_dataset(path)
    dog = Target("a/one.jpg", (10, 20, 40, 60), 700.5, "small")
    lamp = Target("two.jpg", (0.5, 0, 50.5, 60), 3000)
    assert data.name == "set"
    assert data.images_root == path.parent / "images"
    assert data.images == [DatasetImage("a/one.jpg", 100, 80), DatasetImage("two.jpg", 60, 60)]
    assert data.queries == [
        Query("brown dog", (dog,), "attribute"),
        Query("dog on the left", (dog,), "relation"),
        Query("red lamp", (lamp,)),
    ]
    assert data.ambiguous == [Query("thing", (lamp, dog), "noun")]
    assert (data.queries[0].file_name, data.queries[0].box) == ("a/one.jpg", (10, 20, 40, 60))


def test_expressions_on_images_one_entry_an_instance(write, tmp_path):
    data = load_dataset(str(write(on_images())), images=tmp_path / "photos")
    assert data.images_root == tmp_path / "photos"
    assert data.images == [DatasetImage("one.jpg", 100, 80), DatasetImage("two.jpg", 60, 60)]
    assert [(q.text, q.file_name, q.box) for q in data.queries] == [
        ("brown dog", "one.jpg", (10, 20, 40, 60)),
        ("the dog", "one.jpg", (10, 20, 40, 60)),
        ("red lamp", "one.jpg", (50, 20, 60, 30)),
    ]
    assert data.ambiguous == []


def test_the_demo_has_a_name():
    assert [entry.name for entry in registered_datasets()] == ["demo"]
    assert find_dataset("demo").name == "demo.json"


def change(content, *path_and_value):
    *path, last, value = path_and_value
    place = content
    for step in path:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ([], "must be a JSON object, got list"),
        ({}, "the file has no 'images'"),
        ({"images": []}, "the file has no 'annotations'"),
        ({"images": [], "annotations": []}, "no 'expressions'"),
        ({"images": 3, "annotations": []}, "'images' must be a list, got 3"),
        ({"images": ["a.jpg"], "annotations": []}, r"images\[0\] must be a JSON object, got str"),
        (change(on_annotations(), "images", 0, "file_name", None), "image 1 has no 'file_name'"),
        (change(on_annotations(), "images", 0, "id", None), "an image has no 'id'"),
        (change(on_annotations(), "images", 0, "id", "1"), "'id' must be a whole number, got '1'"),
        (change(on_annotations(), "images", 0, "width", 0), "'width' must be a whole number from 1, got 0"),
        (change(on_annotations(), "images", 0, "file_name", "../x.jpg"), "leaves the images folder"),
        (change(on_annotations(), "images", 0, "file_name", "/x.jpg"), "leaves the images folder"),
        (change(on_annotations(), "images", 0, "file_name", "two.jpg"), "two.jpg is 60x60 here and 100x80 before"),
        (change(on_annotations(), "images", 1, "id", 1), "two images have the id 1"),
        (change(on_annotations(), "annotations", 1, "id", 10), "two annotations have the id 10"),
        (change(on_annotations(), "annotations", 1, "image_id", 7), "belongs to image 7, which is not listed"),
        (change(on_annotations(), "annotations", 0, "bbox", None), "annotation 10 has no 'bbox'"),
        (change(on_annotations(), "annotations", 0, "bbox", [1, 2, 3]), "four numbers"),
        (change(on_annotations(), "annotations", 0, "bbox", [1, 2, 3, float("nan")]), "four numbers"),
        (change(on_annotations(), "annotations", 0, "bbox", [1, 2, 0, 3]), "has no area"),
        (change(on_annotations(), "annotations", 0, "bbox", [100, 2, 5, 3]), "lies outside its 100x80 picture"),
        (change(on_annotations(), "annotations", 0, "expressions", "dog"), "'expressions' must be a list"),
        (change(on_annotations(), "annotations", 0, "expressions", ["dog", " "]), "must be text, got ' '"),
        (change(on_annotations(), "annotations", 0, "expression_kinds", ["a"]), "2 expressions need as many"),
        (change(on_annotations(), "annotations", 0, "size", "huge"), "small, medium, large, got 'huge'"),
        (change(on_annotations(), "ambiguous", 0, "annotation_ids", [99]), "no annotation has the id 99"),
        (change(on_annotations(), "ambiguous", 0, "annotation_ids", [11, 11]), "each once"),
        (change(on_annotations(), "ambiguous", 0, "annotation_ids", [[11]]), "must name annotations"),
        (change(on_annotations(), "ambiguous", 0, "annotation_ids", []), "must name annotations"),
        (change(on_annotations(), "ambiguous", 0, "annotation_ids", [12]), "annotation 12: bbox .* has no area"),
        (change(on_annotations(), "ambiguous", 0, "expression", None), r"ambiguous\[0\] has no 'expression'"),
        (change(on_images(), "annotations", 1, "image_id", 1), "image 1 has expressions and 2 annotations"),
        (change(on_images(), "images", 2, "expressions", ["x"]), "image 3 has expressions and 0 annotations"),
        (change(on_images(), "annotations", 0, "expressions", ["x"]), "image 1 and its annotation 1 both have"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_name(write, content, message):
    path = write(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)


def test_neither_a_file_nor_a_name(tmp_path):
    with pytest.raises(DatasetError, match=r"neither a JSON file nor the name of a data set.*demo"):
        load_dataset("dmo")
    with pytest.raises(DatasetError, match="is a folder"):
        load_dataset(tmp_path)
