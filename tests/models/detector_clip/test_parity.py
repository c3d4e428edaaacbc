"""Searches against torchvision's own forward pass and open_clip's own encoders, over whole galleries.

Both sides get the same decoded pixels. Everything behind them is computed anew here: detection by torchvision's own
``forward``, suppression by ``reir.geometry``, crops by Pillow, transform and encoders by open_clip.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from PIL import Image

from reir.gallery import Gallery
from reir.geometry import iou_matrix, nms
from reir.geometry.masks import decode_rle
from reir.imaging.decode import decode_picture
from reir.models import load_model
from reir.models.detector_clip.detector import DetectorConfig, load_detector
from reir.models.detector_clip.scores import TEMPLATES
from reir.types import FloatArray, IntArray, Picture
from tests.imaging.orientations import STORED_AS, with_orientation
from tests.models.detector_clip.tiny_detector import (
    CLASSES,
    SIZE,
    WEIGHTS,
    noise_picture,
    save_tiny_detector,
    save_tiny_model,
)
from tests.models.towers.tiny_tower import save_tiny_tower

TOLERANCE = 1e-3
"""Vectors are stored in float16: each number of a unit vector is off by 2^-12 of its size at most."""

EXPRESSIONS = [
    *("a red dog", "the cat on the sofa", "woman with a blue bag", "small car left of a tree", "yellow lamp"),
    *("man in a green coat", "the tall building", "a plate of food", "bicycle near the wall", "white horse"),
    *("the boat in the water", "a sign with letters", "child holding a ball", "open window", "the darkest chair"),
    *("two people talking", "flowers in a vase", "a bird on a branch", "the largest bottle", "train at the station"),
]
BLENDS = [{"lambda": 0.7, "tau": 0.07}, {"lambda": 0.2, "tau": 1.0}]


@dataclass(frozen=True)
class Truth:
    """All instances of a gallery as the libraries themselves give them."""

    paths: list[str]
    boxes: FloatArray
    objectness: FloatArray
    cosines: FloatArray
    """(Q, N), for rpn-clip the mean over the templates."""
    clear: npt.NDArray[np.bool_]
    """Whose edges do not lie so near the border of a pixel that rounding decides whether the crop takes it in."""

    def scores(self, kind: str, blend: dict[str, float]) -> FloatArray:
        if kind == "rcnn-clip":
            return self.cosines
        share, tau = blend["lambda"], blend["tau"]
        return share * self.cosines / tau + (1 - share) * self.objectness


@pytest.fixture(scope="module", params=["rcnn-clip", "rpn-clip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, save_tiny_model(tmp_path_factory.mktemp(request.param), kind=request.param)


def test_the_demo_gallery_is_ranked_as_by_the_libraries(folder, tmp_path):
    demo = resources.files("reir.data") / "demo" / "images"
    _copy(sorted(Path(str(demo)).iterdir())[:12], tmp_path)
    _compare(*folder, tmp_path, EXPRESSIONS[:6])


def test_photos_are_ranked_as_by_the_libraries(folder, tmp_path, record_property):
    photos = os.environ.get("REIR_PHOTOS")
    if photos is None:
        pytest.skip("REIR_PHOTOS names no folder of photos")
    files = sorted(path for path in Path(photos).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    assert len(files) >= 30
    _copy(files, tmp_path)
    difference, pairs = _compare(*folder, tmp_path, EXPRESSIONS)
    record_property("difference", difference)
    print(f"\n{folder[0]}: {len(files)} photos, {pairs} scores, largest difference {difference:.2e}")


def _copy(files: list[Path], root: Path) -> None:
    for file in files:
        (root / file.name).write_bytes(file.read_bytes())


def _compare(kind: str, folder: Path, root: Path, expressions: list[str]) -> tuple[float, int]:
    """The largest difference between a score of ``Gallery.search`` and the libraries' own, and how many there were."""
    with Gallery.create(root, model=str(folder), device="cpu") as gallery:
        gallery.add([root])
        truth = _by_the_libraries(kind, folder, root, expressions, gallery.model.decode_side)
        largest, pairs = 0.0, 0
        for blend in BLENDS if kind == "rpn-clip" else [{}]:
            wanted = truth.scores(kind, blend)
            for row, expression in zip(wanted, expressions, strict=True):
                hits = gallery.search(expression, top=10_000, flat=True, blend=blend or None).hits
                assert len(hits) == len(truth.paths)
                rows = _match(hits, truth)
                scale = max(1.0, float(np.abs(row).max()))
                got = np.array([hit.score for hit in hits])[truth.clear[rows]]
                rows = rows[truth.clear[rows]]
                largest = max(largest, float(np.abs(got - row[rows]).max()) / scale)
                # Best first by the libraries' scores too, near-ties exempt.
                assert (np.diff(row[rows]) <= 2 * TOLERANCE * scale).all()
                pairs += len(hits)
    assert largest < TOLERANCE
    assert truth.clear.mean() > 0.95
    assert len({hit.path for hit in hits}) > 1
    return largest, pairs


