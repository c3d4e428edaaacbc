"""REIRCOCO's pictures with all of COCO's boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reir.data.annotated import Annotations
from reir.data.annotations import parse_annotations
from reir.data.completion import Completion


def parse(name: str, boxes: list[list[float]], **more: Any) -> Annotations:
    content = {
        "images": [{"id": 1, "file_name": name, "width": 100, "height": 80} | more.pop("image", {})],
        "annotations": [{"id": i, "image_id": 1, "bbox": box, **more} for i, box in enumerate(boxes)],
    }
    return parse_annotations(content, Path(name))


def test_boxes_are_added_once() -> None:
    referred = parse("COCO_train2014_000000000009.jpg", [[10, 10, 20, 20]], expressions=["a dog"])
    assert not referred.complete
    detection = parse("000000000009.jpg", [[50, 50, 9, 9], [10.4, 10.2, 20, 20], [0, 0, 5, 5]])
    completion = Completion(detection)
    assert completion.covers(referred[0])
    found = completion.complete(referred[0])
    assert found.boxes.tolist() == [[10, 10, 30, 30], [50, 50, 59, 59], [0, 0, 5, 5]]
    assert found.expressions == (("a dog",), (), ())
    assert found.categories.tolist() == [-1, -1, -1]
    assert found.complete
    crowd = Completion(parse("000000000009.jpg", [[50, 50, 9, 9]], iscrowd=1)).complete(referred[0])
    assert crowd.crowd.tolist() == [False, True]


def test_pictures_that_the_other_file_does_not_have_stay_as_they_are() -> None:
    referred = parse("000000000009.jpg", [[10, 10, 20, 20]], expressions=["a dog"])
    for other in (
        parse("000000000010.jpg", [[1, 1, 9, 9]]),
        parse("dog.jpg", [[1, 1, 9, 9]]),
        parse("000000000009.jpg", [[1, 1, 9, 9]], image={"width": 90}),
    ):
        assert not Completion(other).covers(referred[0])
        assert Completion(other).complete(referred[0]) is not None
        assert len(Completion(other).complete(referred[0]).boxes) == 1
    empty = Completion(parse("000000000009.jpg", [])).complete(referred[0])
    assert (len(empty.boxes), empty.complete) == (1, True)
