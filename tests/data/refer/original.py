"""RefCOCO in small, in the files and the layout of the original: a pickle as Python 2 wrote it beside a COCO file."""

from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]
IMAGES = {581857: "train", 581563: "val", 581909: "testA", 581921: "train"}
REFERENCES = [
    # ref_id, ann_id, image_id, split, sentences
    (0, 1719310, 581857, "train", ["Navy blue shirt!", "woman back in blue"]),
    (1, 1719311, 581857, "train", ["woman in gray shirt facing camera on right"]),
    (2, 479126, 581563, "val", ["bottom left dog", "d\u00f6g left", "left dog"]),
    (3, 479127, 581909, "testA", ["man"]),
    (4, 479128, 581921, "train", ["lady with the dog"]),
]


class Python2Pickler(pickle._Pickler):
    """Texts as the byte strings of Python 2, which Python 3 no longer writes."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_str(self, text: str) -> None:
        encoded = text.encode("utf-8")
        self.write(pickle.BINSTRING + struct.pack("<i", len(encoded)) + encoded)  # type: ignore[attr-defined]
        self.memoize(text)  # type: ignore[attr-defined]

    dispatch[str] = save_str


def python2_pickle(value: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def references() -> list[dict[str, Any]]:
    records, sent_id = [], 0
    for ref_id, ann_id, image_id, split, texts in REFERENCES:
        sentences = []
        for raw in texts:
            sent = raw.lower().strip("!")
            sentences.append({"tokens": sent.split(), "raw": raw, "sent_id": sent_id, "sent": sent})
            sent_id += 1
        records.append(
            {
                "ref_id": ref_id,
                "ann_id": ann_id,
                "category_id": 18 if "dog" in texts[-1] else 1,
                "image_id": image_id,
                "split": split,
                "sentences": sentences,
                "file_name": f"COCO_train2014_{image_id:012d}_{ref_id}.jpg",
                "sent_ids": [sentence["sent_id"] for sentence in sentences],
            }
        )
    return records


def instances() -> dict[str, Any]:
    annotations = [
        {
            "id": ann_id,
            "image_id": image_id,
            "category_id": 1,
            "bbox": [10.5 * (1 + ref_id % 2), 20.0, 30.0, 40.0],
            "area": 1200.0,
            "iscrowd": 0,
            "segmentation": [[10.5, 20.0, 40.5, 20.0, 40.5, 60.0]],
        }
        for ref_id, ann_id, image_id, _, _ in REFERENCES
    ]
    annotations += [
        {"id": 7, "image_id": 581857, "category_id": 18, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
        {
            "id": 8,
            "image_id": 581563,
            "category_id": 1,
            "bbox": [0, 0, 100, 80],
            "area": 8000,
            "iscrowd": 1,
            "segmentation": {"size": [80, 100], "counts": [0, 8000]},
        },
    ]
    images = [
        {"id": number, "file_name": f"COCO_train2014_{number:012d}.jpg", "width": 100, "height": 80, "license": 1}
        for number in IMAGES
    ]
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": CATEGORIES}


def write_original(folder: Path, *, name: str = "refcoco", splitter: str = "unc") -> Path:
    """``folder/NAME/refs(SPLITTER).p`` with its ``instances.json``, and the pictures in ``folder/train2014``."""
    (folder / name).mkdir()
    refs = folder / name / f"refs({splitter}).p"
    refs.write_bytes(python2_pickle(references()))
    (folder / name / "instances.json").write_text(json.dumps(instances()))
    (folder / "train2014").mkdir(exist_ok=True)
    for i, number in enumerate(IMAGES):
        Image.new("RGB", (100, 80), (60 * i, 50, 50)).save(folder / "train2014" / f"COCO_train2014_{number:012d}.jpg")
    return refs
