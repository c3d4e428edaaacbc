"""Tune-An-Ellipse from a hit's box to a better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reir.models.ellipse import box_of, in_pixels, inscribed
from reir.models.ellipse.naming import find_tuner
from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import Hit

if TYPE_CHECKING:
    from reir.models.ellipse import EllipseTuner

BATCH = 16
"""Hits that are tuned together, by default."""


def load(spec: ModelSpec, *, device: str = "auto") -> EllipseStage:
    """The stage of ``ellipse[:TOWER[+TOWER],...]``; options ``batch``, ``guard`` and those of ``find_tuner``.

    Raises:
        UsageError: an unknown option or tower.
        WeightsMissingError: published weights that are not on this machine; the message says how to get them.
    """
    tuner = find_tuner(spec, device=device, more=["batch", "guard"])
    batch = spec.whole_number("batch", BATCH, low=1, high=1024)
    return EllipseStage(tuner, batch=batch, guard=spec.choice("guard", "on", ("on", "off")) == "on")


class EllipseStage:
    """The box around the ellipse that is tuned from the one inscribed in the hit's box.

    All hits of a batch are tuned together, each with its own network. *Differs from the paper*, which starts from the
    best of its anchors: a hit's box is a better start. The activation is that of the picture with the first ellipse.
    Also, a hit keeps its box where the towers score the first ellipse as high as the tuned one or higher, because
    activations lead away from good boxes; ``guard`` False is the paper's way.
    """

    name = "ellipse"
    kind: Kind = "refine"
    needs_expression = True
    needs_pixels = True

    def __init__(self, tuner: EllipseTuner, *, batch: int, guard: bool) -> None:
        self.hits_at_once = batch
        self._tuner = tuner
        self._guard = guard

    @property
    def decode_side(self) -> int:
        """See ``EllipseTuner.picture_side``."""
        return self._tuner.picture_side

    def prepare(self) -> None:
        """Load the towers. Raises UsageError for one that Grad-CAM does not know."""
        self._tuner.prepare()

    def check(self, model: Model) -> None:
        """Returns for any model: every hit has a box and a picture."""

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their better boxes."""
        start = np.stack([inscribed(hit.box, hit.width, hit.height) for hit in hits])
        pictures = [look.picture(hit) for hit in hits]
        found = self._tuner.refine(pictures, [expression] * len(hits), start, out_of_time=look.out_of_time)
        marked = []
        for hit, tuned in zip(hits, found, strict=True):
            note: dict[str, Any] = {
                "box_before": [round(side, 2) for side in hit.box],
                "ellipse": in_pixels(tuned.ellipse, hit.width, hit.height),
                "score_before": tuned.score_before,
                "score": tuned.score,
                "steps": tuned.steps,
            }
            # Untouched by rounding through the ellipse where tuning found nothing better.
            moved = bool((tuned.ellipse != tuned.start).any())
            if moved and self._guard and tuned.score <= tuned.score_before:
                moved, note["ellipse"] = False, in_pixels(tuned.start, hit.width, hit.height)
                note["kept"] = "the towers score the ellipse within the box as high as the tuned one"
            box = box_of(tuned.ellipse, hit.width, hit.height) if moved else hit.box
            marked.append(noted(hit, self.name, note, box=box))
        return marked
