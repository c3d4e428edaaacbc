"""Reader of COCO-style expression files.

One reader for both layouts in use:

- ``expressions`` (a list of strings) on the annotation, with ``expression_kinds`` beside it if wanted;
- one image entry for each instance with ``expressions`` on the image entry, and one annotation of that ``image_id``
  (REIRCOCO, converted RefCOCO). Entries with one ``file_name`` are one picture of the gallery.

Boxes are ``[x, y, w, h]`` in the file and xyxy in memory; ``segmentation`` is run lengths or polygons. An annotation
may say its ``size`` class. The top-level list ``ambiguous`` holds ``{"expression", "annotation_ids", "kind"}`` for
expressions that several instances satisfy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from reir.data.dataset import SIZE_CLASSES, Dataset, DatasetImage, Query, Target
from reir.data.jsonfile import read_json
from reir.data.registry import find_dataset
from reir.errors import DatasetError
from reir.geometry import xywh_to_xyxy
from reir.geometry.masks import segmentation_rle


def load_dataset(path_or_name: str | Path, *, images: Path | None = None, masks: bool = False) -> Dataset:
    """The data set of a JSON file, or of a registered name such as ``demo``.

    ``images`` is the folder that file names are relative to; by default ``images`` beside the JSON file. With
    ``masks``, targets have the true masks of their ``segmentation`` (some hundred bytes each), else none.

    Raises:
        DatasetError: there is no such file or name, or the file is malformed or contradicts itself.
    """
    path = find_dataset(path_or_name)
    content = read_json(path)
    try:
        return _Reader(content, masks=masks).dataset(path, images if images is not None else path.parent / "images")
    except _MalformedError as error:
        raise DatasetError(f"data set {path}: {error}") from None


class _MalformedError(Exception):
    """What is wrong, without the file's name."""


class _Reader:
    """One file's content, checked as it is read."""

    def __init__(self, content: Any, *, masks: bool) -> None:
        self._content = _object(content, "the file")
        self._masks = masks
        self._images: dict[str, DatasetImage] = {}
        self._entries: dict[int, Mapping[str, Any]] = {}
        self._annotations: dict[int, Mapping[str, Any]] = {}
        self._of_image: dict[int, list[int]] = {}

    def dataset(self, path: Path, images_root: Path) -> Dataset:
        for entry in _objects(self._content, "images", "the file"):
            self._read_image(entry)
        for annotation in _objects(self._content, "annotations", "the file"):
            self._read_annotation(annotation)
        queries = [
            *(query for image_id in self._entries for query in self._queries_of_entry(image_id)),
            *(query for annotation_id in self._annotations for query in self._queries_of_annotation(annotation_id)),
        ]
        ambiguous = [self._ambiguous(i, record) for i, record in enumerate(self._ambiguous_records())]
        if not queries:
            raise _MalformedError("no 'expressions', neither on its annotations nor on its images")
        return Dataset(path.stem, path, images_root, list(self._images.values()), queries, ambiguous)

    def _read_image(self, entry: Mapping[str, Any]) -> None:
        image_id = _whole(entry, "id", "an image")
        what = f"image {image_id}"
        if image_id in self._entries:
            raise _MalformedError(f"two images have the id {image_id}")
        file_name = _text(entry, "file_name", what)
        if PurePosixPath(file_name).is_absolute() or ".." in PurePosixPath(file_name).parts:
            raise _MalformedError(f"{what}: file_name {file_name!r} leaves the images folder")
        image = DatasetImage(
            str(PurePosixPath(file_name)), _whole(entry, "width", what, 1), _whole(entry, "height", what, 1)
        )
        if self._images.setdefault(image.file_name, image) != image:
            known = self._images[image.file_name]
            raise _MalformedError(
                f"{what}: {file_name} is {image.width}x{image.height} here and {known.width}x{known.height} before"
            )
        self._entries[image_id] = entry

    def _read_annotation(self, annotation: Mapping[str, Any]) -> None:
        annotation_id = _whole(annotation, "id", "an annotation")
        if annotation_id in self._annotations:
            raise _MalformedError(f"two annotations have the id {annotation_id}")
        image_id = _whole(annotation, "image_id", f"annotation {annotation_id}")
        if image_id not in self._entries:
            raise _MalformedError(f"annotation {annotation_id} belongs to image {image_id}, which is not listed")
        self._annotations[annotation_id] = annotation
        self._of_image.setdefault(image_id, []).append(annotation_id)

    def _queries_of_entry(self, image_id: int) -> list[Query]:
        expressions = _expressions(self._entries[image_id], f"image {image_id}")
        if not expressions:
            return []
        annotations = self._of_image.get(image_id, [])
        if len(annotations) != 1:
            raise _MalformedError(
                f"image {image_id} has expressions and {len(annotations)} annotations: which one is meant is not said"
            )
        if "expressions" in self._annotations[annotations[0]]:
            raise _MalformedError(f"image {image_id} and its annotation {annotations[0]} both have expressions")
        target = self._target(annotations[0])
        return [Query(text, (target,), kind) for text, kind in expressions]

    def _queries_of_annotation(self, annotation_id: int) -> list[Query]:
        expressions = _expressions(self._annotations[annotation_id], f"annotation {annotation_id}")
        if not expressions:
            return []
        target = self._target(annotation_id)
        return [Query(text, (target,), kind) for text, kind in expressions]

    def _ambiguous_records(self) -> Sequence[Mapping[str, Any]]:
        return _objects(self._content, "ambiguous", "the file") if "ambiguous" in self._content else []

    def _ambiguous(self, index: int, record: Mapping[str, Any]) -> Query:
        what = f"ambiguous[{index}]"
        text = _text(record, "expression", what)
        ids = _list(record, "annotation_ids", what)
        if not ids or not all(isinstance(number, int) for number in ids) or len(set(ids)) != len(ids):
            raise _MalformedError(f"{what}: annotation_ids must name annotations, each once, got {ids!r}")
        unknown = [number for number in ids if number not in self._annotations]
        if unknown:
            raise _MalformedError(f"{what}: no annotation has the id {unknown[0]!r}")
        kind = _text(record, "kind", what) if record.get("kind") is not None else None
        return Query(text, tuple(self._target(number) for number in ids), kind)

    def _target(self, annotation_id: int) -> Target:
        annotation, what = self._annotations[annotation_id], f"annotation {annotation_id}"
        bbox = _list(annotation, "bbox", what)
        if len(bbox) != 4 or not all(_is_number(value) for value in bbox):
            raise _MalformedError(f"{what}: bbox must be four numbers [x, y, w, h], got {bbox!r}")
        if bbox[2] <= 0 or bbox[3] <= 0:
            raise _MalformedError(f"{what}: bbox {bbox} has no area, and expressions refer to it")
        image = self._entries[annotation["image_id"]]
        x0, y0, x1, y1 = (float(value) for value in xywh_to_xyxy(bbox))
        if x0 >= image["width"] or y0 >= image["height"] or x1 <= 0 or y1 <= 0:
            raise _MalformedError(f"{what}: bbox {bbox} lies outside its {image['width']}x{image['height']} picture")
        size = annotation.get("size")
        if size is not None and size not in SIZE_CLASSES:
            raise _MalformedError(f"{what}: size must be one of {', '.join(SIZE_CLASSES)}, got {size!r}")
        area: Any = annotation.get("area")
        area = float(area) if _is_number(area) and area > 0 else float(bbox[2] * bbox[3])
        mask = self._mask(annotation, image, what) if self._masks else None
        return Target(str(PurePosixPath(image["file_name"])), (x0, y0, x1, y1), area, size, mask)

    def _mask(self, annotation: Mapping[str, Any], image: Mapping[str, Any], what: str) -> Mapping[str, Any] | None:
        try:
            return segmentation_rle(annotation.get("segmentation"), image["width"], image["height"])
        except ValueError as error:
            raise _MalformedError(f"{what}: {error}") from None


