"""A checkpoint folder of VATEX put to use: pictures and expressions to the masks of its queries."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash
from cachetools import LRUCache

from reir.models.vatex.masks import QueryMasks
from reir.models.vatex.nouns import main_object
from reir.types import Picture

if TYPE_CHECKING:
    from reir.models.vatex.config import VatexConfig

BATCH_PIXELS = 1_300_000
"""Pixels that go through the network together: four pictures of 480 x 640."""
BATCH = 16
"""Rows that do, at most."""
_REMEMBERED = 256
"""Answers that are kept, 0.4 MB each of a picture of 480 x 640: refining a box and drawing its mask ask the same."""


def find_segmenter(folder: Path, device: str) -> Segmenter:
    """The segmenter of a checkpoint folder; one for all who ask while its files stay the same.

    Raises:
        UsageError: the folder is no checkpoint of VATEX.
    """
    from reir.models.vatex.description import CONFIG, read_description

    folder = folder.expanduser().resolve()
    read_description(folder)
    return _segmenter(folder, xxhash.xxh3_64_hexdigest((folder / CONFIG).read_bytes()), device)


@lru_cache(maxsize=4)
def _segmenter(folder: Path, digest: str, device: str) -> Segmenter:  # noqa: ARG001
    return Segmenter(folder, device=device)


class Segmenter:
    """The network of a folder. Safe from several threads; weights and torch are loaded by the first question."""

    def __init__(self, folder: Path, *, device: str) -> None:
        from reir.models.vatex.description import read_config, read_description

        self.folder = folder
        description = read_description(folder)
        self.config: VatexConfig = read_config(description)
        self.notice: str | None = description["notice"]
        self._device = device
        self._lock = threading.Lock()
        self._answers: LRUCache[tuple[int, int, int, str], QueryMasks] = LRUCache(_REMEMBERED)

    @property
    def decode_side(self) -> int:
        """The longest side of the network's pictures."""
        from reir.models.vatex.sizes import LONGEST

        return round(LONGEST * self.config.side)

    def prepare(self) -> None:
        """Load the network. Raises WeightsMissingError or UsageError; see ``load_vatex``."""
        with self._lock:
            self._network  # noqa: B018

    def ask(
        self, questions: Sequence[tuple[Picture, str]], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[QueryMasks | None]:
        """The queries' answers to each (picture, expression), in batches of pictures of one size.

        None for those that it did not come to before ``out_of_time`` said so; one batch it always answers.
        """
        from reir.models.vatex.sizes import network_size

        answers: list[QueryMasks | None] = []
        waiting: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        keys = [_key(picture, text) for picture, text in questions]
        for row, ((picture, _), key) in enumerate(zip(questions, keys, strict=True)):
            with self._lock:
                answers.append(self._answers.get(key))
            if answers[row] is None:
                waiting[network_size(picture.width, picture.height, self.config.side)].append(row)
        began = False
        for size, rows in waiting.items():
            batch = max(1, min(BATCH, BATCH_PIXELS // (size[0] * size[1])))
            for start in range(0, len(rows), batch):
                if began and out_of_time():
                    return answers
                began = True
                chunk = rows[start : start + batch]
                for row, found in zip(chunk, self._forward([questions[row] for row in chunk], size), strict=True):
                    answers[row] = found
                    with self._lock:
                        self._answers[keys[row]] = found
        return answers

    def _forward(self, questions: Sequence[tuple[Picture, str]], size: tuple[int, int]) -> list[QueryMasks]:
        from reir.models.vatex.predict import predict

        with self._lock:
            parts, device = self._network
        pictures = [picture for picture, _ in questions]
        prompts = [main_object(text).prompt for _, text in questions]
        chances, logits = predict(parts, device, pictures, [text for _, text in questions], prompts, size)
        return [
            QueryMasks(chances[row], logits[row], (0.0, 0.0, float(picture.width), float(picture.height)))
            for row, picture in enumerate(pictures)
        ]

    @cached_property
    def _network(self) -> Any:
        from reir.models.device import resolve_device
        from reir.models.vatex.checkpoint import load_vatex

        device = resolve_device(self._device)
        parts = load_vatex(self.folder)
        parts.network.to(device)
        if parts.prior is not None:
            parts.prior.to(device)
        return parts, device


def _key(picture: Picture, text: str) -> tuple[int, int, int, str]:
    return xxhash.xxh3_64_intdigest(picture.pixels.tobytes()), picture.width, picture.height, text
