"""The pictures of any COCO-style file as training and checks take them: boxes, categories, expressions by object.

Where ``load_dataset`` reads expressions for an evaluation and refuses a file that contradicts itself, this reader takes
every annotated object, referred to or not, and keeps a list of what is wrong with the others. It reads:

- COCO detection (``instances_*.json``): boxes with categories, no expressions;
- ``expressions`` on the annotation (the files that ``reir data convert`` and ``reir data synth`` write);
- one image entry for each instance with ``expressions`` on the entry (REIRCOCO); entries with one ``file_name`` are
  one picture.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from reir.data.annotated import AnnotatedObject, Annotations, Issue, IssueKind, same_text
from reir.data.jsonfile import read_json
from reir.data.registry import find_dataset
from reir.errors import DatasetError

POOR: Final = "instance quality is poor"
"""What REIRCOCO's makers had their models answer where an object cannot be described (paper, appendix B.2)."""
_LARGEST: Final = sys.float_info.max
OUTSIDE_SLACK: Final = 1.0
"""Pixels that a box may stand out of its picture before it is worth telling: annotators' rounding."""


def read_annotations(path_or_name: str | Path, *, complete: bool | None = None) -> Annotations:
    """The pictures of a COCO-style JSON file, or of a registered name, with what is wrong in it as ``issues``.

    ``complete`` says whether every object has its box; by default it is what the file says (``info.boxes``: ``all`` or
    ``referred``), else true of files without expressions and of those with objects that no expression refers to.

    Raises:
        DatasetError: there is no such file or name, or it is no COCO-style JSON at all.
    """
    path = find_dataset(path_or_name)
    return parse_annotations(read_json(path), path, complete=complete)


def parse_annotations(content: Any, path: Path, *, complete: bool | None = None) -> Annotations:
    """The pictures of a file's content that is read already; ``path`` names it.

    Raises:
        DatasetError: it is no COCO-style JSON at all.
    """
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    ):
        raise DatasetError(f"data set {path} is not of COCO's layout: it needs the lists 'images' and 'annotations'")
    return _Reader(content).read(path, complete)


