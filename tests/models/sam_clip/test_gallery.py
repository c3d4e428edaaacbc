"""A whole gallery: the order and scores of ``Gallery.search`` beside the libraries' own parts, put together plainly.

Masks come from transformers' pipeline, captions from its ``generate``, embeddings from open_clip; the score of each
pair is V + αP + λN of TAS, equations 2 to 5, as sums of cosines. With ``REIR_PHOTOS`` set to a folder, the same is done
on the photos in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reir import Gallery
from reir.geometry.masks import decode_rle
from reir.imaging import decode_picture
from reir.text import noun_phrases
from reir.types import Array, FloatArray, Hit
from tests.imaging.orientations import STORED_AS, with_orientation
from tests.models.sam_clip.conftest import demo_files
from tests.models.sam_clip.tiny_sam import LOOSE, SIDE
from tests.models.towers.tiny_tower import DIMENSION

EXPRESSIONS = [
    "red dog on the sofa", "a cat", "left lamp", "the man in a red shirt", "big car near the tree", "blue cup", "woman",
    "the second bird from the right", "a sign on the wall", "two sheep in the grass", "old book", "boy with a kite",
    "green bag under a chair", "white plate with a cup", "horse", "black and white boat", "the small phone", "train",
    "girl sitting on a bed", "street lamp in front of the bus",
]  # fmt: skip
BLENDS: list[dict[str, float]] = [{}, {"alpha": 0.0, "lambda": 0.0}, {"alpha": 1.0, "lambda": 0.0}, {"lambda": 2.5}]
TOLERANCE = 1e-3
"""Of a score over the length of the query vector: float16 storage of some thirty numbers."""


@dataclass(frozen=True)
class Truth:
    """One picture by the libraries alone: boxes (N, 4) of the original, v and p (N, E), n (N,), masks (N, h, w)."""

    boxes: FloatArray
    crops: FloatArray
    captions: FloatArray
    negatives: FloatArray
    masks: Array

    def scores(self, queries: FloatArray, alpha: float, weight: float) -> FloatArray:
        """Scores (Q, N)."""
        return queries @ self.crops.T + alpha * (queries @ self.captions.T) + weight * self.negatives


class Libraries:
    """The parts of a folder, loaded by the libraries themselves."""

    def __init__(self, folder: Path) -> None:
        import open_clip
        import transformers

        self.pipeline: Any = transformers.pipeline("mask-generation", model=str(folder / "sam"), device="cpu")
        self.tower: Any = open_clip.create_model(f"local-dir:{folder / 'tower'}").eval()
        self.tokenizer: Any = open_clip.get_tokenizer(f"local-dir:{folder / 'tower'}")
        self.captioner: Any = transformers.BlipForConditionalGeneration.from_pretrained(folder / "captioner").eval()
        self.processor: Any = transformers.AutoProcessor.from_pretrained(folder / "captioner")

    def texts(self, texts: list[str]) -> FloatArray:
        import torch

        with torch.inference_mode():
            return self.tower.encode_text(self.tokenizer(texts), normalize=True).numpy()

    def crop(self, crop: Array) -> FloatArray:
        """The unit embedding (E,) of a crop squashed to the tower's size."""
        import torch

        side = self.tower.visual.image_size[0]
        small = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))
        mean, std = np.array(self.tower.visual.image_mean), np.array(self.tower.visual.image_std)
        pixels = torch.tensor((small / 255 - mean) / std, dtype=torch.float32).permute(2, 0, 1)
        with torch.inference_mode():
            return self.tower.encode_image(pixels[None], normalize=True)[0].numpy()

    def caption(self, pixels: Array) -> str:
        inputs = self.processor(images=Image.fromarray(pixels), return_tensors="pt")
        ids = self.captioner.generate(pixel_values=inputs["pixel_values"], max_new_tokens=30, do_sample=False)
        return self.processor.decode(ids[0], skip_special_tokens=True).strip()

    def look(self, pixels: Array, width: int, height: int, top: int = 30) -> Truth:
        image = Image.fromarray(pixels)
        found = self.pipeline(
            image,
            points_per_crop=8,
            pred_iou_thresh=0.5,
            stability_score_thresh=0.1,
            crops_nms_thresh=0.7,
            output_bboxes_mask=True,
        )
        phrases = noun_phrases(self.caption(pixels), reader="rules")
        boxes, crops, captions, negatives, masks = [], [], [], [], []
        for mask, box in zip(found["masks"][:top], found["bounding_boxes"][:top], strict=True):
            mask = np.asarray(mask)
            x0, y0, x1, y1 = (int(side) for side in box)
            x1, y1 = x1 + 1, y1 + 1  # the library's boxes end on the last pixel
            cut, inside = pixels[y0:y1, x0:x1], mask[y0:y1, x0:x1, None]
            blurred = Image.fromarray(cut).filter(ImageFilter.GaussianBlur(0.05 * max(cut.shape[:2])))
            crops.append(self.crop(np.where(inside, cut, 0)))
            captions.append(self.texts([self.caption(np.where(inside, cut, np.asarray(blurred)))])[0])
            negatives.append(-np.mean(self.texts(phrases) @ crops[-1]) if phrases else 0.0)
            boxes.append(np.array([x0, y0, x1, y1]) * np.tile([width / image.width, height / image.height], 2))
            masks.append(mask)
        rows = len(boxes)  # there may be none
        return Truth(
            np.reshape(boxes, (rows, 4)),
            np.reshape(crops, (rows, DIMENSION)),
            np.reshape(captions, (rows, DIMENSION)),
            np.reshape(negatives, rows),
            np.array(masks),
        )