def _match(hits: Any, truth: Truth) -> IntArray:
    """The row of the truth that each hit is, by picture and box; every row once."""
    by_path: dict[str, list[int]] = {}
    for row, path in enumerate(truth.paths):
        by_path.setdefault(path, []).append(row)
    rows = []
    for hit in hits:
        candidates = by_path[hit.path]
        distances = np.abs(truth.boxes[candidates] - np.array(hit.box)).max(axis=1)
        assert distances.min() < 0.05
        rows.append(candidates[int(distances.argmin())])
    assert sorted(rows) == list(range(len(truth.paths)))
    return np.array(rows)


@torch.inference_mode()
def _by_the_libraries(kind: str, folder: Path, root: Path, expressions: list[str], side: int) -> Truth:
    config = DetectorConfig("fasterrcnn_small", classes=CLASSES, min_size=SIZE, max_size=2 * SIZE)
    detector = load_detector(config, folder / WEIGHTS)
    # Torchvision measures its strides on the first picture that it sees; a square one shows them as they are.
    detector([torch.zeros(3, SIZE, SIZE)])
    model, _, transform = open_clip.create_model_and_transforms(
        f"local-dir:{folder / 'tower'}", image_resize_mode="squash"
    )
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder / 'tower'}")
    templates = ("{}",) if kind == "rcnn-clip" else TEMPLATES
    texts = torch.stack(
        [model.eval().encode_text(tokenizer([t.format(e) for t in templates]), normalize=True) for e in expressions]
    )
    paths, boxes, objectness, cosines, clear = [], [], [], [], []
    for path in sorted(root.iterdir()):
        if not path.is_file():
            continue
        picture = decode_picture(path, side).picture
        found, scores = _detect(kind, detector, picture)
        if not len(found):
            continue
        scale = np.array([picture.width / picture.pixels.shape[1], picture.height / picture.pixels.shape[0]] * 2)
        image = Image.fromarray(picture.pixels)
        # Every pixel that a box touches by more than its rounding.
        shifted = found + np.array([1e-3, 1e-3, -1e-3, -1e-3])
        corners = np.concatenate([np.floor(shifted[:, :2]), np.ceil(shifted[:, 2:])], axis=1)
        clear.append((np.abs(shifted - np.round(shifted)) > 4e-4).all(axis=1))
        crops = [image.crop(tuple(row)) for row in corners.tolist()]
        embeddings = model.encode_image(torch.stack([transform(crop) for crop in crops]), normalize=True)
        paths += [path.name] * len(found)
        boxes.append(found * scale)
        objectness.append(scores)
        cosines.append(torch.einsum("qte,ne->qn", texts, embeddings).numpy() / len(templates))
    return Truth(
        paths, np.concatenate(boxes), np.concatenate(objectness), np.concatenate(cosines, axis=1), np.concatenate(clear)
    )


