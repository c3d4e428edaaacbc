"""Rows and triplets, batches of scenes and of photographs: true masks, words that go with the mirror, no chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reir.data import load_dataset
from reir.data.splits import TRAIN, VALIDATION
from reir.errors import DatasetError
from reir.geometry.masks import decode_rle
from reir.models.vatex.config import TINY
from reir.text.mirrored import mirror_words
from reir.training.scenes.cache import build_cache
from reir.training.vatex.config import MaskPhotos, MaskScenes
from reir.training.vatex.photos import PhotoRows, masked_pictures, photo_sample
from reir.training.vatex.rows import Composer, Sample, draw_rows
from reir.training.vatex.scenes import SceneRows, cache_settings, scene_canvases, scene_queries

SIDE = 64


@pytest.fixture(scope="module")
def composer():
    return Composer(TINY)


@pytest.fixture(scope="module")
def scene_rows(tmp_path_factory, composer):
    config = MaskScenes(scenes=40)
    shards = build_cache(
        tmp_path_factory.mktemp("cache"),
        first_seed=TRAIN.first,
        config=cache_settings(config),
        canvases=scene_canvases(SIDE),
        workers=0,
    )
    options = {"composer": composer, "pictures": 3, "rows": 3, "seed": 1, "steps": 8}
    return lambda **changes: SceneRows(shards, config=config.model_copy(update=changes), **options)


def same(first, second) -> bool:
    for name, value in vars(first).items():
        other = getattr(second, name)
        if not (torch.equal(value, other) if isinstance(value, torch.Tensor) else value is other is None):
            return False
    return True


def test_a_triplet_is_two_expressions_of_one_object_and_one_of_another():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        (first, second, other), triplet = draw_rows([2, 0, 1, 3], 3, rng)
        assert triplet == (0, 1, 2)
        assert first[0] == second[0] != other[0]
        assert first[1] != second[1]
        assert other[0] != 1
        seen.add((first[0], other[0]))
    assert seen == {(0, 2), (0, 3), (3, 0), (3, 2)}


@pytest.mark.parametrize("counts", [[4], [1, 1, 1], [0, 3, 0]])
def test_without_two_objects_or_a_second_expression_there_is_no_triplet(counts):
    rows, triplet = draw_rows(counts, 3, np.random.default_rng(0))
    assert triplet is None
    assert len(rows) == len(set(rows)) == 3


def test_rows_come_twice_only_where_there_are_no_others():
    rows, triplet = draw_rows([1, 1], 5, np.random.default_rng(0))
    assert triplet is None
    assert len(rows) == 5
    assert set(rows) == {(0, 0), (1, 0)}
    with pytest.raises(ValueError, match="without expressions"):
        draw_rows([0, 0], 1, np.random.default_rng(0))


def test_pictures_of_two_sizes_are_padded_to_the_larger(composer):
    samples = [
        Sample(np.full((32, 64, 3), 9, np.uint8), ["a dog"], [np.ones((32, 64), bool)]),
        Sample(np.full((64, 32, 3), 7, np.uint8), ["a cat", "it"], [np.ones((64, 32), bool)] * 2),
    ]
    batch = composer.compose(samples)
    assert batch.pixels.shape == (2, 64, 64, 3)
    assert batch.picture.tolist() == [0, 1, 1]
    assert [int(mask.sum()) for mask in batch.masks] == [2048, 2048, 2048]
    assert not (batch.masks & batch.padding[batch.picture]).any()
    assert batch.padding.sum((1, 2)).tolist() == [2048, 2048]
    assert composer.compose(samples[:1]).padding is None


def test_a_batch_of_scenes_is_a_function_of_seed_and_number(scene_rows):
    first, again = scene_rows(), scene_rows()
    assert same(first[5], again[5])
    assert not same(first[5], first[6])


def test_scenes_give_triplets_with_masks_of_two_objects(scene_rows):
    batches = [scene_rows()[number] for number in range(8)]
    triplets = [(batch, row) for batch in batches for row in batch.triplets.tolist()]
    assert len(triplets) > 15
    for batch, (first, second, other) in triplets:
        assert torch.equal(batch.masks[first], batch.masks[second])
        assert not (batch.masks[first] & batch.masks[other]).any()
        assert batch.picture[first] == batch.picture[second] == batch.picture[other]
        assert not torch.equal(batch.token_ids[first], batch.token_ids[second])
    assert all(int(mask.sum()) > 0 for batch in batches for mask in batch.masks)


def test_scenes_are_mirrored_with_their_masks(scene_rows):
    """A mirrored picture occurs, and its mask lies on the same pixels, turned."""
    plain, turned = scene_rows(mirror=False), scene_rows()
    mirrored = 0
    for number in range(8):
        before, after = plain[number].pixels, turned[number].pixels
        for one, other in zip(before, after, strict=True):
            assert torch.equal(one, other) or torch.equal(one.flip(1), other)
            mirrored += not torch.equal(one, other)
    assert 3 < mirrored < 21


def test_validation_scenes_have_several_expressions_an_object():
    scenes = scene_queries(VALIDATION, 6, side=SIDE)
    assert sum(len(scene.queries) for scene in scenes) > 20
    for scene in scenes:
        targets = [query.target for query in scene.queries]
        assert len(set(targets)) <= 3
        assert all(2 <= targets.count(target) <= 3 for target in targets)
        assert all(query.mask.shape == scene.pixels.shape[:2] and query.mask.any() for query in scene.queries)


def test_photographs_have_the_masks_of_their_file_and_come_again(composer):
    config = MaskPhotos(file="demo", pictures=8)
    options = {"composer": composer, "side": SIDE, "pictures": 2, "rows": 3, "seed": 0, "steps": 4}
    first, again = (PhotoRows(config, **options) for _ in range(2))
    assert same(first[3], again[3])
    assert len(first[3].picture) == 6
    picture = masked_pictures(load_dataset("demo", masks=True), limit=1)[0]
    sample = photo_sample(picture, SIDE, 1, np.random.default_rng(0), flip=0.0)
    whole = [decode_rle(item.mask).mean() for item in picture.objects]
    assert min(abs(sample.masks[0].mean() - share) for share in whole) < 0.01


def test_photographs_are_mirrored_only_with_their_words():
    dataset = load_dataset("demo", masks=True)
    turned = kept = 0
    for picture in masked_pictures(dataset, limit=20):
        plain = photo_sample(picture, SIDE, 2, np.random.default_rng(1), flip=0.0)
        sample = photo_sample(picture, SIDE, 2, np.random.default_rng(1), flip=1.0)
        words = [mirror_words(text) for text in plain.texts]
        if None in words:
            kept += 1
            assert sample.texts == plain.texts
            np.testing.assert_array_equal(sample.pixels, plain.pixels)
        else:
            turned += 1
            assert sample.texts == words
            np.testing.assert_array_equal(sample.pixels, plain.pixels[:, ::-1])
            np.testing.assert_array_equal(sample.masks[0], plain.masks[0][:, ::-1])
    assert turned > 5
    assert turned + kept == 20


def test_a_file_without_masks_is_refused():
    dataset = load_dataset("demo")
    with pytest.raises(DatasetError, match="no segmentation"):
        masked_pictures(dataset)


def test_pictures_that_are_not_there_are_told(tmp_path):
    dataset = replace(load_dataset("demo", masks=True), images_root=tmp_path)
    with pytest.raises(DatasetError, match=r"photos\.images=FOLDER"):
        masked_pictures(dataset)
