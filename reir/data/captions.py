"""COCO's captions by picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reir.data.jsonfile import read_json
from reir.errors import DatasetError


def read_captions(paths: Iterable[Path]) -> dict[int, list[str]]:
    """The captions of ``captions_*.json`` files, by image id.

    Raises:
        DatasetError: a file is missing or is not of COCO's layout.
    """
    captions: dict[int, list[str]] = {}
    for path in paths:
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
            raise DatasetError(f"{path} is not of COCO's layout: it needs the list 'annotations'")
        for position, record in enumerate(content["annotations"]):
            number, text = (record.get("image_id"), record.get("caption")) if isinstance(record, dict) else (None, None)
            if not isinstance(number, int) or not isinstance(text, str):
                raise DatasetError(f"{path}: annotations[{position}] needs image_id and caption, got {record!r:.80}")
            captions.setdefault(number, []).append(text.strip())
    return captions