def _detect(kind: str, detector: Any, picture: Picture) -> tuple[FloatArray, FloatArray]:
    """The best thirty boxes in pixels of the decoded picture, and their scores."""
    pixels = torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1) / 255
    if kind == "rcnn-clip":
        (found,) = detector([pixels])
        boxes, scores = found["boxes"].numpy(), found["scores"].numpy()
        limit = 0.5
    else:
        seen: list[Any] = []
        filtering = detector.rpn.filter_proposals
        detector.rpn.filter_proposals = lambda *given: seen.append(filtering(*given)) or seen[-1]
        detector([pixels])
        detector.rpn.filter_proposals = filtering
        (boxes,), (scores,) = (torch.stack(list(values)).numpy() for values in seen[0])
        images, _ = detector.transform([pixels])
        height, width = images.image_sizes[0]
        boxes = boxes[:120] * np.array([pixels.shape[2] / width, pixels.shape[1] / height] * 2, dtype=np.float32)
        scores, limit = scores[:120], 0.7
    kept = nms(boxes, scores, limit)[:30]
    return boxes[kept], scores[kept]


def test_boxes_land_on_the_same_pixels_whatever_the_orientation(folder, tmp_path):
    upright = noise_picture(3, width=180, height=140)
    image = Image.fromarray(upright.pixels)
    model = load_model(str(folder[1]), device="cpu")
    (expected,) = model.extract([upright])
    assert len(expected) > 3
    for orientation, stored in STORED_AS.items():
        path = tmp_path / f"{orientation}.png"
        image.transpose(stored).save(path, exif=with_orientation(orientation))
        (got,) = model.extract([decode_picture(path, model.decode_side).picture])
        np.testing.assert_array_equal(got.boxes, expected.boxes)
        np.testing.assert_array_equal(got.vectors, expected.vectors)


def test_boxes_of_a_picture_decoded_small_are_those_of_the_original(folder):
    """The same pixels as the whole of an original, and as a reduction of one four times as large."""
    small = noise_picture(4)
    model = load_model(str(folder[1]), device="cpu")
    large = Picture(small.pixels, 4 * small.width, 4 * small.height)
    (own,), (reduced,) = model.extract([small]), model.extract([large])
    np.testing.assert_allclose(reduced.boxes, 4 * own.boxes, atol=1e-2)
    np.testing.assert_allclose(reduced.vectors, own.vectors, atol=1e-4)


def test_masks_are_torchvisions_and_lie_in_their_boxes(tmp_path):
    arch = "maskrcnn_resnet50_fpn"
    weights = save_tiny_detector(tmp_path / "mask.safetensors", arch=arch)
    tower = save_tiny_tower(tmp_path / "tower")
    name = f"rcnn-clip:{tower},detector={arch}__{weights},classes={CLASSES},size={SIZE},top=8"
    model = load_model(name, device="cpu")
    picture = noise_picture(0, width=320, height=256)
    (instances,) = model.extract([picture])
    assert len(instances) > 3
    assert instances.details is not None
    detector = load_detector(model.parts.detector, weights)
    with torch.inference_mode():
        # At the size that the detector sees, so that it neither resizes the picture nor its masks.
        images, _ = detector.transform([torch.from_numpy(picture.pixels).permute(2, 0, 1) / 255])
        height, width = images.image_sizes[0]
        assert (height, width) == (picture.height // 2, picture.width // 2)
        seen = images.tensors[:, :, :height, :width]
        detector.transform.normalize = lambda image: image
        (found,) = detector([seen[0]])
    covered = 0
    for box, detail in zip(instances.boxes, instances.details, strict=True):
        mask = decode_rle(detail["mask"])
        assert mask.shape == (height, width)
        at_size = box / 2
        nearest = int(iou_matrix(at_size[None], found["boxes"].numpy())[0].argmax())
        np.testing.assert_allclose(found["boxes"][nearest].numpy(), at_size, atol=0.01)
        same = mask == (found["masks"][nearest, 0].numpy() > 0.5)
        assert same.mean() > 0.999
        rows, columns = np.nonzero(mask)
        x0, y0, x1, y1 = at_size
        # Torchvision pastes with a margin of a cell of its 28 by 28.
        margin = 2 + np.array([x1 - x0, y1 - y0]) / 28
        inside = (columns >= x0 - margin[0]) & (columns <= x1 + margin[0])
        inside &= (rows >= y0 - margin[1]) & (rows <= y1 + margin[1])
        assert inside.all()
        covered += len(rows)
    assert covered > 100