def _expressions(owner: Mapping[str, Any], what: str) -> list[tuple[str, str | None]]:
    if "expressions" not in owner:
        return []
    texts = _list(owner, "expressions", what)
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise _MalformedError(f"{what}: an expression must be text, got {text!r}")
    if owner.get("expression_kinds") is None:
        return [(text, None) for text in texts]
    kinds = _list(owner, "expression_kinds", what)
    if len(kinds) != len(texts) or not all(isinstance(kind, str) for kind in kinds):
        raise _MalformedError(f"{what}: {len(texts)} expressions need as many expression_kinds, got {kinds!r}")
    return list(zip(texts, kinds, strict=True))


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _MalformedError(f"{what} must be a JSON object, got {type(value).__name__}")
    return value


def _objects(owner: Mapping[str, Any], key: str, what: str) -> list[Mapping[str, Any]]:
    return [_object(value, f"{key}[{i}]") for i, value in enumerate(_list(owner, key, what))]


def _value(owner: Mapping[str, Any], key: str, what: str) -> Any:
    if key not in owner:
        raise _MalformedError(f"{what} has no {key!r}")
    return owner[key]


def _list(owner: Mapping[str, Any], key: str, what: str) -> list[Any]:
    value = _value(owner, key, what)
    if not isinstance(value, list):
        raise _MalformedError(f"{what}: {key!r} must be a list, got {value!r}")
    return value


def _text(owner: Mapping[str, Any], key: str, what: str) -> str:
    value = _value(owner, key, what)
    if not isinstance(value, str) or not value.strip():
        raise _MalformedError(f"{what}: {key!r} must be text, got {value!r}")
    return value


def _whole(owner: Mapping[str, Any], key: str, what: str, least: int | None = None) -> int:
    value = _value(owner, key, what)
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise _MalformedError(
            f"{what}: {key!r} must be a whole number{f' from {least}' if least else ''}, got {value!r}"
        )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
