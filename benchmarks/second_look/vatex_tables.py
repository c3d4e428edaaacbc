"""VATEX's Table 4 (CLIP Prior, CMD, MCC) and Table 17 (object-centric IoU) on emoji scenes.

    python -m benchmarks.second_look.vatex_tables train --tower runs/clip --work runs/vatex --minutes 60
    python -m benchmarks.second_look.vatex_tables report --work runs/vatex

``train`` trains and measures every (row, seed) that has no answers yet, seed by seed; it may be stopped at any time.
All rows are one small network with parts left out: the same scenes in the same order for the same seed, the same steps
and rates. Words come from the frozen text transformer of ``--tower`` in all rows, heatmaps from its image side where
there is a CLIP Prior; it is that of ``benchmarks.bridging.train_clip``. The backbone starts from that of
``clare-tiny``, as the paper's from ImageNet. Measured on scenes of the test split, with 2 or 3 expressions of each of
up to 3 objects.

``report`` prints the tables with 95% intervals over scenes, of figures and of differences on the same expressions, and
writes them as JSON. What they tell of other seeds is less: differences of single seeds are listed beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.machine import print_machine
from reir.data.splits import TEST
from reir.metrics.bootstrap import bootstrap_ratio_interval
from reir.metrics.segmentation import mask_ious
from reir.models.vatex.checkpoint import load_vatex
from reir.training.checkpoint import NAME as CHECKPOINT
from reir.training.config import load_config
from reir.training.vatex import VatexTraining
from reir.training.vatex.answers import answer
from reir.training.vatex.rows import Composer
from reir.training.vatex.run import train
from reir.training.vatex.scenes import scene_queries

ROWS: Final = {
    "baseline": (False, False, False),
    "CLIP Prior": (True, False, False),
    "CMD": (False, True, False),
    "CMD + MCC": (False, True, True),
    "CLIP Prior + CMD": (True, True, False),
    "CLIP Prior + CMD + MCC": (True, True, True),
}
"""Of the paper's tables 4 and 15: which parts a row has."""
ORDER: Final = ("CLIP Prior + CMD + MCC", "CMD", "CMD + MCC", "baseline", "CLIP Prior", "CLIP Prior + CMD")
"""In which rows of a seed are trained, should time run out."""
PAPER: Final = {
    "baseline": 70.42,
    "CLIP Prior": 71.95,
    "CMD": 73.18,
    "CMD + MCC": 75.43,
    "CLIP Prior + CMD": 75.12,
    "CLIP Prior + CMD + MCC": 78.16,
}
"""mIoU on RefCOCO's validation set: tables 4 and 15."""
CLAIMS: Final = (
    ("CLIP Prior", "baseline", "mean_iou"),
    ("CMD", "baseline", "mean_iou"),
    ("CMD + MCC", "CMD", "mean_iou"),
    ("CMD + MCC", "CMD", "object_centric_iou"),
    ("CLIP Prior + CMD + MCC", "CMD + MCC", "mean_iou"),
    ("CLIP Prior + CMD + MCC", "CLIP Prior + CMD", "object_centric_iou"),
    ("CLIP Prior + CMD + MCC", "baseline", "mean_iou"),
    ("CLIP Prior + CMD + MCC", "baseline", "object_centric_iou"),
)
"""First better than second, by which figure."""
FIGURES: Final = ("mean_iou", "object_centric_iou", "precision_at_0.5", "precision_at_0.7", "precision_at_0.9")
SMALL: Final = (
    "network.width=64",
    "network.layers=3",
    "network.feedforward=128",
    "network.side=96",
    "scenes.scenes=6000",
    "scenes.validation_scenes=40",
    "checkpoint_every=100",
    "validate_every=100000",
    "log_every=20",
)
"""What makes the preset ``vatex-tiny`` small enough to be trained twelve times."""
Values = Mapping[str, npt.NDArray[Any]]


