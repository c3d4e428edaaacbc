"""What each stage is worth in a gallery: BoxRecall@1 and milliseconds a query, alone and chained, on the same queries.

    reir index scenes/validation/images --db db/validation --model clare-tiny
    reir index scenes/test/images --db db/test --model clare-tiny
    python -m benchmarks.second_look.gallery_table --json runs/gallery.json
        --validation scenes/validation/validation.json --validation-db db/validation
        --test scenes/test/test.json --test-db db/test --tas tas:runs/clip,captioner=runs/captioner
        --ellipse ellipse:runs/towers/a,cam=runs/towers/a+runs/towers/crops --vatex vatex:runs/vatex/model

Rows: the model alone; with the rectifier, TAS, Tune-An-Ellipse on the best hit's box, VATEX's box for the best hit; and
the chain of them that is best. How many hits TAS ranks anew, then who ranks, then who draws the box of what ranks best,
is chosen on the validation split, by the mean of BoxRecall@1 at IoU 0.5 and 0.9. A query counts where the first hit is
in the right picture and its box overlaps the truth by more than the threshold: at k = 1 the protocols ``official`` and
``any`` differ in ties alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import print_machine
from reir import Gallery
from reir.data import Query, load_dataset
from reir.geometry import iou_matrix
from reir.metrics import bootstrap_intervals

IOUS = (0.5, 0.9)
TOPS = (2, 5, 20, 100)
"""How many hits TAS may rank anew."""
UNLIMITED = 1e6
"""Seconds: no stage of a benchmark is cut off."""


@dataclass(frozen=True, slots=True)
class Row:
    """A chain of stages under a title."""

    title: str
    rerank: tuple[str, ...] = ()
    refine: str | None = None
    mask: str | None = None
    top: int = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """Whether each query's first hit is right at each of ``IOUS``, (Q, 2), and what the queries took."""

    row: Row
    right: npt.NDArray[np.float64]
    milliseconds: npt.NDArray[np.float64]

    @property
    def worth(self) -> float:
        """The mean BoxRecall@1 over the thresholds: what chains are chosen by."""
        return float(self.right.mean())

    def to_json(self, alone: Measured) -> dict[str, Any]:
        """BoxRecall@1 with 95% intervals, the same of the differences to the model alone, and milliseconds."""
        gained = self.right - alone.right
        return {
            **asdict(self.row),
            "queries": len(self.right),
            "box_recall_at_1": _with_intervals(self.right),
            "over_model_alone": _with_intervals(gained),
            "milliseconds": dict(
                zip(("p50", "p90"), np.round(np.quantile(self.milliseconds, (0.5, 0.9)), 1).tolist(), strict=True)
            ),
        }


