"""Masks of a pretrained SAM, asked with the boxes of hits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from reir.geometry.masks import encode_rle, resize_rle
from reir.models.sam_clip.prompted import PRECISIONS, BoxPrompter, find_sam
from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import Hit


def load(spec: ModelSpec, *, device: str = "auto") -> SamMasks:
    """The stage: argument ``base`` (default), ``large``, ``huge``, a folder or a repository; option ``precision``."""
    spec.require_options(["precision"])
    precision = spec.choice("precision", "auto", PRECISIONS)
    return SamMasks(spec.argument or "base", device=device, precision=precision)


class SamMasks:
    """What SAM (Kirillov et al., Segment Anything, 2023) takes for the thing in each hit's box.

    All hits of one picture are asked together, and the picture is embedded once, also for later searches. Any model's
    hits have a box, so it works with any index.
    """

    name = "sam"
    kind: Kind = "mask"
    needs_expression = False
    needs_pixels = True
    hits_at_once = 16

    def __init__(self, sam: str, *, device: str, precision: str) -> None:
        self._sam = sam
        self._device = device
        self._precision = precision
        self._lock = threading.Lock()

    @property
    def decode_side(self) -> int:
        """What SAM sees: its masks have no finer edges."""
        return self._prompter.side

    def prepare(self) -> None:
        """Load SAM. Raises WeightsMissingError or UsageError; see ``find_sam``."""
        self._prompter.prepare()

    def check(self, model: Model) -> None:  # noqa: ARG002
        """Returns for any model, when SAM is there. Raises WeightsMissingError or UsageError; see ``find_sam``."""
        with self._lock:
            self._prompter  # noqa: B018

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:  # noqa: ARG002
        """The hits with their masks at the size of the upright original."""
        marked = list(hits)
        by_picture: dict[tuple[int, str], list[int]] = {}
        for row, hit in enumerate(hits):
            by_picture.setdefault((hit.image_id, hit.path), []).append(row)
        for number, rows in enumerate(by_picture.values()):
            if number and look.out_of_time():
                for row in rows:
                    marked[row] = noted(hits[row], self.name, {"why": "out of time"})
                continue
            picture = look.picture(hits[rows[0]])
            height, width = picture.pixels.shape[:2]
            scale = np.array([width / picture.width, height / picture.height] * 2)
            boxes = (np.array([hits[row].box for row in rows]) * scale).astype(np.float32)
            masks, predicted = self._prompter.segment(picture.pixels, boxes)
            for row, mask, score in zip(rows, masks, predicted.tolist(), strict=True):
                note = {"predicted_iou": round(score, 4), "area": round(float(mask.mean()), 6)}
                hit = hits[row]
                if mask.any():
                    rle = resize_rle(encode_rle(mask), hit.width, hit.height)
                    marked[row] = noted(hit, self.name, note, mask=rle)
                else:
                    marked[row] = noted(hit, self.name, {**note, "why": "SAM finds nothing in the box"})
        return marked

    @cached_property
    def _prompter(self) -> BoxPrompter:
        return BoxPrompter(find_sam(self._sam), device=self._device, precision=self._precision)
