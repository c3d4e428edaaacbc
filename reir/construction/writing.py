"""Writes data sets: descriptions of all instances, and expressions in the layout of REIRCOCO."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.data.jsonfile import write_text


def write_described(
    path: Path, data: AnnotatedSet, pictures: Sequence[AnnotatedPicture], info: Mapping[str, Any]
) -> None:
    """Write all instances, described or not, with ``expressions`` on the annotation: ``quality`` says what each is.

    `reir.data.load_dataset` reads the file, and so does `reading.read_annotated`.
    """
    content = {
        "info": {"step": "generated", **info},
        "images": [
            {
                "id": picture.id,
                "file_name": picture.file_name,
                "width": picture.width,
                "height": picture.height,
                "captions": list(picture.captions),
            }
            for picture in pictures
        ],
        "annotations": [_described(picture, one) for picture in pictures for one in picture.instances],
        "categories": list(data.categories),
    }
    write_json(path, content)


def _described(picture: AnnotatedPicture, instance: AnnotatedInstance) -> dict[str, Any]:
    record = _annotation(instance, picture.id) | {"quality": instance.quality}
    if instance.cause is not None:
        record["cause"] = instance.cause
    if instance.warnings:
        record["warnings"] = list(instance.warnings)
    return record | ({"expressions": list(instance.texts)} if instance.texts else {})


def write_reircoco(
    path: Path,
    data: AnnotatedSet,
    instances: Iterable[tuple[AnnotatedPicture, AnnotatedInstance]],
    info: Mapping[str, Any],
    flags: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Write REIRCOCO's layout: an image entry for each instance, with its ``expressions``, and one annotation each.

    Beside the fields of REIRCOCO an image entry keeps the picture's own id and captions, and an annotation its category
    and what was found doubtful about its expressions (``flags``).
    """
    images, annotations = [], []
    for number, (picture, instance) in enumerate(instances, start=1):
        images.append(
            {
                "id": number,
                "file_name": picture.file_name,
                "width": picture.width,
                "height": picture.height,
                "expressions": list(instance.texts),
                "source_image_id": picture.id,
                "captions": list(picture.captions),
            }
        )
        annotation = _annotation(instance, number)
        if instance.warnings:
            annotation["warnings"] = list(instance.warnings)
        if flags and instance.id in flags:
            annotation["flags"] = [dict(flag) for flag in flags[instance.id]]
        annotations.append(annotation)
    content = {
        "info": {"step": "filtered", **info},
        "images": images,
        "annotations": annotations,
        "categories": list(data.categories),
    }
    write_json(path, content)


def _annotation(instance: AnnotatedInstance, image_id: int) -> dict[str, Any]:
    """The annotation as it was read, without what other steps say about it anew."""
    ours = {"expressions", "expression_kinds", "quality", "cause", "warnings", "flags"}
    record = {key: value for key, value in instance.record.items() if key not in ours}
    return record | {
        "id": instance.id,
        "image_id": image_id,
        "category_id": record.get("category_id", 1),
        "iscrowd": int(instance.crowd),
        "area": instance.area,
    }


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False))


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one line of JSON a record, whole or not at all."""
    write_text(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