def settings(row: str, seed: int, arguments: argparse.Namespace) -> VatexTraining:
    """The run of a row."""
    prior, cmd, mcc = ROWS[row]
    drop = max(1, round(arguments.steps * 2 / 3))
    own = [
        f"name={_slug(row)}",
        f"seed={seed}",
        f"network.tower={arguments.tower.resolve()}",
        f"network.prior_side={arguments.prior_side}",
        f"network.clip_prior={str(prior).lower()}",
        f"network.cmd={str(cmd).lower()}",
        f"network.mcc={str(mcc).lower()}",
        f"optim.steps={arguments.steps}",
        f"optim.drops=[{drop}]",
        f"optim.learning_rate={arguments.learning_rate}",
    ]
    config = load_config("vatex-tiny", [*SMALL, *own])
    assert isinstance(config, VatexTraining)
    return config


def train_rows(arguments: argparse.Namespace) -> None:
    """Train and measure what has no answers yet."""
    started = time.monotonic()
    print_machine(("torch", "open_clip_torch"))
    test = scene_queries(TEST, arguments.scenes, side=int(SMALL[3].split("=")[1]))

    def log(line: str) -> None:
        print(f"{(time.monotonic() - started) / 60:6.1f} {line}", flush=True)

    for seed in arguments.seeds:
        for row in [name for name in ORDER if name in arguments.rows]:
            folder = arguments.work / _slug(row) / str(seed)
            if (folder / "answers.npz").is_file():
                continue
            if time.monotonic() - started > 60 * arguments.minutes:
                log("time is up; the same command goes on")
                return
            log(f"== {row}, seed {seed}")
            report = train(
                settings(row, seed, arguments),
                out=folder,
                cache=arguments.work / "scenes",
                resume=(folder / CHECKPOINT).is_file(),
                workers=0,
                device="cpu",
                log=log,
            )
            parts = load_vatex(report.folder)
            found = answer(
                parts.network, parts.prior, Composer(parts.config), test, device=torch.device("cpu"), bf16=True
            )
            np.savez_compressed(
                folder / "answers.npz",
                intersections=found.intersections,
                unions=found.unions,
                scenes=found.scenes,
                kinds=np.array(found.kinds, dtype=str),
                object_ious=found.object_ious,
                object_scenes=found.object_scenes,
                seconds=report.seconds,
                steps=report.steps,
            )
            log(json.dumps(figures(load_answers(folder / "answers.npz"))))


def load_answers(path: Path) -> Values:
    """What a run answered."""
    with np.load(path) as arrays:
        return dict(arrays)


