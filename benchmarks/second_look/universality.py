"""CLIP Prior and Meaning Consistency in CLARE (VATEX, section 9.1 and Table 8, which has ReLA in CLARE's place).

    python -m benchmarks.second_look.universality WORK --tower runs/towers/a
    python -m benchmarks.second_look.universality WORK --only CLARE "+ MCC" --seeds 0 1 2
    python -m benchmarks.second_look.universality WORK --report

Every row is the nano network of ``benchmarks.paper_tables`` in its stage 2 (REIR, CLIA over the batch) from the same
stage 1 of the same seed, on the same batches; rows differ in what they say and in nothing else. Trained on scenes of
the train split, asked about the gallery of those tables, of the test split. ``--tower`` is the frozen CLIP of the
prior, of ``benchmarks.second_look.train_prompted_towers``. Stage 1 is trained in WORK, or taken from ``--stage1``, a
folder of ``benchmarks.paper_tables.run``. It may be stopped at any time and goes on. Writes WORK/universality.json and
WORK/universality.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import print_machine
from benchmarks.paper_tables.experiments import STAGE2_STEPS, Experiment, experiment
from benchmarks.paper_tables.gallery import SCENES, Answers, by_shape, make_gallery, place_all
from benchmarks.paper_tables.intervals import estimate, verdict
from reir.data.expressions import MAX_TOKENS
from reir.models.clare.checkpoint import load_network
from reir.models.clare.detect import detect
from reir.models.clare.network import Clare
from reir.text import WordTokenizer
from reir.training.checkpoint import NAME as CHECKPOINT
from reir.training.journal import environment
from reir.training.run import train
from reir.training.scenes.serving import MIN_OBJECTNESS, NMS_IOU
from reir.training.scenes.validation import ValidationSet
from reir.types import Instances

MCC, PRIOR = {"mcc.features": "objects"}, "network.prior_tower"
ROWS: Mapping[str, Mapping[str, Any]] = {
    "CLARE": {},
    "+ CLIP Prior": {PRIOR: None},
    "+ MCC": MCC,
    "+ CLIP Prior + MCC": {PRIOR: None, **MCC},
    "+ MCC on T": {"mcc.features": "text"},
}
"""Settings that each row replaces; None stands for the tower."""
FIGURES = {
    "br1_0.5": "BoxRecall@1",
    "br10_0.5": "BoxRecall@10",
    "image_recall1": "image Recall@1",
    "precision_0.5": "Precision@0.5",
    "agreement": "one object, one box",
}
"""Columns of the table. Box recall and precision at IoU 0.5 by the protocol *official*."""


@dataclass
class Bench:
    """Where runs and scenes lie, and the gallery that all are asked about."""

    work: Path
    stage1: Path
    scenes: Path
    tower: Path | None
    steps: int
    gallery: ValidationSet
    log: Callable[[str], None]

    def figures(self, row: str, seed: int) -> dict[str, float]:
        """The figures of a row and seed, measured if they are not on record."""
        folder = self.work / "runs" / row.replace(" ", "").replace("+", "-").strip("-").lower() / str(seed)
        record = folder / "figures.json"
        if not record.is_file():
            changes = {key: str(self.tower) if value is None else value for key, value in ROWS[row].items()}
            changes["optim.steps"] = self.steps
            seconds = self._trained(Experiment(row, (), start="stage1", changes=changes), seed, folder)
            record.write_text(json.dumps({"seconds": seconds, **self._measured(folder / "model")}, indent=1))
            self.log(f"== {row}, seed {seed}: {record.read_text()}")
        figures: dict[str, float] = json.loads(record.read_text())
        return figures

    def _trained(self, item: Experiment, seed: int, folder: Path) -> float:
        if item.start is not None:
            first = self.stage1 / item.start / str(seed)
            if not (first / "model" / "config.json").is_file():
                self._trained(experiment(item.start), seed, first)
        done = train(
            item.settings(seed, self.stage1),
            out=folder,
            cache=self.scenes,
            resume=(folder / CHECKPOINT).is_file(),
            workers=0,
            device="cpu",
            log=self.log,
        )
        return done.seconds

    def _measured(self, model: Path) -> dict[str, float]:
        network = load_network(model, json.loads((model / "config.json").read_text())).eval()
        tokenizer = WordTokenizer.from_file(model / "tokenizer.json", max_tokens=MAX_TOKENS)
        started = time.perf_counter()
        found = _instances(network, self.gallery)
        extraction = time.perf_counter() - started
        queries = _queries(network, tokenizer, self.gallery)
        answers = place_all(queries, found, self.gallery)
        return {
            **answers.figures(),
            "agreement": _agreement(answers, self.gallery),
            "milliseconds_a_picture": 1000 * extraction / len(self.gallery.letterboxes),
            "trained_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        }


def _instances(network: Clare, gallery: ValidationSet) -> dict[int, Instances]:
    found: dict[int, Instances] = {}
    for members in by_shape(gallery):
        letterboxes = [gallery.letterboxes[i] for i in members]
        kept = detect(network, letterboxes, min_objectness=MIN_OBJECTNESS, nms_iou=NMS_IOU)
        found |= dict(zip(members, kept, strict=True))
    return found


def _queries(network: Clare, tokenizer: WordTokenizer, gallery: ValidationSet) -> np.ndarray:
    ids, mask = (torch.from_numpy(rows) for rows in tokenizer.encode(gallery.expressions))
    with torch.inference_mode():
        parts = [network.encode_text(ids[i : i + 256], mask[i : i + 256]).embedding for i in range(0, len(ids), 256)]
    return torch.cat(parts).float().numpy()


def _agreement(answers: Answers, gallery: ValidationSet) -> float:
    """Per cent of the objects with several expressions for which all of these choose the right box of the picture.

    What the object-centric IoU of VATEX (eq. 9) is for masks: it falls with any one expression that means another.
    """
    of_object: dict[tuple[Any, ...], list[bool]] = {}
    for picture, box, overlap in zip(
        gallery.expression_picture.tolist(), gallery.expression_box.tolist(), answers.top_iou.tolist(), strict=True
    ):
        of_object.setdefault((picture, *box), []).append(overlap > 0.5)
    several = [right for right in of_object.values() if len(right) > 1]
    return 100 * sum(all(right) for right in several) / len(several)


def table(figures: Mapping[str, Mapping[int, Mapping[str, float]]]) -> str:
    """Markdown: each row's mean over seeds, and its paired difference to the first row with Student's 95% interval."""
    head = ["", "seeds", *(cell for title in FIGURES.values() for cell in (title, "difference")), "ms a picture"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    base = figures["CLARE"]
    for row, by_seed in figures.items():
        seeds = sorted(set(by_seed) & set(base))
        cells = [row, str(len(seeds))]
        for name in FIGURES:
            mean = estimate([by_seed[seed][name] for seed in seeds])
            cells.append(f"{mean.mean:.1f}")
            differences = [by_seed[seed][name] - base[seed][name] for seed in seeds]
            cells.append("" if row == "CLARE" else _difference(differences))
        speed = np.mean([by_seed[seed]["milliseconds_a_picture"] for seed in seeds])
        lines.append("| " + " | ".join([*cells, f"{speed:.1f}"]) + " |")
    return "\n".join(lines) + "\n"


def _difference(values: Sequence[float]) -> str:
    found = estimate(values)
    decided = verdict(values) in ("holds", "does not hold")
    return f"{found.mean:+.1f} ± {found.half:.1f}" + ("" if decided else ", not resolved")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--tower", type=Path, help="folder of the prior's CLIP; without it those rows are left out")
    parser.add_argument("--stage1", type=Path, help="folder of runs with stage1/SEED in it; default WORK/runs")
    parser.add_argument("--scenes", type=Path, help="cache of rendered scenes; default WORK/scenes")
    parser.add_argument("--steps", type=int, default=STAGE2_STEPS, help="of stage 2, for every row")
    parser.add_argument("--only", nargs="+", choices=sorted(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--report", action="store_true", help="write the table of what is on record, and train nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_machine(["torch", "open_clip_torch"], seed=arguments.seeds[0])
    started = time.monotonic()

    def log(line: str) -> None:
        print(f"{(time.monotonic() - started) / 60:6.1f} {line}", flush=True)

    work: Path = arguments.work
    path = work / "universality.json"
    record: dict[str, dict[str, Any]] = json.loads(path.read_text())["rows"] if path.is_file() else {}
    if not arguments.report:
        work.mkdir(parents=True, exist_ok=True)
        bench = Bench(
            work,
            arguments.stage1 or work / "runs",
            arguments.scenes or work / "scenes",
            arguments.tower,
            arguments.steps,
            make_gallery(SCENES),
            log,
        )
        for seed, row in itertools.product(arguments.seeds, arguments.only):
            if None in ROWS[row].values() and arguments.tower is None:
                log(f"{row} is left out: it needs --tower")
                continue
            record.setdefault(row, {})[str(seed)] = bench.figures(row, seed)
            facts = {
                "commit": environment()["commit"],
                "steps": arguments.steps,
                "gallery": SCENES,
                "expressions": len(bench.gallery.expressions),
            }
            path.write_text(json.dumps({**facts, "rows": record}, indent=1) + "\n")
    ordered = {row: {int(seed): figures for seed, figures in record[row].items()} for row in ROWS if record.get(row)}
    (work / "universality.md").write_text(table(ordered))
    print(table(ordered))


if __name__ == "__main__":
    main()
