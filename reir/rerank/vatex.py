"""Masks of VATEX for hits, and their boxes from these masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from reir.geometry.masks import mask_area
from reir.models.specification import ModelSpec
from reir.models.vatex.grounder import checkpoint_folder
from reir.models.vatex.masks import QueryMasks
from reir.models.vatex.segmenter import Segmenter, find_segmenter
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import Box, Hit, Picture

FIT = 0.3
"""IoU of a mask's box with the hit's, by default, below which the mask is another object's."""
ROOM = 2.0
"""Times its sides by which a hit's box is enlarged where it is looked at alone."""


def load_mask(spec: ModelSpec, *, device: str = "auto") -> VatexStage:
    """The stage that draws masks, of ``vatex:FOLDER``; option ``fit``, see ``VatexStage``."""
    return _load(spec, "mask", device)


def load_refine(spec: ModelSpec, *, device: str = "auto") -> VatexStage:
    """The stage that gives boxes only, of ``vatex:FOLDER``; option ``fit``, see ``VatexStage``."""
    return _load(spec, "refine", device)


def _load(spec: ModelSpec, kind: Kind, device: str) -> VatexStage:
    spec.require_options(["fit"])
    folder = checkpoint_folder(spec, option=f"--{kind}")
    return VatexStage(find_segmenter(folder, device), kind=kind, fit=spec.number("fit", FIT, low=0.0, high=1.0))


class VatexStage:
    """The mask of the query that fits a hit, and the box of that mask.

    Each picture is looked at whole, once for an expression. Of the N queries' masks a hit takes the one with the
    greatest product of probability and IoU of its box with the hit's. Where that IoU is below ``fit``, the network
    looks again at the hit's box alone, with half its sides around it; where no mask fits there either, the hit stays as
    it is.
    With ``fit`` 0 every hit takes the mask of the surest query, wherever it lies: the network's own answer.

    *Differs from the paper*, which answers for whole pictures, and has no hits to answer for.
    """

    name = "vatex"
    needs_expression = True
    needs_pixels = True
    hits_at_once = 8

    def __init__(self, segmenter: Segmenter, *, kind: Kind, fit: float) -> None:
        self.kind: Kind = kind
        self._segmenter = segmenter
        self._fit = fit

    @property
    def decode_side(self) -> int:
        """See ``Segmenter.decode_side``."""
        return self._segmenter.decode_side

    def prepare(self) -> None:
        """Load the network. Raises WeightsMissingError or UsageError; see ``load_vatex``."""
        self._segmenter.prepare()

    def check(self, model: Model) -> None:
        """Returns for any model: every hit has a box and a picture."""

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their masks and boxes, or with boxes alone."""
        marked = list(hits)
        pictures = [look.picture(hit) for hit in hits]
        first = {(hit.image_id, hit.path): row for row, hit in reversed(list(enumerate(hits)))}
        rows = sorted(first.values())
        asked = self._segmenter.ask([(pictures[row], expression) for row in rows], out_of_time=look.out_of_time)
        whole = dict(zip(rows, asked, strict=True))

        again: list[tuple[int, QueryMasks]] = []
        for row, hit in enumerate(hits):
            answer = whole[first[hit.image_id, hit.path]]
            if answer is None:
                marked[row] = noted(hit, self.name, {"why": "out of time"})
                continue
            found = self._taken(hit, answer, looks=1)
            if found is None:
                again.append((row, answer))
            else:
                marked[row] = found
        windows = [enlarged(pictures[row], hits[row].box) for row, _ in again]
        closer: list[QueryMasks | None] = [None] * len(windows)
        if windows and not look.out_of_time():
            closer = self._segmenter.ask([(part, expression) for part, _ in windows], out_of_time=look.out_of_time)
        for (row, answer), (_, window), crop in zip(again, windows, closer, strict=True):
            seen = None if crop is None else moved(crop, window)
            found = None if seen is None else self._taken(hits[row], seen, looks=2)
            if found is None:
                best = max(float(tried.fits(hits[row].box).max()) for tried in (answer, seen) if tried is not None)
                why = "out of time" if seen is None else "no mask fits the box"
                found = noted(hits[row], self.name, {"fit": round(best, 4), "why": why})
            marked[row] = found
        return marked

    def _taken(self, hit: Hit, answer: QueryMasks, *, looks: int) -> Hit | None:
        """The hit with the mask that fits it, or None where none does."""
        fits = answer.fits(hit.box)
        query = answer.best if self._fit == 0 else int((answer.chances * fits).argmax())
        box = answer.boxes[query]
        if box is None or fits[query] < self._fit:
            return None
        note: dict[str, Any] = {
            "probability": round(float(answer.chances[query]), 6),
            "fit": round(float(fits[query]), 4),
            "looks": looks,
            "box_before": [round(side, 2) for side in hit.box],
        }
        changes: dict[str, Any] = {"box": box}
        if self.kind == "mask":
            changes["mask"] = answer.rle(query, hit.width, hit.height)
            note["area"] = round(mask_area(changes["mask"]) / (hit.width * hit.height), 6)
        return noted(hit, self.name, note, **changes)


def enlarged(picture: Picture, box: Box) -> tuple[Picture, Box]:
    """The part of a picture around a box, ``ROOM`` times its sides, and where it lies in the upright original.

    It is cut along whole pixels of what is decoded, at least one.
    """
    height, width = picture.pixels.shape[:2]
    across, down = picture.width / width, picture.height / height
    x0, y0, x1, y1 = box
    half_width, half_height = (x1 - x0) * ROOM / 2, (y1 - y0) * ROOM / 2
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    left = min(max(int((middle_x - half_width) / across), 0), width - 1)
    top = min(max(int((middle_y - half_height) / down), 0), height - 1)
    right = max(min(round((middle_x + half_width) / across), width), left + 1)
    bottom = max(min(round((middle_y + half_height) / down), height), top + 1)
    window = (left * across, top * down, right * across, bottom * down)
    size = (max(round((right - left) * across), 1), max(round((bottom - top) * down), 1))
    return Picture(picture.pixels[top:bottom, left:right], size[0], size[1]), window


def moved(answer: QueryMasks, window: Box) -> QueryMasks:
    """An answer about a part of a picture as one about the whole."""
    return replace(answer, window=window)