def compare(root: Path, folder: Path, expressions: list[str], blends: list[dict[str, float]]) -> tuple[float, int, int]:
    """The largest difference of a score of ``Gallery.search``, how many scores there were, and near-ties swapped."""
    libraries = Libraries(folder)
    with Gallery.create(root, model=f"sam-clip:{folder},{LOOSE},reader=rules", device="cpu") as gallery:
        gallery.add([root], workers=0)
        truths = {}
        for file in sorted(path for path in root.iterdir() if path.is_file()):
            picture = decode_picture(file, max_side=gallery.model.decode_side).picture
            truths[file.name] = libraries.look(picture.pixels, picture.width, picture.height)
        count = sum(len(truth.boxes) for truth in truths.values())
        queries = libraries.texts(expressions)
        largest, scores, swapped = 0.0, 0, 0
        for blend in blends:
            alpha, weight = blend.get("alpha", 0.1), blend.get("lambda", 0.7)
            length = float(np.sqrt(1 + alpha**2 + weight**2))
            wanted = {name: truth.scores(queries, alpha, weight) for name, truth in truths.items()}
            for row, expression in enumerate(expressions):
                hits = gallery.search(expression, top=10_000, flat=True, blend=blend or None).hits
                assert len(hits) == count
                places = match(hits, truths)
                true = np.array([wanted[hit.path][row, place] for hit, place in zip(hits, places, strict=True)])
                largest = max(largest, float(np.abs(np.array([hit.score for hit in hits]) - true).max()) / length)
                assert (np.diff(true) <= 2 * TOLERANCE * length).all(), "the same order, near-ties aside"
                swapped += int((np.diff(true) > 0).sum())
                scores += len(hits)
        with gallery.reading() as snapshot:
            details = snapshot.details([hit.instance_id for hit in hits])
        for hit, place, detail in zip(hits, places, details, strict=True):
            assert (decode_rle(detail["mask"]) != truths[hit.path].masks[place]).mean() < 1e-3
    assert largest < TOLERANCE
    return largest, scores, swapped


def match(hits: tuple[Hit, ...], truths: dict[str, Truth]) -> list[int]:
    """The mask of its picture that each hit is, by its box; every mask once."""
    taken: set[tuple[str, int]] = set()
    places = []
    for hit in hits:
        distances = np.abs(truths[hit.path].boxes - np.array(hit.box)).max(axis=1)
        place = next(int(place) for place in np.argsort(distances) if (hit.path, int(place)) not in taken)
        assert distances[place] < 0.05 + 1e-4 * max(hit.width, hit.height)
        taken.add((hit.path, place))
        places.append(place)
    assert len(taken) == sum(len(truth.boxes) for truth in truths.values())
    return places


def test_the_demo_gallery_is_ranked_as_by_the_libraries(captioned: Path, tmp_path: Path) -> None:
    for file in demo_files(6):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    largest, scores, swapped = compare(tmp_path, captioned, EXPRESSIONS[:8], BLENDS)
    assert scores > 6 * 4 * 8 * len(BLENDS)
    assert swapped < scores / 20
    assert largest > 0, "stored in half precision"


def test_boxes_and_masks_of_turned_pictures_are_on_the_same_pixels(parts: Path, tmp_path: Path) -> None:
    upright = Image.open(demo_files(3)[2]).convert("RGB").resize((SIDE, SIDE * 9 // 16))  # decoded as it is
    upright.save(tmp_path / "1.png")
    for orientation, stored in STORED_AS.items():
        upright.transpose(stored).save(tmp_path / f"{orientation}.png", exif=with_orientation(orientation))
    with Gallery.create(tmp_path, model=f"sam-clip:{parts},{LOOSE}", device="cpu") as gallery:
        gallery.add([tmp_path], workers=0)
        hits = gallery.search("a cat", top=10_000, flat=True).hits
        with gallery.reading() as snapshot:
            details = snapshot.details([hit.instance_id for hit in hits])
    found: dict[str, dict[tuple[int, ...], Any]] = {}
    for hit, detail in zip(hits, details, strict=True):
        assert (hit.width, hit.height) == upright.size
        found.setdefault(hit.path, {})[tuple(round(side) for side in hit.box)] = detail["mask"]
    assert len(found) == 8
    assert len(found["1.png"]) > 3
    # Turned pixels are the same pixels: boxes and masks agree to the last one.
    for path, masks in found.items():
        assert masks == found["1.png"], path


@pytest.mark.slow
def test_photos_are_ranked_as_by_the_libraries(
    captioned: Path, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    photos = os.environ.get("REIR_PHOTOS")
    if photos is None:
        pytest.skip("REIR_PHOTOS names no folder of photos")
    files = sorted(path for path in Path(photos).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    assert len(files) >= 30
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    largest, scores, swapped = compare(tmp_path, captioned, EXPRESSIONS, BLENDS)
    record_property("difference", largest)
    print(f"\n{len(files)} photos, {scores} scores, largest difference {largest:.2e}, {swapped} near-ties swapped")
