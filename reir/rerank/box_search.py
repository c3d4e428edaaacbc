"""Two-round discrete search for a better box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from reir.geometry import clip_boxes
from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.crop_scores import CropScorer, crop_model
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import FloatArray, Hit

ROUNDS = 2


def load(spec: ModelSpec) -> BoxSearch:
    """The stage; option ``step``: the first round's shift as a share of the box's sides."""
    spec.require_options(["step"])
    return BoxSearch(step=spec.number("step", 0.15, low=0.01, high=0.5))


class BoxSearch:
    """The box, among itself and its small shifts and scalings, whose crop fits the expression best; twice, halving.

    Paper: Bridging Detection and Language, sections 3.1 and 4. *Differs from the paper*: it refines the one best box,
    this all that are shown, in their order; its steps are not given, these are ours.
    """

    name = "box-search"
    kind: Kind = "refine"
    needs_expression = True
    needs_pixels = True
    hits_at_once = 1

    def __init__(self, *, step: float) -> None:
        self._step = step
        self._scorer = CropScorer(self.name)

    def check(self, model: Model) -> None:
        """Returns for a model whose instances are crops. Raises UsageError for others."""
        crop_model(model, self.name)

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their better boxes."""
        return [self._refined(expression, hit, look) for hit in hits]

    def _refined(self, expression: str, hit: Hit, look: Look) -> Hit:
        model = crop_model(look.model, self.name)
        box = np.array(hit.box, dtype=np.float32)
        first = last = 0.0
        for number in range(ROUNDS):
            candidates = box_variants(box, self._step / 2**number, hit.width, hit.height)
            crops = model.encode_boxes(look.picture(hit), candidates)
            scores = self._scorer.mean_cosines(look.model, expression, crops, candidates, hit)
            best = int(scores.argmax())
            if number == 0:
                first = float(scores[0])
            box, last = candidates[best], float(scores[best])
        x0, y0, x1, y1 = box.tolist()
        note = {"box_before": [round(side, 2) for side in hit.box], "score_before": first, "score": last}
        return noted(hit, self.name, note, box=(x0, y0, x1, y1))


def box_variants(box: FloatArray, step: float, width: int, height: int) -> FloatArray:
    """A box (4,) and its shifts by ``step`` of its sides and scalings by 1 ± ``step``, (27, 4), itself first.

    Clipped to the picture; ``width`` and ``height`` in pixels.
    """
    centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    steps = (0.0, -step, step)
    shifts = np.array(list(product(steps, steps, steps)), dtype=np.float32)  # scale, dx, dy
    centres = centre + shifts[:, 1:] * size
    halves = (1 + shifts[:, :1]) * size / 2
    variants = np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32)
    variants[0] = box
    return clip_boxes(variants, width, height)