def _with_intervals(values: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Mean and both ends of its interval in percent, by threshold."""
    means, ends = values.mean(axis=0), bootstrap_intervals(values)
    return {
        str(iou): [round(100 * float(number), 1) for number in (mean, *end)]
        for iou, mean, end in zip(IOUS, means, ends, strict=True)
    }


def measure_apart(db: Path, queries: Sequence[Query], row: Row) -> Measured:
    """``measure`` in a process of its own, where nothing is remembered of other rows."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, db, queries, row).result()


def measure(db: Path, queries: Sequence[Query], row: Row) -> Measured:
    """A row over these queries, one after the other. The last one is asked first too: loading is not timed."""
    with Gallery.open(db) as gallery:
        return _measure(gallery, queries, row)


def _measure(gallery: Gallery, queries: Sequence[Query], row: Row) -> Measured:
    right = np.zeros((len(queries), len(IOUS)))
    milliseconds = np.zeros(len(queries))
    for number, query in enumerate([queries[-1], *queries]):
        started = time.perf_counter()
        answer = gallery.search(
            query.text,
            top=1,
            flat=True,
            rerank=row.rerank,
            refine=row.refine,
            mask=row.mask,
            stage_top=row.top,
            stage_seconds=UNLIMITED,
        )
        if number == 0:
            continue
        milliseconds[number - 1] = (time.perf_counter() - started) * 1e3
        (hit,) = answer.hits
        overlaps = [
            float(iou_matrix(np.array([hit.box]), np.array([target.box]))[0, 0])
            for target in query.targets
            if target.file_name == hit.path
        ]
        right[number - 1] = [max(overlaps, default=0.0) > iou for iou in IOUS]
        if number % 20 == 0:
            print(f"\r{row.title}: {number} of {len(queries)}", end="", file=sys.stderr, flush=True)
    measured = Measured(row, right, milliseconds)
    means = ", ".join(f"{100 * share:.1f}" for share in right.mean(axis=0))
    print(f"\r{row.title}: {means}; {np.median(milliseconds):.1f} ms a query", flush=True)
    return measured


def chosen_queries(file: Path, count: int | None, seed: int) -> list[Query]:
    """``count`` expressions of a data set drawn by a seed, or all of them."""
    queries = list(load_dataset(file).queries)
    if count is None or count >= len(queries):
        return queries
    drawn = np.random.default_rng(seed).choice(len(queries), count, replace=False)
    return [queries[number] for number in sorted(drawn.tolist())]


def choose(db: Path, queries: Sequence[Query], stages: Mapping[str, str]) -> tuple[int, Row, list[Measured]]:
    """How many hits TAS should rank, the best chain, and all that was measured for that."""
    tas, ellipse, vatex = stages["tas"], stages["ellipse"], stages["vatex"]
    tried = [measure(db, queries, Row(f"TAS over {top}", (tas,), top=top)) for top in TOPS]
    top = max(tried, key=lambda measured: measured.worth).row.top
    chains = [
        measure(db, queries, Row(title, rerank, top=top if tas in rerank else 100))
        for title, rerank in {
            "model alone": (),
            "rectifier": ("rectifier",),
            "TAS": (tas,),
            "TAS, rectifier": (tas, "rectifier"),
        }.items()
    ]
    ranked = max(chains, key=lambda measured: measured.worth).row
    for title, (refine, mask) in {
        "ellipse": (ellipse, None),
        "VATEX": (vatex, None),
        "ellipse, VATEX": (ellipse, vatex),
    }.items():
        chains.append(measure(db, queries, replace(ranked, title=f"{ranked.title}, {title}", refine=refine, mask=mask)))
    best = max(chains, key=lambda measured: measured.worth).row
    return top, best, tried + chains


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    lines = [
        "| system | BR@1, IoU 0.5 | over alone | BR@1, IoU 0.9 | over alone | ms a query, p50 / p90 |",
        "|" + " --- |" * 6,
    ]
    for row in rows:
        cells = [row["title"]]
        for iou in map(str, IOUS):
            for name in ("box_recall_at_1", "over_model_alone"):
                mean, low, high = row[name][iou]
                sign = "+" if name == "over_model_alone" else ""
                cells.append(f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})")
        cells.append(f"{row['milliseconds']['p50']} / {row['milliseconds']['p90']}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validation", type=Path, required=True, help="a data set of the validation split")
    parser.add_argument("--validation-db", type=Path, required=True, help="an index of its pictures")
    parser.add_argument("--test", type=Path, required=True, help="a data set of the test split")
    parser.add_argument("--test-db", type=Path, required=True, help="an index of its pictures, by the same model")
    parser.add_argument("--tas", required=True, help="the rerank stage with its parts: tas:TOWER,captioner=FOLDER")
    parser.add_argument("--ellipse", required=True, help="the refine stage with its towers: ellipse:TOWER+TOWER")
    parser.add_argument("--vatex", required=True, help="the stage with its checkpoint: vatex:FOLDER")
    parser.add_argument("--validation-queries", type=int, default=100)
    parser.add_argument("--test-queries", type=int, help="all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    print_machine(["torch", "transformers", "open_clip_torch"], seed=arguments.seed)
    stages = {name: getattr(arguments, name) for name in ("tas", "ellipse", "vatex")}

    asked = chosen_queries(arguments.validation, arguments.validation_queries, arguments.seed)
    top, best, tried = choose(arguments.validation_db, asked, stages)
    with Gallery.open(arguments.test_db) as gallery:
        model = gallery.info().model.name
    rows = [
        Row(f"{model} alone"),
        Row("+ rectifier", ("rectifier",)),
        Row("+ TAS", (stages["tas"],), top=top),
        Row("+ ellipse", refine=stages["ellipse"]),
        Row("+ VATEX box", refine=stages["vatex"]),
        replace(best, title=f"best chain on validation: {best.title}"),
    ]
    asked = chosen_queries(arguments.test, arguments.test_queries, arguments.seed)
    measured = [measure_apart(arguments.test_db, asked, row) for row in rows]
    tested = [one.to_json(measured[0]) for one in measured]
    result = {
        "model": model,
        "test": tested,
        "validation": [one.to_json(next(m for m in tried if m.row.title == "model alone")) for one in tried],
    }
    arguments.json.write_text(json.dumps(result, indent=1))
    print(markdown(tested))


if __name__ == "__main__":
    main()
