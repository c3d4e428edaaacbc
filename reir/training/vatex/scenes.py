"""Emoji scenes as VATEX takes them: pixels from a cache, masks and expressions from the scene graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch.utils.data import Dataset

from reir.data.expressions import describe, mirror_expression
from reir.data.layout import ASPECTS, make_scene
from reir.data.scenes import Scene, draw_owners, render
from reir.data.splits import Split
from reir.models.vatex.pixels import network_size
from reir.training.config import DataConfig
from reir.training.scenes.cache import SceneRecord, load_shards
from reir.training.scenes.epochs import Epochs
from reir.training.vatex.config import MaskScenes
from reir.training.vatex.queries import MaskQuery, MaskScene
from reir.training.vatex.rows import Composer, MaskBatch, Sample, draw_rows

SEEN = 12
"""Pixels that must be seen of an object for its expressions to be taken."""


def scene_canvases(side: int) -> list[tuple[int, int]]:
    """The (height, width) at which a network of this short side looks at scenes, one for each of their shapes."""
    return sorted({network_size(round(1000 * aspect**0.5), round(1000 / aspect**0.5), side) for aspect, _ in ASPECTS})


def cache_settings(config: MaskScenes) -> DataConfig:
    """The settings of the cache of scenes; phrases and wrong expressions are not needed."""
    return DataConfig(scenes=config.scenes, expressions=config.expressions, phrases=0, corruptions=0)


class SceneRows(Dataset[MaskBatch]):
    """Numbered batches of scenes, each a function of the seed and its number: a run that goes on sees the same."""

    def __init__(
        self,
        shards: list[Path],
        *,
        config: MaskScenes,
        composer: Composer,
        pictures: int,
        rows: int,
        seed: int,
        steps: int,
    ) -> None:
        self._shards = load_shards(shards)
        self._epochs = Epochs(self._shards, pictures=pictures, seed=seed)
        self._config, self._composer, self._rows, self._seed, self._steps = config, composer, rows, seed, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, number: int) -> MaskBatch:
        rng = np.random.default_rng([self._seed, 21, number])
        samples = []
        for s, r in self._epochs[number]:
            shard = self._shards[s]
            record = shard.records[r]
            flip = self._config.mirror and bool(rng.random() < 0.5)
            sample = _sample(record, shard.pixels[record.canvas][record.row], self._rows, rng, flip=flip)
            samples += [] if sample is None else [sample]
        return self._composer.compose(samples)


def _sample(
    record: SceneRecord, canvas: npt.NDArray[np.uint8], rows: int, rng: np.random.Generator, *, flip: bool
) -> Sample | None:
    """A scene with its rows; None where no object with an expression is seen."""
    height, width = canvas.shape[:2]
    pixels = canvas[: record.valid[0], : record.valid[1]]
    if pixels.shape != canvas.shape:  # as at inference, a picture is stretched, not padded
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    owners = draw_owners(record.scene, width, height)
    if flip:
        pixels, owners = pixels[:, ::-1], owners[:, ::-1]
    texts: list[list[str]] = [[] for _ in record.scene.objects]
    for expression, target in record.expressions:
        texts[target].append((mirror_expression(expression) if flip else expression).text)
    seen = np.bincount(owners.ravel(), minlength=256)
    counts = [len(found) if seen[item] >= SEEN else 0 for item, found in enumerate(texts)]
    if not any(counts):
        return None
    chosen, triplet = draw_rows(counts, rows, rng)
    return Sample(pixels, [texts[i][t] for i, t in chosen], [owners == i for i, _ in chosen], triplet)


def scene_queries(split: Split, count: int, *, side: int, objects: int = 3, expressions: int = 3) -> list[MaskScene]:
    """The first ``count`` scenes of a split with several expressions of each of at most ``objects`` objects.

    Objects that more is said of come first; all are seen, and have at most ``expressions`` expressions.
    """
    return [
        _scene_query(make_scene(seed, split.style), seed, side, objects, expressions) for seed in split.seeds(count)
    ]


def _scene_query(scene: Scene, seed: int, side: int, objects: int, expressions: int) -> MaskScene:
    height, width = network_size(round(1000 * scene.aspect**0.5), round(1000 / scene.aspect**0.5), side)
    rendered = render(scene, width, height)
    found: dict[int, list[MaskQuery]] = {}
    for expression, target in describe(scene, np.random.default_rng([seed, 22]), 4 * objects * expressions):
        mask = rendered.mask(target)
        if mask.sum() >= SEEN and len(found.setdefault(target, [])) < expressions:
            found[target].append(MaskQuery(expression.text, expression.kind, target, mask))
    several = [target for target in found if len(found[target]) > 1]
    most = sorted(several, key=lambda target: -len(found[target]))[:objects]
    return MaskScene(rendered.pixels, tuple(query for target in most for query in found[target]))
