"""A whole gallery: the order and scores of ``Gallery.search`` beside transformers' own forward and post-processing.

With ``REIR_PHOTOS`` set to a folder, the same is done on the photos in it, none of them larger than 640 pixels.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from reir import Gallery
from reir.imaging import SUFFIXES
from reir.types import Array
from tests.models.owl.conftest import Reference
from tests.models.owl.tiny_owl import FAMILIES, NAMES, make_owl_folder

SIDE = 320
"""Side of the network's input: pictures up to twice as large are decoded as they are, so nothing but reir differs."""

EXPRESSIONS = [
    "a red car", "dog", "the man on the left", "a white cup on the table", "tree", "two birds", "the largest horse",
    "person in a blue jacket", "bicycle leaning against a wall", "a slice of pizza", "the clock over the door", "sheep",
    "a child with an umbrella", "yellow bus", "boat on the water", "the cat that lies on the sofa", "traffic light",
    "an old wooden chair", "woman with a hat", "the second bottle from the right",
]  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """What was compared, and how far apart it was."""

    pictures: int
    hits: int
    largest_difference: float
    near_ties: int
    """Neighbouring hits whose order is the other way round by the library's numbers, within what rounding can do."""


def compare(root: Path, folder: Path, family: str, db: Path) -> Agreement:
    """Index a folder of pictures, search it, and hold every hit against the library's own numbers."""
    gallery = Gallery.create(root, db=db, model=f"{NAMES[family]}:{folder}", device="cpu")
    gallery.add([root], workers=0)
    reference = Reference.load(folder, family)
    logits: dict[str, Array] = {}
    boxes: dict[str, Array] = {}
    for path in sorted(path for path in root.iterdir() if path.is_file()):
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        logits[path.name], found = reference.logits_and_boxes(np.asarray(image), EXPRESSIONS, size=image.size)
        boxes[path.name] = np.clip(found, 0, [*image.size, *image.size])
    instances = gallery.info().instances
    largest, near_ties = 0.0, 0
    queries = gallery.model.encode(EXPRESSIONS)
    for number, expression in enumerate(EXPRESSIONS):
        hits = gallery.search(expression, flat=True, top=instances).hits
        assert len(hits) == instances, "every kept instance is ranked"
        true = np.empty(len(hits))
        for place, hit in enumerate(hits):
            distances = np.abs(boxes[hit.path] - np.array(hit.box)).max(axis=1)
            nearest = np.sort(distances)[:2]
            assert nearest[0] < 5e-3, "boxes in pixels of the upright picture"
            assert nearest[1] > 5e-2
            true[place] = logits[hit.path][distances.argmin(), number]
        with gallery.reading() as snapshot:
            vectors = snapshot.instances([hit.instance_id for hit in hits]).vectors.astype(np.float32)
        # Stored vectors are rounded to float16, 11 bits a component; nothing else may differ but float32's last bits.
        bound = 1.01 * 2.0**-11 * (np.abs(vectors) @ np.abs(queries[number])) + 2e-5
        difference = np.abs(np.array([hit.score for hit in hits]) - true)
        assert (difference <= bound).all()
        assert (np.diff(true) <= bound[:-1] + bound[1:]).all(), "the same order, near-ties aside"
        largest = max(largest, float(difference.max()))
        near_ties += int((np.diff(true) > 0).sum())
        assert true.std() > 50 * bound.max(), "the scores differ by much more than that"
    gallery.close()
    return Agreement(len(boxes), instances * len(EXPRESSIONS), largest, near_ties)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {
        family: make_owl_folder(tmp_path_factory.mktemp(family), family, image_side=SIDE, patch=32)
        for family in FAMILIES
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_search_of_the_demo_gallery_ranks_as_the_library_does(folders, family, tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    for number, source in enumerate(sorted(demo_images())[:30]):
        if number % 6:
            shutil.copy(source, root)
        else:  # As a camera that was turned writes it.
            exif = Image.Exif()
            exif[0x112] = 1 + number // 6 + 3
            Image.open(source).save(root / f"turned-{number}.png", exif=exif)
    agreement = compare(root, folders[family], family, tmp_path / "db")
    print(agreement)
    assert agreement.pictures == 30
    assert agreement.hits > 30 * 10 * len(EXPRESSIONS)
    assert agreement.near_ties < agreement.hits / 10


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_search_of_photos_ranks_as_the_library_does(folders, family, tmp_path):
    if "REIR_PHOTOS" not in os.environ:
        pytest.skip("needs a folder of photos: REIR_PHOTOS=FOLDER")
    root = tmp_path / "pictures"
    root.mkdir()
    for photo in Path(os.environ["REIR_PHOTOS"]).iterdir():
        if photo.suffix.lower() in SUFFIXES:
            shutil.copy(photo, root)
    agreement = compare(root, folders[family], family, tmp_path / "db")
    print(agreement)
    assert agreement.pictures >= 30
    assert agreement.near_ties < agreement.hits / 10


def demo_images() -> list[Path]:
    return list(Path(str(resources.files("reir") / "data" / "demo" / "images")).iterdir())
