"""Table 1 of "Bridging Detection and Language" on emoji scenes, with CLARE beside it, on the same queries in one run.

    python -m benchmarks.bridging.table1 --validation scenes/validation/validation.json --test scenes/test/test.json
        --base runs/base --fine-tuned runs --json runs/table1.json

Each expression is asked of its own picture: accuracy is the share of answers whose IoU with the truth exceeds 0.5. The
number of boxes (top K), λ and τ are chosen on the validation split, for each row alone, and never on test. Rows:

- detector-based, base: RPN boxes, crops by CLIP, the spatial templates, λ and τ, then the two-round box search;
- detector-based, fine-tuned: the dynamic CLIP predictor's embeddings and boxes, λ and τ, then the same search if it
  helped on the validation split;
- CLIP-based, base and fine-tuned: detections, crops by CLIP, cosine;
- CLARE: clare-tiny.

Below them the detector-based rows without their parts, and differences between rows over the same queries.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.bridging.in_picture import (
    Candidates,
    answered_ious,
    candidate_ious,
    extract_all,
    first_queries,
    stage_scores,
)
from benchmarks.machine import print_machine
from reir.data import Dataset, Query, load_dataset
from reir.geometry import iou_matrix
from reir.metrics import bootstrap_intervals
from reir.metrics.figures import PRECISION_IOU
from reir.models import load_model
from reir.protocols import Model
from reir.rerank import load_stage

TOPS = (10, 30, 100)
LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
TAUS = (0.03, 0.07, 0.2, 1.0)
PAPER = {
    "Detector-based matching, base": (0.220, 0.224),
    "Detector-based matching, fine-tuned": (0.177, 0.247),
    "CLIP-based scoring, base": (0.412, 0.407),
    "CLIP-based scoring, fine-tuned": (0.547, 0.539),
}
"""Accuracy and mean IoU on RefCOCO."""


@dataclass
class Row:
    """One row: what was measured, with which settings, and the IoU of each query's answer."""

    name: str
    model: str
    settings: dict[str, Any]
    ious: npt.NDArray[np.float64] = field(repr=False)
    reachable: float | None = None
    """Share of queries whose object some candidate covers: no matcher could do better without moving boxes."""
    seconds_a_picture: float | None = None


