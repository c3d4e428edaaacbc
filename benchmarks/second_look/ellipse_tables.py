"""Tables 1 to 3 of Tune-An-Ellipse on emoji scenes, with the towers of ``train_prompted_towers``.

    python -m benchmarks.second_look.ellipse_tables scenes/validation/validation.json --split validation
        --towers runs/towers/a runs/towers/crops --crops runs/clip --detector runs/base/rcnn-clip
        --out runs/ellipse
    python -m benchmarks.second_look.ellipse_tables scenes/test/test.json --split test
        --towers runs/towers/a runs/towers/crops --crops runs/clip --detector runs/base/rcnn-clip
        --out runs/ellipse

The first chooses the curve's width and the weight of the matching loss on validation and keeps them in ``chosen.json``;
the second measures every row on the same expressions, drawn by a seed, and writes ``tables.json`` and ``tables.md``. It
goes on in batches until ``--queries`` or ``--minutes`` are reached, from where it stopped if it is started again, and
tells after the first batch how long the others will take. The first tower scores, both give Grad-CAM
("ensemble"), or the first alone ("single"). Run both with the same ``--steps``, ``--rate`` and ``--points``.

Intervals are 95% bootstrap intervals over queries; a difference is that of paired queries.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.machine import print_machine
from benchmarks.second_look.ellipse_report import markdown
from reir.data import load_dataset
from reir.geometry import paired_iou
from reir.imaging import decode_picture
from reir.models import load_model
from reir.models.detector_clip.crops import cut_crops
from reir.models.ellipse import EllipseSettings, anchors, box_of, extents, inscribed
from reir.models.ellipse.question import Questions
from reir.models.ellipse.start import mean_activation
from reir.models.ellipse.tower import PromptedTower
from reir.models.ellipse.tune import tune
from reir.models.towers import ClipTower
from reir.types import Box, FloatArray, Picture

BATCH = 8
LOSSES = {
    "sim": (1.0, 0.0, 0.0),
    "inf": (0.0, 1.0, 0.0),
    "sqz": (0.0, 0.0, 1.0),
    "sim+inf": (1.0, 1.0, 0.0),
    "sim+sqz": (1.0, 0.0, 1.0),
    "inf+sqz": (0.0, 1.0, 1.0),
    "sim+inf+sqz": (1.0, 1.0, 1.0),
}
GRID = tuple({"sigma": sigma, "similarity": similarity} for sigma in (0.05, 0.1) for similarity in (1.0, 4.0))
"""What validation chooses from."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, its picture, and its true box."""

    picture: Picture
    text: str
    truth: Box


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", choices=["validation", "test"], required=True)
    parser.add_argument("--towers", type=Path, nargs=2, required=True)
    parser.add_argument("--crops", help="the tower of the rows with crops; by default the first")
    parser.add_argument("--detector", required=True, help="the folder of an rcnn-clip, for its boxes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate: fewer steps need a higher one")
    parser.add_argument("--points", type=int, default=9, help="anchor points a side")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_machine(["torch", "open_clip_torch"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    base = EllipseSettings(steps=arguments.steps, learning_rate=arguments.rate, points=arguments.points)
    bench = Bench(arguments.towers, arguments.detector, base.points, arguments.crops)
    queries = read_queries(arguments.dataset, arguments.queries, arguments.seed)
    ends = time.monotonic() + arguments.minutes * 60
    # The fused attention's backward takes half of a step at this size; plain matrix products do not.
    with sdpa_kernel(SDPBackend.MATH):
        if arguments.split == "validation":
            _choose(bench, queries, base, ends, arguments.out / "chosen.json")
        else:
            chosen = json.loads((arguments.out / "chosen.json").read_text())["settings"]
            asked = {
                "dataset": str(arguments.dataset),
                "seed": arguments.seed,
                "towers": [str(t) for t in arguments.towers],
            }
            _measure(bench, queries, replace(base, **chosen), ends, arguments.out, asked)


def read_queries(dataset: Path, count: int, seed: int) -> list[Query]:
    """Expressions of a data set, in an order that a seed draws."""
    content = load_dataset(dataset)
    queries = []
    for row in np.random.default_rng(seed).permutation(len(content.queries))[:count]:
        asked = content.queries[row]
        picture = decode_picture(content.images_root / asked.file_name, max_side=512).picture
        queries.append(Query(picture, asked.text, asked.box))
    return queries


class Bench:
    """The towers, the detector, and what one batch of queries gives in every row."""

    def __init__(self, towers: Sequence[Path], detector: str, points: int, crops: str | None = None) -> None:
        clips = [ClipTower.load(str(folder), device="cpu", precision="bfloat16") for folder in towers]
        self.first, self.second = (PromptedTower(clip, device="cpu", precision="bfloat16") for clip in clips)
        self.crops = ClipTower.load(crops, device="cpu", precision="bfloat16") if crops else self.first.clip
        self.detector = load_model(f"rcnn-clip:{detector}", device="cpu")
        self.table = torch.from_numpy(anchors(points))

    def asked(self, queries: Sequence[Query], settings: EllipseSettings, *, ensemble: bool) -> Questions:
        """The queries for the first tower's scores and for Grad-CAMs of one tower or both."""
        explaining = [self.first, self.second] if ensemble else [self.first]
        pictures, texts = [query.picture for query in queries], [query.text for query in queries]
        return Questions([self.first], explaining, pictures, texts, settings)

    def anchor_scores(self, asked: Questions, count: int) -> Tensor:
        """S (Q, A) of every anchor."""
        return torch.stack([asked.matching(self.table, _rows(row, len(self.table))) for row in range(count)])

    def anchor_activations(self, asked: Questions, count: int) -> Tensor:
        """A (Q, A) of every anchor."""
        return torch.stack([mean_activation(asked, self.table, _rows(row, len(self.table))) for row in range(count)])

    def by_score_then_activation(self, asked: Questions, scores: Tensor, top: int) -> Tensor:
        """Top-10 (S) & Top-1 (A): the anchor (Q,) of the highest activation among the best by score."""
        best = scores.topk(top, dim=1).indices
        chosen = [
            rows[mean_activation(asked, self.table[rows], _rows(number, len(rows))).argmax()]
            for number, rows in enumerate(best)
        ]
        return torch.stack(chosen)

    def proposals(self, queries: Sequence[Query], settings: EllipseSettings) -> dict[str, list[float]]:
        """Rows with the detector's boxes: overlaps of the box that crops, hard and soft ellipses choose."""
        rows: dict[str, list[float]] = {"crops": [], "red circle": [], "ours": []}
        for query, found in zip(queries, self.detector.extract([query.picture for query in queries]), strict=True):
            boxes = found.boxes
            if not len(boxes):
                for row in rows.values():
                    row.append(0.0)
                continue
            text = self.first.texts([query.text])[0]
            shapes = _inscribed(query, boxes)
            asked = self.asked([query], settings, ensemble=False)
            values = {
                "crops": self._crop_scores(query, boxes),
                "red circle": self._circle_scores(query, shapes, text),
                "ours": asked.matching(torch.from_numpy(shapes), _rows(0, len(shapes))),
            }
            for name, scores in values.items():
                rows[name].append(overlap(query, tuple(boxes[int(scores.argmax())].tolist())))
        return rows

    def refined(self, queries: Sequence[Query], settings: EllipseSettings) -> dict[str, list[float]]:
        """Rows of the refine stage: tuned from the detector's box that scores best, and from the true box itself."""
        boxes = []
        for query, found in zip(queries, self.detector.extract([query.picture for query in queries]), strict=True):
            shapes = _inscribed(query, found.boxes if len(found) else np.array([query.truth]))
            asked = self.asked([query], settings, ensemble=False)
            boxes.append(shapes[int(asked.matching(torch.from_numpy(shapes), _rows(0, len(shapes))).argmax())])
        true = np.concatenate([_inscribed(query, np.array([query.truth])) for query in queries])
        ensemble = self.asked(queries, settings, ensemble=True)
        starts = {"F-RCNN/tuned": np.stack(boxes), "truth/tuned": true}
        rows = {}
        for name, start in starts.items():
            tuned = tune(ensemble, torch.from_numpy(start), settings)
            rows[name] = overlaps(queries, tuned.ellipses)
            rows[f"{name}, guarded"] = [
                after if better else before
                for after, before, better in zip(
                    rows[name],
                    overlaps(queries, torch.from_numpy(start)),
                    (tuned.scores > tuned.scores_before).tolist(),
                    strict=True,
                )
            ]
        return rows

    def anchor_crops(self, queries: Sequence[Query]) -> list[float]:
        """Overlaps of the anchor whose crop fits best."""
        overlaps = []
        for query in queries:
            width, height = query.picture.width, query.picture.height
            shapes = self.table.numpy()
            boxes = np.array([box_of(shape, width, height) for shape in shapes], dtype=np.float32)
            scores = self._crop_scores(query, boxes)
            overlaps.append(overlap(query, tuple(boxes[int(scores.argmax())].tolist())))
        return overlaps

    def _crop_scores(self, query: Query, boxes: FloatArray) -> Tensor:
        text = torch.from_numpy(self.crops.encode_texts([query.text]))[0]
        return torch.from_numpy(self.crops.encode_pixels(cut_crops(query.picture, boxes))) @ text

    def _circle_scores(self, query: Query, shapes: FloatArray, text: Tensor) -> Tensor:
        """The scores (N,) of pictures with an opaque line of two pixels around each box, as Red Circle draws it."""
        height, width = self.first.size
        pixels = self.first.pixels([query.picture])[0].permute(1, 2, 0).numpy()
        drawn = []
        for box in (extents(shapes) + 1) / 2 * (width, height, width, height):
            image = Image.fromarray((pixels * 255).round().astype(np.uint8))
            ImageDraw.Draw(image).ellipse([*np.sort(box.reshape(2, 2), axis=0).ravel()], outline=(255, 0, 0), width=2)
            drawn.append(np.asarray(image))
        batch = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            return self.first.embed(batch) @ text


def _inscribed(query: Query, boxes: FloatArray) -> FloatArray:
    """The ellipses (N, 5) within boxes (N, 4)."""
    return np.stack([inscribed(tuple(box), query.picture.width, query.picture.height) for box in boxes.tolist()])


def overlap(query: Query, box: Box) -> float:
    """IoU of a box with the query's true one."""
    return float(paired_iou(np.array(box), np.array(query.truth)))


def overlaps(queries: Sequence[Query], ellipses: Tensor) -> list[float]:
    """IoU of each ellipse's box with the query's true one."""
    return [
        overlap(query, box_of(ellipse, query.picture.width, query.picture.height))
        for query, ellipse in zip(queries, ellipses.numpy(), strict=True)
    ]


def _measure(
    bench: Bench, queries: list[Query], settings: EllipseSettings, ends: float, out: Path, asked: dict[str, Any]
) -> None:
    rows: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    done = 0
    if (out / "tables.json").is_file():
        kept = json.loads((out / "tables.json").read_text())
        if kept.get("asked") == asked and kept["settings"] == asdict(settings):
            rows, seconds, done = kept["rows"], kept["seconds"], kept["queries"]
    first, began = done, time.monotonic()
    for start in range(done, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        for name, values in _batch_rows(bench, batch, settings, seconds).items():
            rows.setdefault(name, []).extend(values)
        report = {
            "asked": asked,
            "settings": asdict(settings),
            "queries": start + len(batch),
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
            "rows": rows,
        }
        (out / "tables.json").write_text(json.dumps(report, indent=1))
        (out / "tables.md").write_text(markdown(rows, settings.steps))
        print(f"queries   {start + len(batch)}: {_accuracies(rows)}", flush=True)
        if start == first:
            rest = (time.monotonic() - began) / 60 * math.ceil((len(queries) - start - len(batch)) / BATCH)
            print(f"estimate  {rest:.0f} more minutes for {len(queries)} queries", flush=True)
        if time.monotonic() >= ends:
            break


def _batch_rows(
    bench: Bench, batch: list[Query], settings: EllipseSettings, seconds: dict[str, float]
) -> dict[str, list[float]]:
    """Every row's overlaps for a batch."""
    rows = {f"F-RCNN/{name}": values for name, values in bench.proposals(batch, settings).items()}
    single = bench.asked(batch, settings, ensemble=False)
    ensemble = bench.asked(batch, settings, ensemble=True)
    began = time.monotonic()
    scores = bench.anchor_scores(single, len(batch))
    activations = bench.anchor_activations(single, len(batch))
    seconds["anchors"] = seconds.get("anchors", 0.0) + time.monotonic() - began
    rows |= bench.refined(batch, settings)
    rows["P-Ellipses/crops"] = bench.anchor_crops(batch)
    by_activation = activations.topk(settings.top, dim=1).indices
    starts = {
        "S": scores.argmax(dim=1),
        "A": activations.argmax(dim=1),
        "S&A": bench.by_score_then_activation(single, scores, settings.top),
        "A&S": by_activation.gather(1, scores.gather(1, by_activation).argmax(dim=1, keepdim=True))[:, 0],
    }
    for name, anchor in starts.items():
        rows[f"start/{name}/0"] = overlaps(batch, bench.table[anchor])
        if name != "S&A":
            rows[f"start/{name}/tuned"] = _tuned(batch, single, bench.table[anchor], settings, seconds)
    both = bench.by_score_then_activation(ensemble, scores, settings.top)
    rows["start/S&A ensemble/0"] = overlaps(batch, bench.table[both])
    for name, weights in LOSSES.items():
        part = _weighted(settings, weights)
        rows[f"losses/{name}/single"] = _tuned(batch, single, bench.table[starts["S&A"]], part, seconds)
        rows[f"losses/{name}/ensemble"] = _tuned(batch, ensemble, bench.table[both], part, seconds)
    rows["start/S&A/tuned"] = rows["losses/sim+inf+sqz/single"]
    return rows


def _tuned(
    batch: list[Query], asked: Questions, start: Tensor, settings: EllipseSettings, seconds: dict[str, float]
) -> list[float]:
    began = time.monotonic()
    found = overlaps(batch, tune(asked, start, settings).ellipses)
    seconds["tunings"] = seconds.get("tunings", 0.0) + time.monotonic() - began
    seconds["tuned"] = seconds.get("tuned", 0.0) + len(batch)
    return found


def _weighted(settings: EllipseSettings, weights: tuple[float, float, float]) -> EllipseSettings:
    similarity, inflation, squeezing = weights
    return replace(
        settings,
        similarity=settings.similarity * similarity,
        inflation=settings.inflation * inflation,
        squeezing=settings.squeezing * squeezing,
    )


def _choose(bench: Bench, queries: list[Query], base: EllipseSettings, ends: float, path: Path) -> None:
    """Keep the settings of ``GRID`` with the highest mean IoU of tuned ellipses."""
    found: list[list[float]] = [[] for _ in GRID]
    for first in range(0, len(queries), BATCH):
        batch = queries[first : first + BATCH]
        starts: dict[float, Tensor] = {}
        for number, changes in enumerate(GRID):
            settings = replace(base, **changes)
            asked = bench.asked(batch, settings, ensemble=True)
            if settings.sigma not in starts:
                scores = bench.anchor_scores(asked, len(batch))
                starts[settings.sigma] = bench.table[bench.by_score_then_activation(asked, scores, settings.top)]
            found[number] += overlaps(batch, tune(asked, starts[settings.sigma], settings).ellipses)
        means = [round(float(np.mean(values)), 4) for values in found]
        best = int(np.argmax(means))
        rows = [{**changes, "mean_iou": mean} for changes, mean in zip(GRID, means, strict=True)]
        report: Mapping[str, Any] = {"settings": GRID[best], "queries": len(found[0]), "tried": rows}
        path.write_text(json.dumps(report, indent=1))
        print(f"queries   {len(found[0])}: {means}", flush=True)
        if time.monotonic() >= ends:
            break


def _accuracies(rows: Mapping[str, list[float]]) -> str:
    return ", ".join(f"{name} {np.mean(np.array(values) > 0.5):.3f}" for name, values in rows.items())


def _rows(row: int, count: int) -> Tensor:
    return torch.full((count,), row, dtype=torch.long)


if __name__ == "__main__":
    main()