def outcomes(answers: Values, figure: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The values of a figure, of expressions or of objects, in percent, and the scene of each."""
    if figure == "object_centric_iou":
        return 100 * answers["object_ious"], answers["object_scenes"]
    ious = mask_ious(answers["intersections"], answers["unions"])
    if figure != "mean_iou":
        ious = (ious > float(figure.rpartition("_")[2])).astype(np.float64)
    return 100 * ious, answers["scenes"]


def figures(answers: Values) -> dict[str, float]:
    """All figures of a run, in percent."""
    return {figure: round(float(outcomes(answers, figure)[0].mean()), 2) for figure in FIGURES}


def mean_over_scenes(values: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> tuple[float, list[float]]:
    """The mean of values and its bootstrap interval over scenes, whose values go together."""
    sums = np.bincount(scenes, weights=values)
    counts = np.bincount(scenes).astype(np.float64)
    return float(values.mean()), bootstrap_ratio_interval(sums, counts, seed=0).tolist()


def report(arguments: argparse.Namespace) -> None:
    """Print the tables; write them as JSON."""
    runs: dict[str, dict[int, Values]] = {}
    for row in ROWS:
        for path in sorted((arguments.work / _slug(row)).glob("*/answers.npz")):
            runs.setdefault(row, {})[int(path.parent.name)] = load_answers(path)
    if not runs:
        raise SystemExit(f"no answers in {arguments.work}. Train first: python -m {__spec__.name} train")
    table = {row: _row(list(found.values())) | {"seeds": sorted(found)} for row, found in runs.items()}
    claims = []
    for better, worse, figure in CLAIMS:
        seeds = sorted(runs.get(better, {}).keys() & runs.get(worse, {}).keys())
        if seeds:
            pairs = [(runs[better][seed], runs[worse][seed]) for seed in seeds]
            claims.append({"better": better, "worse": worse, "figure": figure, "seeds": seeds, **_claim(pairs, figure)})
    (arguments.work / "vatex_tables.json").write_text(json.dumps({"rows": table, "claims": claims}, indent=1))
    print(_markdown(table, claims))


def _row(answers: Sequence[Values]) -> dict[str, Any]:
    """Means over seeds of a row's figures, with intervals over scenes of the mean over seeds."""
    result: dict[str, Any] = {}
    for figure in FIGURES:
        values = np.mean([outcomes(run, figure)[0] for run in answers], axis=0)
        mean, interval = mean_over_scenes(values, outcomes(answers[0], figure)[1])
        result[figure] = {"mean": mean, "interval": interval}
    return result | {
        "steps": int(answers[0]["steps"]),
        "minutes": float(np.mean([run["seconds"] for run in answers])) / 60,
    }


def _claim(pairs: Sequence[tuple[Values, Values]], figure: str) -> dict[str, Any]:
    """The paired difference, with an interval over scenes of the mean over seeds, and that of each seed."""
    each = [outcomes(better, figure)[0] - outcomes(worse, figure)[0] for better, worse in pairs]
    mean, interval = mean_over_scenes(np.mean(each, axis=0), outcomes(pairs[0][0], figure)[1])
    return {"mean": mean, "interval": interval, "by_seed": [float(values.mean()) for values in each]}


def _markdown(table: Mapping[str, Any], claims: Sequence[Mapping[str, Any]]) -> str:
    heads = {"mean_iou": "mIoU", "object_centric_iou": "Oc-IoU"}
    names = [heads.get(figure, f"Pr@{figure.rpartition('_')[2]}") for figure in FIGURES]
    lines = [f"| | {' | '.join(names)} | paper, mIoU | seeds |", "|" + " --- |" * (len(names) + 3)]
    for row, found in table.items():
        cells = [
            f"{found[f]['mean']:.1f} ({found[f]['interval'][0]:.1f} to {found[f]['interval'][1]:.1f})" for f in FIGURES
        ]
        paper = f"{PAPER[row]:.2f}" if row in PAPER else ""
        lines.append(f"| {row} | {' | '.join(cells)} | {paper} | {len(found['seeds'])} |")
    lines += ["", "| is it better? | by | here, paired | of each seed |", "| --- | --- | --- | --- |"]
    for claim in claims:
        low, high = claim["interval"]
        seeds = ", ".join(f"{value:+.1f}" for value in claim["by_seed"])
        cells = [
            f"{claim['better']} over {claim['worse']}",
            heads[claim["figure"]],
            f"{claim['mean']:+.1f} ({low:+.1f} to {high:+.1f})",
            seeds,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _slug(row: str) -> str:
    return row.lower().replace(" + ", "+").replace(" ", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "report"])
    parser.add_argument("--work", type=Path, required=True, help="folder of runs, scenes and tables")
    parser.add_argument("--tower", type=Path, help="folder of the small CLIP")
    parser.add_argument("--prior-side", type=int, default=256, help="of the square that it sees")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--scenes", type=int, default=200, help="of the test split")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "report":
        report(arguments)
    elif arguments.tower is None:
        parser.error("train needs --tower, a folder made by benchmarks.bridging.train_clip")
    else:
        train_rows(arguments)


if __name__ == "__main__":
    main()
