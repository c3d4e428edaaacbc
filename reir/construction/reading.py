"""Reads annotated pictures from COCO files: plain ones, those of ``reir data generate``, and REIRCOCO's layout.

`reir.data.annotations` reads the same files for training, in columns and without ids; here every annotation keeps its
own record, for it goes into the next file whole.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet, Quality, Step, says_poor
from reir.data.captions import read_captions
from reir.data.jsonfile import read_json
from reir.errors import DatasetError
from reir.types import Box


def read_annotated(path: Path, *, images: Path | None = None, captions: Path | None = None) -> AnnotatedSet:
    """The annotated pictures of a COCO file, by image id; instances in the order of the file.

    Image entries with one ``file_name`` are one picture (REIRCOCO has an entry for each instance). Captions stand in a
    captions file of COCO, or as ``captions`` on the image entry. Expressions stand on the annotation or on its image
    entry; the paper's sentence for a poor instance is understood.

    Args:
        path: ``instances_*.json`` or a file that reir has written.
        images: the folder that file names are relative to; by default ``images`` beside the file.
        captions: ``captions_*.json``.

    Raises:
        DatasetError: a file is missing, is no JSON, or contradicts itself.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DatasetError(f"{path} must hold a JSON object, got {type(content).__name__}")
    told = read_captions([captions]) if captions is not None else {}
    try:
        return _read(path, images or path.parent / "images", content, told)
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} is no annotation file of COCO: {_missing(error)}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None


def _missing(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _read(path: Path, root: Path, content: Mapping[str, Any], told: Mapping[int, list[str]]) -> AnnotatedSet:
    names = {category["id"]: str(category["name"]) for category in content.get("categories", ())}
    entries: dict[int, Mapping[str, Any]] = {}
    first: dict[str, int] = {}
    for entry in content["images"]:
        if entry["id"] in entries:
            raise ValueError(f"two images have the id {entry['id']}")
        name = PurePosixPath(entry["file_name"])
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"image {entry['id']}: file_name {entry['file_name']!r} leaves the images folder")
        entries[entry["id"]] = entry
        first.setdefault(str(name), entry["id"])
    instances: dict[str, dict[int, AnnotatedInstance]] = {}
    seen: set[int] = set()
    for record in content["annotations"]:
        if record["id"] in seen:
            raise ValueError(f"two annotations have the id {record['id']}")
        seen.add(record["id"])
        if record["image_id"] not in entries:
            raise ValueError(f"annotation {record['id']} belongs to image {record['image_id']}, which is not listed")
        entry = entries[record["image_id"]]
        instance = _instance(record, entry, names)
        instances.setdefault(str(PurePosixPath(entry["file_name"])), {})[instance.id] = instance
    pictures = []
    for file_name, image_id in sorted(first.items(), key=lambda item: item[1]):
        entry = entries[image_id]
        pictures.append(
            AnnotatedPicture(
                id=int(entry.get("source_image_id", image_id)),
                file_name=file_name,
                width=int(entry["width"]),
                height=int(entry["height"]),
                captions=_list(entry.get("captions") or told.get(image_id)),
                instances=tuple(instances.get(file_name, {}).values()),
            )
        )
    digest = hashlib.sha256(json.dumps([content, told], sort_keys=True).encode()).hexdigest()[:16]
    categories = tuple(content.get("categories", ()))
    return AnnotatedSet(path, root, digest, tuple(pictures), categories, _step(content.get("info"), pictures))


def _step(info: Any, pictures: Iterable[AnnotatedPicture]) -> Step:
    said = info.get("step") if isinstance(info, dict) else None
    steps: tuple[Step, ...] = get_args(Step)
    for step in steps:
        if said == step:
            return step
    # An expressions file of others has nothing left to be generated.
    return "filtered" if any(one.texts for picture in pictures for one in picture.instances) else "annotated"


def _instance(record: Mapping[str, Any], entry: Mapping[str, Any], names: Mapping[int, str]) -> AnnotatedInstance:
    box = _box(record, entry)
    texts = _list(record.get("expressions") or entry.get("expressions"))
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"annotation {record['id']}: an expression must be text, got {texts!r}")
    quality: Quality = record.get("quality") or ("good" if texts else "unasked")
    if any(says_poor(text) for text in texts):
        texts, quality = tuple(text for text in texts if not says_poor(text)), "poor"
    area = record.get("area")
    category = record.get("category_id")
    return AnnotatedInstance(
        id=int(record["id"]),
        box=box,
        category=names.get(category, "object") if category is not None else "object",
        area=float(area) if area else (box[2] - box[0]) * (box[3] - box[1]),
        crowd=bool(record.get("iscrowd", 0)),
        texts=texts,
        quality=quality,
        cause=record.get("cause"),
        warnings=tuple(record.get("warnings") or ()),
        record=record,
    )


def _list(texts: Any) -> tuple[Any, ...]:
    """Several texts, or one that stands without a list."""
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def _box(record: Mapping[str, Any], entry: Mapping[str, Any]) -> Box:
    bbox = record["bbox"]
    if len(bbox) != 4 or not all(isinstance(number, int | float) and math.isfinite(number) for number in bbox):
        raise ValueError(f"annotation {record['id']}: bbox must be four numbers [x, y, w, h], got {bbox!r}")
    x, y, width, height = (float(number) for number in bbox)
    right, bottom = float(entry["width"]), float(entry["height"])
    return (min(max(x, 0.0), right), min(max(y, 0.0), bottom), min(x + width, right), min(y + height, bottom))
