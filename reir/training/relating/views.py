"""What is known of a training scene and of its mirror image: truth, texts, and which prediction is which object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from reir.data.expressions import RELATIONS, Expression, SceneFacts, mirror_expression
from reir.data.expressions.programs import Description
from reir.data.scenes import Scene, mirror
from reir.geometry import cxcywh_to_xyxy, iou_matrix
from reir.training.scenes.batches import COLOUR_INDEX, NOUNS, RELATION_INDEX, SIZE_INDEX, parse_target
from reir.training.scenes.cache import SceneRecord

if TYPE_CHECKING:
    from reir.text import WordTokenizer

MATCH_IOU = 0.5
LEFT_OUT_IOU = 0.4
"""A prediction that is no object's but overlaps one this much is neither that object nor background."""
UNSEEN = 0.02
"""Predictions of a lower objectness are never kept when the model serves: they are neither true nor false."""

BACKGROUND, LEFT_OUT = -1, -2


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a view, tokenised."""

    program: Description
    token_ids: tuple[int, ...]
    parse: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A scene as one of its two pictures shows it."""

    facts: SceneFacts
    classes: npt.NDArray[np.int64]
    """(n, 3): noun, colour and size of each object."""
    relations: npt.NDArray[np.int64]
    """(E, 4): object, relation, noun and colour of the other."""
    queries: npt.NDArray[np.int64]
    """(K,) predictions that are kept, those of objects first."""
    owners: npt.NDArray[np.int64]
    """(K,) object of each, or ``BACKGROUND``, or ``LEFT_OUT``."""
    expressions: tuple[Text, ...]
    phrases: tuple[Text, ...]
    corruptions: tuple[Text, ...]


def make_view(
    record: SceneRecord,
    *,
    flip: bool,
    boxes_cxcywh: npt.NDArray[np.float32],
    objectness: npt.NDArray[np.float32],
    queries: int,
    tokenizer: WordTokenizer,
) -> View:
    """The view of a record, with its predictions ``boxes_cxcywh`` (M, 4) of the picture and ``objectness`` (M,)."""
    scene = mirror(record.scene) if flip else record.scene
    facts = SceneFacts(scene)
    relations = [
        (subject, RELATION_INDEX[name], NOUNS[scene.objects[other].noun], COLOUR_INDEX[scene.objects[other].colour])
        for name in RELATIONS
        for subject, mask in enumerate(facts.table(name)[0])
        for other in range(len(scene.objects))
        if mask >> other & 1
    ]
    kept, owners = _owners(scene, boxes_cxcywh, objectness, queries)
    pools = [[expression for expression, _ in record.expressions], list(record.phrases), list(record.corruptions)]
    expressions, phrases, corruptions = (_texts(pool, flip, tokenizer) for pool in pools)
    return View(
        facts=facts,
        classes=np.array([(NOUNS[o.noun], COLOUR_INDEX[o.colour], SIZE_INDEX[o.size]) for o in scene.objects]),
        relations=np.array(relations, dtype=np.int64).reshape(-1, 4),
        queries=kept,
        owners=owners,
        expressions=expressions,
        phrases=phrases,
        corruptions=corruptions,
    )


def _texts(pool: Sequence[Expression], flip: bool, tokenizer: WordTokenizer) -> tuple[Text, ...]:
    if not pool:
        return ()
    told = [mirror_expression(expression) if flip else expression for expression in pool]
    ids, mask = tokenizer.encode([expression.text for expression in told])
    lengths = mask.sum(1)
    return tuple(
        Text(expression.program, tuple(row[:length].tolist()), parse_target(expression))
        for expression, row, length in zip(told, ids, lengths, strict=True)
    )


def _owners(
    scene: Scene, boxes_cxcywh: npt.NDArray[np.float32], objectness: npt.NDArray[np.float32], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The predictions that are kept, and what each of them is."""
    width, height = scene.size_units
    truth = np.array([thing.box for thing in scene.objects]) / [width, height, width, height]
    overlaps = iou_matrix(cxcywh_to_xyxy(boxes_cxcywh), truth)
    sure = 1 / (1 + np.exp(-objectness))
    owners = np.where((overlaps.max(axis=1) > LEFT_OUT_IOU) | (sure < UNSEEN), LEFT_OUT, BACKGROUND)
    # The surest prediction on an object is its own, as suppression keeps it.
    rows, columns = linear_sum_assignment(-np.where(overlaps > MATCH_IOU, overlaps + sure[:, None], 0.0))
    matched = overlaps[rows, columns] > MATCH_IOU
    owners[rows[matched]] = columns[matched]
    order = np.lexsort((-sure, owners < 0))[:count]
    return order, owners[order]


def draw_texts(
    view: View, rng: Random, *, count: int, phrases: float, corruptions: float, noun: str, of_noun: float
) -> list[Text]:
    """``count`` different texts of a view, or all it has; those about ``noun`` ``of_noun`` times as likely."""
    pools = [list(view.expressions), list(view.phrases), list(view.corruptions)]
    drawn: list[Text] = []
    for _ in range(count):
        value = rng.random()
        pool = pools[1 if value < phrases else 2 if value < phrases + corruptions else 0]
        if not pool:
            pool = next((other for other in pools if other), [])
        if not pool:
            break
        weights = [of_noun if text.program.noun == noun else 1.0 for text in pool]
        drawn.append(pool.pop(rng.choices(range(len(pool)), weights)[0]))
    return drawn
