"""Our instances beside transformers' own forward pass and post-processing, picture by picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from reir.imaging import decode_picture
from reir.models.owl import load
from reir.models.specification import ModelSpec
from reir.types import Picture
from tests.models.owl.conftest import make_picture
from tests.models.owl.tiny_owl import NAMES

EXPRESSIONS = ["a red dog", "cat", "the big brown horse near the wooden fence on the left", "!", "Café in the 1980s"]

SHAPES = {"landscape": (150, 90), "portrait": (64, 170), "square": (120, 120), "small": (40, 33)}


def stored(vectors):
    """As an index keeps them."""
    return vectors.astype(np.float16).astype(np.float32)


def half_rounding(vectors, queries):
    """The most that rounding vectors (N, D) to float16 can change inner products with queries (Q, D): (N, Q)."""
    return 2.0**-11 * (np.abs(vectors) @ np.abs(queries).T) + 2e-5


def patches_of(boxes, all_boxes, size):
    """The patch (N,) that each box came from, told by the library's box; no other patch has one as near."""
    clipped = np.clip(all_boxes, 0, [*size, *size])
    distance = np.abs(boxes[:, None] - clipped[None]).max(axis=-1)
    nearest = np.sort(distance, axis=1)
    assert nearest[:, 0].max() < 2e-3, "boxes in pixels"
    assert nearest[:, 1].min() > 1e-2
    return distance.argmin(axis=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_boxes_are_the_librarys_own(owl, shape):
    picture = make_picture(*SHAPES[shape])
    size = (picture.width, picture.height)
    logits, boxes = owl.reference.logits_and_boxes(picture.pixels, EXPRESSIONS, size=size)
    (instances,) = owl.model.extract([picture])
    assert len(instances) >= 5
    patches = patches_of(instances.boxes, boxes, size)
    queries = owl.model.encode(EXPRESSIONS)
    scores = stored(instances.vectors) @ queries.T
    bound = half_rounding(instances.vectors, queries)
    assert (np.abs(scores - logits[patches]) <= bound).all()
    for scored, true, room in zip(scores.T, logits[patches].T, bound.T, strict=True):
        order = np.argsort(-scored)
        assert (np.diff(true[order]) <= 2 * room.max()).all(), "the same order, near-ties aside"
    assert logits[patches].std(axis=0).min() > 20 * bound.max(), "the scores differ by more than that"


def test_the_heads_of_the_test_models_differ_from_patch_to_patch(owl):
    """Else a wrong scale or shift would not show above."""
    (instances,) = owl.model.extract([make_picture(150, 90)])
    scale = np.linalg.norm(instances.vectors[:, :-1], axis=1)
    shift = instances.vectors[:, -1] / scale
    assert scale.std() > 0.05
    assert shift.std() > 0.05
    assert instances.objectness.std() > 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_upright_picture(owl, tmp_path, orientation):
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(make_picture(140, 80).pixels).save(path, exif=exif)
    picture = decode_picture(path, owl.model.decode_side).picture
    assert (picture.width, picture.height) == ((140, 80) if orientation < 5 else (80, 140))
    size = (picture.width, picture.height)
    _, boxes = owl.reference.logits_and_boxes(picture.pixels, ["cat"], size=size)
    (instances,) = owl.model.extract([picture])
    assert len(patches_of(instances.boxes, boxes, size)) >= 5


def test_boxes_of_a_picture_that_was_decoded_smaller_are_those_of_the_original(owl):
    picture = make_picture(150, 90)
    (small,) = owl.model.extract([picture])
    (large,) = owl.model.extract([Picture(picture.pixels, 1500, 900)])
    np.testing.assert_allclose(large.boxes, 10 * small.boxes, rtol=1e-5)
    np.testing.assert_array_equal(large.vectors, small.vectors)


def test_the_decoders_rounding_of_a_side_moves_no_box(owl):
    """999 x 332 decoded at 150 is 150 x 50: content at its lower edge is at 332, not at 50 x 999 / 150."""
    picture = Picture(make_picture(150, 50).pixels, 999, 332)
    (instances,) = owl.model.extract([picture])
    (plain,) = owl.model.extract([Picture(picture.pixels, 150, 50)])
    np.testing.assert_allclose(instances.boxes, plain.boxes * np.array([999 / 150, 332 / 50] * 2), rtol=1e-5)


def test_instances_come_best_first_inside_the_picture_and_overlap_little(owl):
    from reir.geometry import iou_matrix

    for picture, found in zip(PICTURES, owl.model.extract(PICTURES), strict=True):
        assert (np.diff(found.objectness) <= 0).all()
        assert found.objectness.min() > 0
        assert found.objectness.max() < 1
        assert found.boxes.min() >= 0
        assert (found.boxes[:, 2:] <= [picture.width, picture.height]).all()
        assert (found.boxes[:, 2:] - found.boxes[:, :2] > 0.6).all()
        assert iou_matrix(found.boxes, found.boxes)[~np.eye(len(found), dtype=bool)].max() <= 0.7


PICTURES = [
    make_picture(*size, seed=i) for i, size in enumerate([(150, 90), (64, 170), (120, 120), (200, 60), (90, 91)])
]


def test_the_objectness_of_owlv2_is_its_own_heads(owls):
    owl = owls["owlv2"]
    picture = make_picture(150, 90)
    output = owl.reference.forward(picture.pixels, ["cat"])
    _, boxes = owl.reference.logits_and_boxes(picture.pixels, ["cat"], size=(150, 90))
    (instances,) = owl.model.extract([picture])
    patches = patches_of(instances.boxes, boxes, (150, 90))
    np.testing.assert_allclose(instances.objectness, output.objectness_logits[0].sigmoid()[patches], atol=1e-5)


def test_the_objectness_of_owl_vit_is_its_greatest_logit_over_everyday_nouns(owls):
    from reir.models.owl import EVERYDAY_NOUNS

    owl = owls["owlvit"]
    picture = make_picture(150, 90)
    prompts = [f"a photo of a {noun}" for noun in EVERYDAY_NOUNS]
    logits, boxes = owl.reference.logits_and_boxes(picture.pixels, prompts, size=(150, 90))
    (instances,) = owl.model.extract([picture])
    patches = patches_of(instances.boxes, boxes, (150, 90))
    expected = torch.from_numpy(logits[patches].max(axis=1)).sigmoid()
    np.testing.assert_allclose(instances.objectness, expected, atol=1e-5)


def test_boxes_in_the_padding_are_dropped(owls):
    """A narrow strip leaves most of OWLv2's square to padding: no box may lie there, flat on the edge."""
    owl = owls["owlv2"]
    picture = make_picture(180, 60)
    _, boxes = owl.reference.logits_and_boxes(picture.pixels, ["cat"], size=(180, 60))
    assert (boxes[:, 1] >= 60).sum() > 10, "the network does place boxes there"
    (instances,) = owl.model.extract([picture])
    assert 1 <= len(instances) <= (boxes[:, 1] < 60).sum()
    assert (instances.boxes[:, 3] - instances.boxes[:, 1] >= 1).all()


def test_a_picture_all_of_whose_boxes_lie_in_the_padding_has_no_instances(owls):
    (instances,) = owls["owlv2"].model.extract([make_picture(180, 20)])
    assert instances.boxes.shape == (0, 4)
    assert instances.vectors.shape == (0, owls["owlv2"].model.identity.dimension)


def test_batched_equals_single(owl):
    for picture, batched in zip(PICTURES, owl.model.extract(PICTURES), strict=True):
        (single,) = owl.model.extract([picture])
        assert len(batched) == len(single)
        np.testing.assert_allclose(batched.boxes, single.boxes, atol=1e-2)
        np.testing.assert_allclose(batched.objectness, single.objectness, atol=1e-5)
        np.testing.assert_allclose(batched.vectors, single.vectors, atol=1e-4)


def test_no_pictures_no_instances(owl):
    assert owl.model.extract([]) == []


@pytest.mark.gpu
def test_a_gpu_gives_the_same(owl):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    model = load(ModelSpec(NAMES[owl.family], str(owl.folder), {"precision": "float32"}), device="cuda")
    for picture, ours, expected in zip(PICTURES, model.extract(PICTURES), owl.model.extract(PICTURES), strict=True):
        distance = np.abs(ours.boxes[:, None] - expected.boxes[None]).max(axis=-1) / max(picture.width, picture.height)
        same = distance.min(axis=1) < 1e-3
        assert same.mean() > 0.9, "but for near-ties in the suppression"
        nearest = distance.argmin(axis=1)[same]
        np.testing.assert_allclose(ours.vectors[same], expected.vectors[nearest], atol=5e-3)
    crops = PICTURES[:2]
    np.testing.assert_allclose(model.encode_images(crops), owl.model.encode_images(crops), atol=5e-3)
    (rough,) = load(ModelSpec(NAMES[owl.family], str(owl.folder)), device="cuda").extract(PICTURES[:1])
    assert len(rough) > 0


def test_bfloat16_is_near(owl):
    from tests.models.owl.conftest import make_model

    model = make_model(owl.folder, owl.family, ",precision=bfloat16")
    picture = make_picture(150, 90)
    (rough,), (exact,) = model.extract([picture]), owl.model.extract([picture])
    distance = np.abs(rough.boxes[:, None] - exact.boxes[None]).max(axis=-1)
    same = distance.min(axis=1) < 3.0
    assert same.mean() > 0.8
    assert not np.array_equal(rough.vectors[:1], exact.vectors[:1])
    difference = rough.vectors[same] - exact.vectors[distance.argmin(axis=1)[same]]
    assert np.abs(difference).max() < 0.2
