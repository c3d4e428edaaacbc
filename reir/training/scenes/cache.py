"""Training scenes rendered once to disk: canvas-sized pixels, scene graphs and texts.

A cache is a folder of shards, each written whole by one process. Pixels of one canvas shape lie in one memory-mapped
array, so that a batch of equal shapes is one fancy index.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reir.data.expressions import Expression, corrupt, describe, phrases
from reir.data.layout import make_scene
from reir.data.scenes import Scene, render
from reir.data.splits import GENERATOR_VERSION
from reir.imaging.letterbox import Letterbox, nearest_canvas
from reir.training.config import DataConfig
from reir.types import Picture

SHARD = 500


@dataclass(frozen=True, slots=True)
class SceneRecord:
    """One scene of a cache: ``canvas`` (H, W) and ``row`` find its pixels within its shard, ``valid`` (h, w) is the
    part of the canvas that the picture covers.
    """

    scene: Scene
    canvas: tuple[int, int]
    row: int
    valid: tuple[int, int]
    expressions: tuple[tuple[Expression, int], ...]
    """True expressions of exactly one object, with its index."""
    phrases: tuple[Expression, ...]
    """Short noun phrases, true of one or more objects."""
    corruptions: tuple[Expression, ...]
    """Expressions true of no object of this scene."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Records of one shard and its pixels by canvas, each (n, H, W, 3) uint8, memory-mapped."""

    records: tuple[SceneRecord, ...]
    pixels: dict[tuple[int, int], npt.NDArray[np.uint8]]


def cache_key(config: DataConfig, canvases: list[tuple[int, int]]) -> str:
    """Name of the folder that holds scenes made with these settings by this generator."""
    settings = config.model_dump(exclude={"scenes", "validation_scenes"})
    text = json.dumps([GENERATOR_VERSION, settings, canvases], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def build_cache(
    folder: Path,
    *,
    first_seed: int,
    config: DataConfig,
    canvases: list[tuple[int, int]],
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Folders of the shards for ``config.scenes`` scenes; those that exist are kept.

    With no ``workers`` they are made in this process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first_seed, first_seed + config.scenes, SHARD)
    paths = [folder / f"shard-{start:09d}" for start in starts]
    counts = [min(SHARD, first_seed + config.scenes - start) for start in starts]
    jobs = [
        (path, start, count)
        for path, start, count in zip(paths, starts, counts, strict=True)
        if not (path / f"complete-{count}").exists()
    ]
    build = partial(_build_shard, config=config, canvases=canvases)
    done = len(paths) - len(jobs)
    with ExitStack() as stack:
        run: Callable[..., Iterable[None]] = map
        if workers > 0 and jobs:
            pool = ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn"))
            run = stack.enter_context(pool).map
        for _ in run(build, jobs):
            done += 1
            if progress is not None:
                progress(done, len(paths))
    return paths


def load_shard(path: Path) -> Shard:
    """A shard written by ``build_cache``."""
    records = pickle.loads((path / "records.pkl").read_bytes())  # written by us, in our own cache folder
    pixels = {}
    for file in sorted(path.glob("pixels-*.npy")):
        height, width = map(int, file.stem.removeprefix("pixels-").split("x"))
        pixels[height, width] = np.load(file, mmap_mode="r")
    return Shard(records, pixels)


def load_shards(paths: Iterable[Path]) -> list[Shard]:
    """All shards of a run, out of the garbage collector's sight until the process ends.

    Their millions of small objects, none of them garbage, would be looked at again and again, and copied in workers
    that are forked. What is out of sight at the end counts as leaked by other libraries, who then say so at length.
    """
    gc.disable()
    try:
        shards = [load_shard(path) for path in paths]
    finally:
        gc.enable()
    gc.freeze()
    atexit.register(gc.unfreeze)
    return shards


def letterboxed_scene(scene: Scene, canvases: list[tuple[int, int]], scale: float) -> Letterbox:
    """A scene rendered at ``scale`` times its canvas and reduced into it, as a photo is when it is indexed."""
    width = 1000 * scene.aspect**0.5
    canvas = nearest_canvas(round(width), round(width / scene.aspect), canvases)
    fit = min(canvas[0], canvas[1] / scene.aspect) * scale
    rendered = render(scene, max(1, round(fit * scene.aspect)), max(1, round(fit)))
    height, width = rendered.pixels.shape[:2]
    return Letterbox.fit(Picture(rendered.pixels, width, height), canvas)


def write_texts(
    scene: Scene, rng: np.random.Generator, config: DataConfig
) -> tuple[list[tuple[Expression, int]], list[Expression], list[Expression]]:
    """Expressions with targets, phrases and corruptions of a scene."""
    described = describe(scene, rng, config.expressions)
    corruptions = []
    for i in rng.permutation(len(described))[: config.corruptions]:
        wrong = corrupt(described[i][0], scene, rng)
        if wrong is not None:
            corruptions.append(wrong)
    return described, phrases(scene, rng, config.phrases), corruptions


def _build_shard(job: tuple[Path, int, int], *, config: DataConfig, canvases: list[tuple[int, int]]) -> None:
    path, first_seed, count = job
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True, exist_ok=True)
    records: list[SceneRecord] = []
    pixels: dict[tuple[int, int], list[npt.NDArray[np.uint8]]] = {}
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng([seed, 1])
        scene = make_scene(seed)
        drawn = letterboxed_scene(scene, canvases, float(rng.uniform(*config.render_scale)))
        canvas = (drawn.pixels.shape[0], drawn.pixels.shape[1])
        valid = (drawn.valid_height, drawn.valid_width)
        described, short, corruptions = write_texts(scene, rng, config)
        rows = pixels.setdefault(canvas, [])
        records.append(SceneRecord(scene, canvas, len(rows), valid, tuple(described), tuple(short), tuple(corruptions)))
        rows.append(drawn.pixels)
    for (height, width), stack in pixels.items():
        np.save(temporary / f"pixels-{height}x{width}.npy", np.stack(stack))
    (temporary / "records.pkl").write_bytes(pickle.dumps(tuple(records), protocol=pickle.HIGHEST_PROTOCOL))
    (temporary / f"complete-{count}").touch()
    shutil.rmtree(path, ignore_errors=True)
    temporary.replace(path)