class _Reader:
    """One file's content; what is wrong is noted, and left out."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._issues: list[Issue] = []
        self._category_index: dict[int, int] = {}
        self._names: list[str] = []
        self._entries: dict[int, Mapping[str, Any]] = {}
        self._pictures: dict[str, tuple[int, int, list[AnnotatedObject]]] = {}

    def read(self, path: Path, complete: bool | None) -> Annotations:
        self._read_categories()
        for position, entry in enumerate(self._content["images"]):
            self._read_image(position, entry)
        by_entry: dict[int, list[Mapping[str, Any]]] = {}
        known: set[int] = set()
        for position, annotation in enumerate(self._content["annotations"]):
            image_id = self._image_of(position, annotation, known)
            if image_id is not None:
                by_entry.setdefault(image_id, []).append(annotation)
        referred = total = 0
        for image_id, entry in self._entries.items():
            of_entry = _texts(entry)
            annotations = by_entry.get(image_id, [])
            if of_entry and len(annotations) != 1:
                cause = f"has expressions and {len(annotations)} annotations: which one is meant is not said"
                self._note("malformed", f"image {image_id}", cause)
                of_entry = []
            found = self._pictures[_name(entry)][2]
            for annotation in annotations:
                item = self._object(annotation, entry, of_entry or _texts(annotation))
                if item is not None:
                    found.append(item)
                    total += 1
                    referred += bool(item.texts)
        info = self._content.get("info")
        info = info if isinstance(info, dict) else {}
        if complete is None:
            told = info.get("boxes")
            complete = told == "all" if told in ("all", "referred") else not referred or referred < total
        split = info.get("split")
        return Annotations(
            path.stem,
            path,
            self._pictures,
            categories=self._names,
            complete=complete,
            split=split if isinstance(split, str) else None,
            issues=self._issues,
        )

    def _note(self, kind: IssueKind, where: str, what: str) -> None:
        self._issues.append(Issue(kind, where, what))

    def _read_categories(self) -> None:
        categories = self._content.get("categories") or []
        if not isinstance(categories, list):
            self._note("malformed", "categories", f"must be a list, got {type(categories).__name__}")
            categories = []
        for position, category in enumerate(categories):
            where = f"categories[{position}]"
            if not isinstance(category, dict) or not _is_whole(category.get("id")):
                self._note("malformed", where, f"has no whole number as id: {category!r}")
            elif not isinstance(category.get("name"), str) or not category["name"].strip():
                self._note("malformed", where, f"has no name: {category!r}")
            elif category["id"] in self._category_index:
                self._note("malformed", where, f"repeats the id {category['id']}")
            else:
                self._category_index[category["id"]] = len(self._names)
                self._names.append(category["name"].strip())

    def _read_image(self, position: int, entry: Any) -> None:
        where = f"images[{position}]"
        if not isinstance(entry, dict) or not _is_whole(entry.get("id")):
            self._note("malformed", where, "has no whole number as id")
            return
        where = f"image {entry['id']}"
        name, width, height = entry.get("file_name"), entry.get("width"), entry.get("height")
        if entry["id"] in self._entries:
            self._note("malformed", where, "another image has this id")
        elif not isinstance(name, str) or not name.strip():
            self._note("malformed", where, f"file_name must be text, got {name!r}")
        elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            self._note("malformed", where, f"file_name {name!r} leaves the images folder")
        elif not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
            self._note("malformed", where, f"width and height must be whole numbers from 1, got {width!r}, {height!r}")
        elif self._pictures.setdefault(_name(entry), (width, height, []))[:2] != (width, height):
            before = self._pictures[_name(entry)]
            self._note("malformed", where, f"{name} is {width}x{height} here and {before[0]}x{before[1]} before")
        else:
            self._entries[entry["id"]] = entry

    def _image_of(self, position: int, annotation: Any, known: set[int]) -> int | None:
        if not isinstance(annotation, dict) or not _is_whole(annotation.get("id")):
            self._note("malformed", f"annotations[{position}]", "has no whole number as id")
            return None
        number, image_id = annotation["id"], annotation.get("image_id")
        if number in known:
            self._note("malformed", f"annotation {number}", "another annotation has this id")
        elif not isinstance(image_id, int) or image_id not in self._entries:
            self._note("malformed", f"annotation {number}", f"belongs to image {image_id!r}, which is not listed")
        else:
            known.add(number)
            return image_id
        return None

    def _object(
        self, annotation: Mapping[str, Any], entry: Mapping[str, Any], texts: list[Any]
    ) -> AnnotatedObject | None:
        where = f"annotation {annotation['id']}"
        bbox = annotation.get("bbox")
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
            self._note("malformed", where, f"bbox must be four numbers [x, y, w, h], got {bbox!r}")
            return None
        cause = mask_fault(annotation.get("segmentation"), entry["width"], entry["height"])
        if cause:
            self._note("malformed", where, f"segmentation {cause}")
        x, y, w, h = bbox
        if w <= 0 or h <= 0:
            self._note("no area", where, f"bbox {bbox}")
            return None
        width, height = entry["width"], entry["height"]
        box = (max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height)))
        if box[2] <= box[0] or box[3] <= box[1]:
            self._note("outside", where, f"bbox {bbox} lies outside its {width}x{height} picture")
            return None
        if min(x, y) < -OUTSIDE_SLACK or x + w > width + OUTSIDE_SLACK or y + h > height + OUTSIDE_SLACK:
            self._note("outside", where, f"bbox {bbox} stands out of its {width}x{height} picture")
        category = -1
        if self._category_index:
            number = annotation.get("category_id")
            category = self._category_index.get(number, -1) if isinstance(number, int) else -1
            if category < 0:
                self._note("malformed", where, f"category {annotation.get('category_id')!r} is not listed")
        crowd = annotation.get("iscrowd", 0)
        if crowd not in (0, 1):
            self._note("malformed", where, f"iscrowd must be 0 or 1, got {crowd!r}")
        return AnnotatedObject(box, category, crowd == 1, self._kept(texts, where))

    def _kept(self, texts: list[Any], where: str) -> tuple[str, ...]:
        kept: dict[str, str] = {}
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                self._note("malformed", where, f"an expression must be text, got {text!r}")
            elif same_text(text) == POOR:
                self._note("poor", where, "its instance is marked as poor")
            elif same_text(text) in kept:
                self._note("duplicate", where, repr(text))
            else:
                kept[same_text(text)] = text.strip()
        return tuple(kept.values())


def mask_fault(segmentation: Any, width: int, height: int) -> str | None:
    """What is wrong with COCO polygons or run lengths of a picture of this size; None where nothing is."""
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, list):
        for polygon in segmentation:
            if (
                not isinstance(polygon, list)
                or len(polygon) < 6
                or len(polygon) % 2
                or not all(map(_is_number, polygon))
            ):
                return "has a polygon that is not a list of at least three points x, y"
        return None
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), str | list):
        return "is neither polygons nor run lengths"
    if segmentation.get("size") != [height, width]:
        return f"is of the size {segmentation.get('size')!r}, the picture of [{height}, {width}]"
    counts = segmentation["counts"]
    if isinstance(counts, list) and not all(_is_whole(count) for count in counts):
        return "has run lengths that are no whole numbers"
    if isinstance(counts, list) and sum(counts) != width * height:
        return f"adds up to {sum(counts)} pixels, the picture has {width * height}"
    return None


def _texts(owner: Mapping[str, Any]) -> list[Any]:
    texts = owner.get("expressions", [])
    return texts if isinstance(texts, list) else [texts]


def _name(entry: Mapping[str, Any]) -> str:
    return str(PurePosixPath(entry["file_name"]))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    # Compared, not asked whether it is finite: a whole number may be too large for that.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
