"""Batches of scenes: pictures of one canvas shape, texts, and which text is true of which object.

The labels of the whole text x object matrix come from the symbolic check of every text against every scene of the
batch: a short phrase is often true of objects in several pictures, and unmarked false negatives hurt CLIA.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from reir.data.expressions import (
    PARSE_RELATIONS,
    RELATIONS,
    Expression,
    label_pairs,
    mirror_expression,
    relation_triples,
)
from reir.data.scenes import COLOURS, SIZES, Scene, load_nouns, mirror
from reir.training.batch import GALLERY, PICTURE, Batch, SceneTruth
from reir.training.config import BatchConfig
from reir.training.scenes.cache import SceneRecord, load_shards
from reir.training.scenes.epochs import Epochs

if TYPE_CHECKING:
    from reir.text import WordTokenizer

NOUNS = {noun.name: i for i, noun in enumerate(load_nouns())}
COLOUR_INDEX = {colour: i for i, colour in enumerate(COLOURS)}
SIZE_INDEX: dict[str, int] = {size: i for i, size in enumerate(SIZES)}
RELATION_INDEX = {relation: i for i, relation in enumerate(RELATIONS)}
PARSE_INDEX = {relation: i for i, relation in enumerate(PARSE_RELATIONS)}


def parse_target(expression: Expression) -> tuple[int, ...]:
    """Class indices of what a text says, for the parse heads."""
    parse = expression.parse
    return (
        NOUNS.get(parse.noun, len(NOUNS)),
        COLOUR_INDEX.get(parse.colour or "", len(COLOUR_INDEX)),
        SIZE_INDEX.get(parse.size or "", len(SIZE_INDEX)),
        PARSE_INDEX.get(parse.relation or "", len(PARSE_INDEX)),
        NOUNS.get(parse.anchor_noun or "", len(NOUNS)),
        COLOUR_INDEX.get(parse.anchor_colour or "", len(COLOUR_INDEX)),
    )


def _reach(expression: Expression) -> int:
    """Whether a text may be compared with scenes that it was not checked against, those of other processes.

    One that relates its object to another is true of hardly any other object there; a noun with a colour is.
    """
    return PICTURE if expression.parse.relation is None else GALLERY


class SceneBatches(Dataset[Batch]):
    """Batch of every step, a function of (seed, step) alone: a run that goes on sees what it would have seen."""

    def __init__(
        self, shards: list[Path], *, config: BatchConfig, tokenizer: WordTokenizer, seed: int, steps: int
    ) -> None:
        self._shards = load_shards(shards)
        self._config = config
        self._tokenizer = tokenizer
        self._seed = seed
        self._steps = steps
        self._epochs = Epochs(self._shards, pictures=config.pictures, seed=seed)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        members = self._epochs[step]
        rng = np.random.default_rng([self._seed, 3, step])
        mirrored = rng.random(len(members)) < 0.5 if self._config.mirror else np.zeros(len(members), dtype=bool)
        records = [self._shards[s].records[r] for s, r in members]
        pixels = np.stack(
            [self._shards[s].pixels[record.canvas][record.row] for (s, _), record in zip(members, records, strict=True)]
        )
        for i in np.flatnonzero(mirrored):
            covered = records[i].valid[1]
            pixels[i, :, :covered] = pixels[i, :, :covered][:, ::-1].copy()
        shares = [np.divide(record.valid, record.canvas) for record in records]
        scenes = [
            mirror(record.scene) if flip else record.scene for record, flip in zip(records, mirrored, strict=True)
        ]
        texts, text_picture = self._draw_texts(records, mirrored, rng)
        return compose(pixels, shares, scenes, texts, text_picture, self._tokenizer)

    def _draw_texts(
        self, records: list[SceneRecord], mirrored: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[Expression], list[int]]:
        texts: list[Expression] = []
        pictures: list[int] = []
        config = self._config
        for b, (record, flip) in enumerate(zip(records, mirrored, strict=True)):
            kinds = rng.random(config.expressions)
            pools: dict[str, list[Expression]] = {
                "phrase": list(record.phrases),
                "corruption": list(record.corruptions),
                "expression": [expression for expression, _ in record.expressions],
            }
            for value in kinds:
                if value < config.phrase_share:
                    pool = pools["phrase"]
                elif value < config.phrase_share + config.corruption_share:
                    pool = pools["corruption"]
                else:
                    pool = pools["expression"]
                if not pool:
                    pool = next((other for other in pools.values() if other), [])
                if not pool:
                    continue
                chosen = pool.pop(int(rng.integers(len(pool))))
                texts.append(mirror_expression(chosen) if flip else chosen)
                pictures.append(b)
        return texts, pictures


def compose(
    pixels: np.ndarray,
    shares: list[np.ndarray],
    scenes: list[Scene],
    texts: list[Expression],
    text_picture: list[int],
    tokenizer: WordTokenizer,
) -> Batch:
    """The batch of these pictures and texts, every text checked against every scene.

    ``pixels`` (B, H, W, 3); ``shares`` the (height, width) share of its canvas that each picture covers.
    """
    boxes: list[tuple[float, ...]] = []
    picture: list[int] = []
    classes: list[tuple[int, int, int]] = []
    relations: list[tuple[int, int, int, int]] = []
    offsets: list[int] = []
    for b, scene in enumerate(scenes):
        offset = len(boxes)
        offsets.append(offset)
        width, height = np.divide(scene.size_units, shares[b][::-1])  # of the whole canvas, in scene units
        for item in scene.objects:
            x0, y0, x1, y1 = item.box
            boxes.append(((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height))
            picture.append(b)
            classes.append((NOUNS[item.noun], COLOUR_INDEX[item.colour], SIZE_INDEX[item.size]))
        for subject, relation, anchor in relation_triples(scene):
            other = scene.objects[anchor]
            relations.append(
                (offset + subject, RELATION_INDEX[relation], NOUNS[other.noun], COLOUR_INDEX[other.colour])
            )
    labels = np.full((len(texts), len(boxes)), -1, dtype=np.int8)
    for q, b, found in label_pairs([text.program for text in texts], scenes):
        labels[q, [offsets[b] + i for i in found.true]] = 1
        labels[q, [offsets[b] + i for i in found.undefined]] = 0
    ids, mask = tokenizer.encode([text.text for text in texts])
    return Batch(
        pixels=torch.from_numpy(pixels),
        boxes_cxcywh=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        object_picture=torch.tensor(picture, dtype=torch.int64),
        token_ids=torch.from_numpy(ids),
        token_mask=torch.from_numpy(mask),
        text_picture=torch.tensor(text_picture, dtype=torch.int64),
        labels=torch.from_numpy(labels),
        text_reach=torch.tensor([_reach(text) for text in texts], dtype=torch.int64),
        scene=SceneTruth(
            classes=torch.tensor(classes, dtype=torch.int64).reshape(-1, 3),
            relations=torch.tensor(relations, dtype=torch.int64).reshape(-1, 4),
            parses=torch.tensor([parse_target(text) for text in texts], dtype=torch.int64).reshape(-1, 6),
        ),
    )