class Bench:
    """The two splits, and models with the candidates that they found in them."""

    def __init__(self, validation: Dataset, test: Dataset, device: str) -> None:
        self.validation, self.test, self._device = validation, test, device
        self._found: dict[tuple[str, str], tuple[Model, dict[str, Candidates], float]] = {}

    def candidates(self, name: str, split: Dataset) -> tuple[Model, dict[str, Candidates], float]:
        """The model of a name, its candidates in a split, and seconds a picture; kept for the next row."""
        key = (name, split.name)
        if key not in self._found:
            print(f"# {name} on {split.name}", flush=True)
            model = load_model(name, device=self._device)
            self._found[key] = (model, *extract_all(model, split))
        return self._found[key]

    def row(self, title: str, name: str, settings: dict[str, Any]) -> Row:
        """A row on the test split with these settings: ``blend``, ``rerank`` and ``refine``."""
        model, found, seconds = self.candidates(name, self.test)
        reachable = float((candidate_ious(found, self.test.queries) > PRECISION_IOU).mean())
        ious = self.answers(model, found, self.test, settings)
        return Row(title, name, settings, ious, reachable, round(seconds, 4))

    def answers(
        self, model: Model, found: dict[str, Candidates], split: Dataset, settings: dict[str, Any]
    ) -> npt.NDArray[np.float64]:
        """The IoU of each query's answer."""
        return answered_ious(
            model,
            found,
            split.queries,
            blend=settings.get("blend"),
            rerank=load_stage(settings["rerank"], "rerank") if settings.get("rerank") else None,
            refine=load_stage(settings["refine"], "refine") if settings.get("refine") else None,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validation", type=Path, required=True, help="a data set of the validation split")
    parser.add_argument("--test", type=Path, required=True, help="a data set of the test split")
    parser.add_argument("--base", type=Path, required=True, help="folder with rcnn-clip and rpn-clip (base_models)")
    parser.add_argument("--fine-tuned", type=Path, required=True, help="folder with the runs rcnn-clip and rpn-clip")
    parser.add_argument("--validation-pictures", type=int, default=150)
    parser.add_argument("--test-pictures", type=int, help="all by default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    print_machine(["torch", "torchvision", "open_clip_torch"], seed=arguments.seed)
    bench = Bench(
        first_queries(load_dataset(arguments.validation), arguments.validation_pictures),
        first_queries(load_dataset(arguments.test), arguments.test_pictures),
        arguments.device,
    )
    base, tuned = arguments.base.resolve(), arguments.fine_tuned.resolve()
    rows = [
        *detector_based(bench, "base", f"rpn-clip:{base / 'rpn-clip'}", spatial=True),
        *detector_based(bench, "fine-tuned", f"rpn-clip:{tuned / 'rpn-clip' / 'model'}", spatial=False),
        clip_based(bench, "base", f"rcnn-clip:{base / 'rcnn-clip'}"),
        clip_based(bench, "fine-tuned", f"rcnn-clip:{tuned / 'rcnn-clip' / 'model'}"),
        bench.row("CLARE (clare-tiny)", "clare-tiny", {}),
    ]
    report = summary(rows, bench, seed=arguments.seed)
    arguments.json.write_text(json.dumps(report, indent=1))
    print(markdown(report))


def detector_based(bench: Bench, state: str, name: str, *, spatial: bool) -> list[Row]:
    """The row of detector-based matching with the settings that the validation split prefers, and without its parts."""
    best: tuple[float, str, dict[str, float]] = (-1.0, "", {})
    templates = load_stage("templates", "rerank")
    for top in TOPS:
        model, found, _ = bench.candidates(f"{name},top={top}", bench.validation)
        if spatial:
            cosines = stage_scores(model, found, bench.validation.queries, templates)
        else:
            query = model.encode([q.text for q in bench.validation.queries], blend={"lambda": 1.0, "tau": 1.0})
            cosines = [
                found[q.file_name].instances.vectors @ vector
                for q, vector in zip(bench.validation.queries, query, strict=True)
            ]
        for share in LAMBDAS:
            for temperature in TAUS:
                right = _accuracy(found, bench.validation.queries, cosines, share, temperature)
                if right > best[0]:
                    best = (right, f"{name},top={top}", {"lambda": share, "tau": temperature})
    _, chosen, blend = best
    print(f"# {state}: {chosen} with {blend}, {best[0]:.3f} on validation", flush=True)
    model, found, _ = bench.candidates(chosen, bench.validation)
    whole: dict[str, Any] = {"blend": blend, "rerank": "templates" if spatial else None, "refine": "box-search"}
    unrefined = {**whole, "refine": None}
    title = f"Detector-based matching, {state}"
    if not spatial:
        # The paper says that the search follows; under the predictor only the validation split can tell.
        gains = [
            float((bench.answers(model, found, bench.validation, settings) > PRECISION_IOU).mean())
            for settings in (whole, unrefined)
        ]
        print(f"# {state}: {gains[0]:.3f} with box search, {gains[1]:.3f} without, on validation", flush=True)
        main_one, other = (whole, unrefined) if gains[0] > gains[1] else (unrefined, whole)
        what = "without box search" if main_one is whole else "with box search"
        return [bench.row(title, chosen, main_one), bench.row(f"{title}: {what}", chosen, other)]
    return [
        bench.row(title, chosen, whole),
        bench.row(f"{title}: without box search", chosen, unrefined),
        bench.row(f"{title}: without both", chosen, {**unrefined, "rerank": None}),
    ]


def clip_based(bench: Bench, state: str, name: str) -> Row:
    """The row of CLIP-based scoring with the number of boxes that the validation split prefers."""
    right: dict[str, float] = {}
    for top in TOPS:
        chosen = f"{name},top={top}"
        model, found, _ = bench.candidates(chosen, bench.validation)
        right[chosen] = float((bench.answers(model, found, bench.validation, {}) > PRECISION_IOU).mean())
    chosen = max(right, key=lambda key: right[key])
    print(f"# {state}: {chosen}, {right[chosen]:.3f} on validation", flush=True)
    return bench.row(f"CLIP-based scoring, {state}", chosen, {})


def _accuracy(
    found: dict[str, Candidates],
    queries: Any,
    cosines: list[npt.NDArray[np.float32]],
    share: float,
    temperature: float,
) -> float:
    """Share of queries answered rightly by Ŝ = (λ/τ)·S̄ + (1-λ)·o."""
    right = 0
    for query, values in zip(queries, cosines, strict=True):
        right += _is_right(found[query.file_name], query, values, share, temperature)
    return right / len(queries)


def _is_right(
    candidates: Candidates, query: Query, cosines: npt.NDArray[np.float32], share: float, temperature: float
) -> bool:
    instances = candidates.instances
    if not len(instances):
        return False
    scores = share / temperature * cosines + (1 - share) * instances.objectness
    return bool(iou_matrix(instances.boxes[[int(scores.argmax())]], [query.box])[0, 0] > PRECISION_IOU)


def summary(rows: list[Row], bench: Bench, *, seed: int) -> dict[str, Any]:
    """All figures with their 95% intervals: rows, differences of rows over the same queries, accuracy by kind."""
    ious = np.stack([row.ious for row in rows], axis=1)  # (Q, rows)
    right = (ious > PRECISION_IOU).astype(float)
    of_right, of_ious = bootstrap_intervals(right, seed=seed), bootstrap_intervals(ious, seed=seed)
    kinds = np.array([query.kind or "other" for query in bench.test.queries])
    names = [row.name for row in rows]
    table = [
        {
            **{key: value for key, value in asdict(row).items() if key != "ious"},
            "accuracy": float(right[:, i].mean()),
            "accuracy_interval": of_right[i].tolist(),
            "mean_iou": float(ious[:, i].mean()),
            "mean_iou_interval": of_ious[i].tolist(),
            "accuracy_by_kind": {kind: float(right[kinds == kind, i].mean()) for kind in sorted(set(kinds))},
            "paper": PAPER.get(row.name),
        }
        for i, row in enumerate(rows)
    ]
    compared = [*PAPER, "CLARE (clare-tiny)"]
    pairs = [(a, b) for k, a in enumerate(compared) for b in compared[k + 1 :]]
    gaps = np.stack([right[:, names.index(b)] - right[:, names.index(a)] for a, b in pairs], axis=1)
    bounds = bootstrap_intervals(gaps, seed=seed)
    differences = [
        {"of": b, "over": a, "accuracy": float(gaps[:, i].mean()), "interval": bounds[i].tolist()}
        for i, (a, b) in enumerate(pairs)
    ]
    return {
        "queries": len(bench.test.queries),
        "pictures": len(bench.test.images),
        "validation_queries": len(bench.validation.queries),
        "seed": seed,
        "rows": table,
        "differences": differences,
    }


def markdown(report: dict[str, Any]) -> str:
    """The table to read."""
    lines = [
        f"\n{report['queries']} expressions in {report['pictures']} test pictures; settings chosen on "
        f"{report['validation_queries']} expressions of the validation split; 95% bootstrap intervals over queries.\n",
        "| method | accuracy at IoU 0.5 | mean IoU | object among the boxes | paper: accuracy, mean IoU |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in report["rows"]:
        paper = "{:.3f}, {:.3f}".format(*row["paper"]) if row["paper"] else "-"
        lines.append(
            f"| {row['name']} | {_shown(row['accuracy'], row['accuracy_interval'])} "
            f"| {_shown(row['mean_iou'], row['mean_iou_interval'])} | {row['reachable']:.3f} | {paper} |"
        )
    lines += ["", "| accuracy of | over | difference |", "| --- | --- | --- |"]
    lines += [f"| {d['of']} | {d['over']} | {_shown(d['accuracy'], d['interval'])} |" for d in report["differences"]]
    return "\n".join(lines)


def _shown(value: float, interval: list[float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


if __name__ == "__main__":
    main()
