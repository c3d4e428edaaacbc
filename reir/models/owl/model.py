"""OWL-ViT and OWLv2 as models of reir: [s v, s b] an instance, [q, 1] a query."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reir.geometry import nms
from reir.models.length import length_warnings
from reir.models.owl.folder import OwlFolder
from reir.models.owl.nouns import EVERYDAY_NOUNS
from reir.models.owl.text import TextBranch
from reir.protocols import Calibration
from reir.types import FloatArray, Instances, ModelIdentity, Picture

if TYPE_CHECKING:
    from reir.models.owl.detect import OwlDetector

FORMAT = 1
"""Counted up when the code here makes other vectors, or keeps other instances, of the same weights."""

NMS_IOU = 0.7
"""Overlap beyond which the lesser of two boxes goes: patches repeat each other's boxes nearly exactly, while boxes of
different things (a rider and a horse) overlap by half."""

PRECISIONS = ("float32", "bfloat16")
"""What the vision tower can be told to compute in."""

PROMPT = "a photo of a {}"
"""How the yardstick's nouns are asked for: the prompt that OWL-ViT was trained with."""


class OwlModel:
    """The ``Model`` of a folder of OWL-ViT or OWLv2 weights. Safe from several threads.

    Scores are the network's own logits s (v q + b) up to float16 storage (Minderer et al., Simple Open-Vocabulary
    Object Detection with Vision Transformers, 2022; Scaling Open-Vocabulary Object Detection, 2023). Instances of a
    picture are its patches of the highest objectness after class-agnostic NMS.

    *Differs from the papers*: they give every patch's box to every query and suppress nothing; an index keeps few.
    OWL-ViT has no objectness head; here its objectness is the logistic function of the patch's greatest logit over
    ``EVERYDAY_NOUNS``, because which patches show a thing at all must be known before any query.
    """

    def __init__(
        self,
        folder: OwlFolder,
        *,
        name: str,
        nms_iou: float = NMS_IOU,
        precision: str | None = None,
        device: str = "auto",
    ) -> None:
        """``precision``: one of ``PRECISIONS``; None for what the device is best at."""
        self._folder = folder
        self._name = name
        self._nms_iou = nms_iou
        self._precision = precision
        self._device = device
        self._lock = threading.Lock()
        self._text = TextBranch(folder)

    @cached_property
    def identity(self) -> ModelIdentity:
        """Name, dimension E + 1, and the hash of the folder's files and of what else decides the vectors."""
        settings: dict[str, Any] = {"format": FORMAT, "files": self._folder.digest, "nms_iou": self._nms_iou}
        if self._precision is not None:
            settings["precision"] = self._precision
        if self._has_yardstick:
            settings["yardstick"] = [PROMPT, *EVERYDAY_NOUNS]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return ModelIdentity(self._name, digest, self._folder.dimension + 1)

    @property
    def decode_side(self) -> int:
        """Twice the side of the network's input: more pixels are smoothed away before the network sees them."""
        return 2 * self._folder.image_side

    @property
    def notice(self) -> str | None:
        """Nothing: it was trained on pictures of all kinds."""
        return None

    @property
    def calibration(self) -> Calibration | None:
        """Nothing: what its logits mean over a gallery was not measured."""
        return None

    @property
    def blend(self) -> Mapping[str, float]:
        """Nothing to mix: the score is one logit."""
        return {}

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """Kept instances of each picture, best objectness first, boxes in pixels of the upright original."""
        if not pictures:
            return []
        return [
            instances.take(nms(instances.boxes, instances.objectness, self._nms_iou))
            for instances in self._loaded_detector().detect(pictures)
        ]

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:  # noqa: ARG002
        """``[q, 1]`` of each expression (Q, E + 1) float32, q its unit embedding by the text tower."""
        return _with_one(self._text.encode(expressions))

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """``[v, 1]`` (Q, E + 1) float32 of the patch that stands for each crop; see ``OwlDetector.embed``."""
        if not crops:
            return np.zeros((0, self.identity.dimension), dtype=np.float32)
        return _with_one(self._loaded_detector().embed(crops))

    def as_query(self, vector: FloatArray) -> FloatArray:
        """``[v, 1]`` (E + 1,) float32 of a stored ``[s v, s b]``: its first E numbers back at length 1."""
        direction = np.asarray(vector[:-1], dtype=np.float32)
        return _with_one((direction / max(float(np.linalg.norm(direction)), 1e-6))[None])[0]

    def text_warnings(self, expression: str) -> list[str]:
        """Words past the text tower's 16 tokens."""
        return length_warnings(self._text.dropped_words(expression))

    def share_read(self, expression: str) -> float:
        """Share of the words within the text tower's 16 tokens; 0 for an expression without words."""
        return self._text.share_read(expression)

    @property
    def _has_yardstick(self) -> bool:
        return self._folder.family == "owlvit"

    def _loaded_detector(self) -> OwlDetector:
        with self._lock:
            return self._detector

    @cached_property
    def _detector(self) -> OwlDetector:
        from reir.models.owl.detect import OwlDetector

        yardstick = self._text.encode([PROMPT.format(noun) for noun in EVERYDAY_NOUNS]) if self._has_yardstick else None
        return OwlDetector(self._folder, device=self._device, precision=self._precision, yardstick=yardstick)


def _with_one(units: FloatArray) -> FloatArray:
    """Rows (N, E) with a 1 behind each (N, E + 1), which takes the shift along."""
    return np.concatenate([units, np.ones((len(units), 1), dtype=np.float32)], axis=1)
