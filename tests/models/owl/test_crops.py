"""Searching by an example: crops and stored instances as queries."""

import numpy as np

from tests.models.owl.conftest import make_picture

CROPS = [make_picture(60, 40, seed=7), make_picture(50, 50, seed=8), make_picture(30, 70, seed=9)]


def test_crops_score_as_in_image_guided_detection(owl):
    """The library's own logits for a picture and a crop, over the kept instances."""
    target = make_picture(150, 90)
    (instances,) = owl.model.extract([target])
    queries = owl.model.encode_images(CROPS)
    assert queries.shape == (3, owl.model.identity.dimension)
    np.testing.assert_array_equal(queries[:, -1], 1.0)
    compared = 0
    for crop, query in zip(CROPS, queries, strict=True):
        if owl.family == "owlv2":
            # Up to transformers 5.17 its image-guided detection chose the patch as OWL-ViT's does.
            output = owl.reference.forward(crop.pixels, ["cat"])
            best = int(output.objectness_logits[0].argmax())
            embedded = output.class_embeds[0, best].numpy()
            np.testing.assert_allclose(query[:-1], embedded / np.linalg.norm(embedded), atol=1e-5)
            compared += 1
            continue
        logits = owl.reference.image_guided(target.pixels, crop.pixels)
        _, boxes = owl.reference.logits_and_boxes(target.pixels, ["cat"], size=(150, 90))
        clipped = np.clip(boxes, 0, [150, 90, 150, 90])
        patches = np.abs(instances.boxes[:, None] - clipped[None]).max(axis=-1).argmin(axis=1)
        np.testing.assert_allclose(instances.vectors @ query, logits[patches], atol=1e-4)
        compared += 1
    assert compared == 3


def test_no_crops_no_queries(owl):
    assert owl.model.encode_images([]).shape == (0, owl.model.identity.dimension)


def test_one_crop_equals_many(owl):
    many = owl.model.encode_images(CROPS)
    alone = np.concatenate([owl.model.encode_images([crop]) for crop in CROPS])
    np.testing.assert_allclose(many, alone, atol=1e-5)


def test_a_stored_instance_as_a_query_is_its_own_class_embedding(owl):
    picture = make_picture(150, 90)
    (instances,) = owl.model.extract([picture])
    output = owl.reference.forward(picture.pixels, ["cat"])
    embedded = output.class_embeds[0].numpy()
    embedded = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
    for vector in instances.vectors[:5].astype(np.float16):
        query = owl.model.as_query(vector)
        assert query.dtype == np.float32
        assert query[-1] == 1.0
        assert (embedded @ query[:-1]).max() > 1 - 1e-5
        np.testing.assert_allclose(np.linalg.norm(query[:-1]), 1.0, atol=1e-6)


def test_as_query_of_an_instance_without_a_scale_is_harmless(owl):
    query = owl.model.as_query(np.zeros(owl.model.identity.dimension, dtype=np.float32))
    assert np.isfinite(query).all()
