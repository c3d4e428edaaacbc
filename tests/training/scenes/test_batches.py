"""Batches of scenes: their labels against a plain loop, their boxes on the pixels, and their order."""

import numpy as np
import pytest
import torch

from reir.data.expressions import denote, mirror_expression, vocabulary
from reir.data.scenes import mirror
from reir.text import WordTokenizer
from reir.training.config import load_config
from reir.training.scenes.batches import NOUNS, SceneBatches, compose, parse_target
from reir.training.scenes.cache import build_cache, load_shard
from reir.training.scenes.canvases import CANVASES, REDUCED, reduced_pixels

FIRST_SEED = 10_900_000

pytestmark = pytest.mark.requires_font


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    config = load_config("clare-tiny").data.model_copy(update={"scenes": 30})
    folder = tmp_path_factory.mktemp("cache")
    return build_cache(folder, first_seed=FIRST_SEED, config=config, canvases=CANVASES, workers=0)


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer.from_words(vocabulary())


@pytest.fixture(scope="module")
def batches(shards, tokenizer):
    config = load_config("clare-tiny").batch.model_copy(update={"pictures": 3})
    return SceneBatches(shards, config=config, tokenizer=tokenizer, seed=0, steps=40)


def test_shapes(batches):
    batch = batches[0]
    pictures, height, width, _ = batch.pixels.shape
    objects, texts = len(batch.boxes_cxcywh), len(batch.token_ids)
    assert (height, width) in CANVASES
    assert batch.labels.shape == (texts, objects)
    assert batch.object_picture.max() == batch.text_picture.max() == pictures - 1
    assert batch.scene.classes.shape == (objects, 3)
    assert batch.scene.parses.shape == (texts, 6)
    assert batch.scene.relations[:, 0].max() < objects


def test_a_batch_depends_on_its_step_alone(batches, shards, tokenizer):
    again = SceneBatches(shards, config=batches._config, tokenizer=tokenizer, seed=0, steps=40)
    _ = again[30], again[2]
    for step in (17, 3):
        assert torch.equal(again[step].pixels, batches[step].pixels)
        assert torch.equal(again[step].token_ids, batches[step].token_ids)
        assert torch.equal(again[step].labels, batches[step].labels)


def test_no_word_is_unknown(batches):
    assert all((batches[step].token_ids != 1).all() for step in range(40))


def test_labels_equal_a_plain_loop(shards, tokenizer):
    records = load_shard(shards[0]).records[:8]
    scenes = [record.scene for record in records]
    texts = [text for record in records for text in (*record.phrases, *record.corruptions)]
    texts += [text for record in records for text, _ in record.expressions]
    pixels = np.zeros((len(scenes), 16, 16, 3), dtype=np.uint8)
    batch = compose(pixels, [np.ones(2)] * len(scenes), scenes, texts, [0] * len(texts), tokenizer)
    for q, text in enumerate(texts):
        expected = []
        for scene in scenes:
            found = denote(text.program, scene)
            expected += [1 if i in found.true else 0 if i in found.undefined else -1 for i in range(len(scene.objects))]
        assert batch.labels[q].tolist() == expected
    assert (batch.labels == 1).any()


def test_boxes_lie_on_their_objects(shards):
    """The drawn colour is there: an object's box differs from the same place with the picture's median colour."""
    shard = load_shard(shards[0])
    for record in shard.records[:10]:
        width, height = record.scene.size_units
        pixels = shard.pixels[record.canvas][record.row].astype(int)
        for item in record.scene.objects:
            if item.colour not in ("red", "green", "blue") or item.visible < 0.9:
                continue
            x0, y0, x1, y1 = (
                int(v * s / u) for v, s, u in zip(item.box, record.valid[::-1] * 2, (width, height) * 2, strict=True)
            )
            inside = pixels[y0 : y1 + 1, x0 : x1 + 1].reshape(-1, 3)
            channel = ("red", "green", "blue").index(item.colour)
            others = [c for c in range(3) if c != channel]
            share = (inside[:, channel] > inside[:, others].max(axis=1) + 25).mean()
            assert share > 0.1, (record.scene.seed, item)


def test_mirrored_texts_hold_in_the_mirrored_scene(shards):
    swapped = 0
    for record in load_shard(shards[0]).records:
        reflected = mirror(record.scene)
        for text, target in record.expressions:
            other = mirror_expression(text)
            swapped += other.text != text.text
            assert denote(other.program, reflected).true == (target,)
    assert swapped > 10


def test_parse_targets_are_classes(shards):
    for record in load_shard(shards[0]).records:
        for text, target in record.expressions:
            parsed = parse_target(text)
            assert parsed[0] == NOUNS[record.scene.objects[target].noun]


def test_reduced_canvases_keep_the_shape():
    for height, width in CANVASES:
        reduced = REDUCED[height, width]
        assert all(side % 16 == 0 for side in reduced)
        assert abs(np.log((width / height) / (reduced[1] / reduced[0]))) < 0.15
    assert reduced_pixels(torch.zeros(1, 3, 128, 192)).shape == (1, 3, 96, 144)
