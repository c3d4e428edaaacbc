"""Train and measure every (experiment, seed) that has no row yet, seed by seed.

    python -m benchmarks.paper_tables.run --work DIR --minutes 60
    python -m benchmarks.paper_tables.run --work DIR --only clia-none full --seeds 0 1 2

It may be stopped at any time: a run goes on from its last checkpoint, and a row is written when its run is finished.
The same command may run several times at once on one machine; each takes what no other has in hand. Networks and
scenes lie in ``--work``; rows are added to ``results.csv`` beside this file.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.paper_tables.experiments import EXPERIMENTS, Experiment, experiment
from benchmarks.paper_tables.gallery import SCENES, Answers, ask_clare, ask_two_stages, make_gallery
from benchmarks.paper_tables.given import ask_given
from benchmarks.paper_tables.rows import RESULTS, append_row, read_rows
from benchmarks.paper_tables.tower import ask_tower, train_tower
from reir.data.expressions import MAX_TOKENS
from reir.models.clare.checkpoint import load_network
from reir.text import WordTokenizer
from reir.training.checkpoint import NAME as CHECKPOINT
from reir.training.journal import environment
from reir.training.run import train
from reir.training.scenes.validation import ValidationSet


class BusyError(Exception):
    """Another process has the run in hand."""


@dataclass
class Bench:
    """Where runs and scenes lie, and the gallery that all are asked about."""

    work: Path
    scenes: Path
    results: Path
    commit: str
    log: Callable[[str], None]
    rcnn_clip: Path | None = None
    """A model folder of ``benchmarks.bridging``."""

    @property
    def runs(self) -> Path:
        """Folders of runs: EXPERIMENT/SEED."""
        return self.work / "runs"

    @cached_property
    def gallery(self) -> ValidationSet:
        """Test scenes, drawn once."""
        return make_gallery(SCENES)

    def folder(self, name: str, seed: int) -> Path:
        """The folder of a run."""
        return self.runs / name.replace(" + ", "-and-") / str(seed)

    @contextmanager
    def claimed(self, name: str, seed: int) -> Iterator[None]:
        """While this process alone works on a run; the lock goes with the process.

        Raises:
            BusyError: another one does.
        """
        folder = self.folder(name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(name) from None
            yield

    def finish(self, item: Experiment, seed: int) -> bool:
        """Whether the row of an experiment is there; what it starts from or is made of comes first."""
        if (item.name, seed) in read_rows(self.results):
            return True
        parts = [item, *(experiment(name) for name in item.parts)]
        if any(part.kind == "given" for part in parts) and self.rcnn_clip is None:
            self.log(f"{item.name} is left out: it needs --rcnn-clip")
            return True
        if item.kind == "given" and seed != 0:
            return True
        needed = [item.name, *([item.start] if item.start is not None else []), *item.parts]
        try:
            with ExitStack() as stack:
                for name in needed:
                    if name == item.name or not self._is_made(name, seed):
                        stack.enter_context(self.claimed(name, seed))
                if (item.name, seed) not in read_rows(self.results):
                    self._finish(item, seed)
        except BusyError:
            return False
        return True

    def _is_made(self, name: str, seed: int) -> bool:
        """Whether nobody will write into the folder of a run any more."""
        return (name, seed) in read_rows(self.results) and (self.folder(name, seed) / "answers.npz").is_file()

    def _finish(self, item: Experiment, seed: int) -> None:
        self.log(f"== {item.name}, seed {seed}")
        if item.kind == "two-stage":
            answers, values = self._two_stages(item, seed)
        elif item.kind == "given":
            answers, values = self._given(item)
        else:
            answers, values = self._trained(item, seed)
        folder = self.folder(item.name, seed)
        np.savez_compressed(folder / "answers.npz", **asdict(answers))
        row = {
            "experiment": item.name,
            "seed": seed,
            "tables": " ".join(item.tables),
            "commit": self.commit,
            "gallery": len(self.gallery.letterboxes),
            "expressions": len(self.gallery.expressions),
            **answers.figures(),
            **values,
        }
        append_row(row, self.results)
        self.log(json.dumps(row))

    def train(self, item: Experiment, seed: int) -> dict[str, Any]:
        """The finished run of CLARE in its folder, trained if it is not there yet: pictures and seconds."""
        folder = self.folder(item.name, seed)
        report = folder / "report.json"
        if not report.is_file():
            if item.start is not None:
                self.train(experiment(item.start), seed)
            made = train(
                item.settings(seed, self.runs),
                out=folder,
                cache=self.scenes,
                resume=(folder / CHECKPOINT).is_file(),
                workers=0,
                device="cpu",
                log=self.log,
            )
            report.write_text(json.dumps({"pictures": made.pictures, "seconds": made.seconds}))
        values: dict[str, Any] = json.loads(report.read_text())
        return values

    def _trained(self, item: Experiment, seed: int) -> tuple[Answers, dict[str, Any]]:
        return self._tower(item, seed) if item.kind == "tower" else self._clare(item, seed)

    def _clare(self, item: Experiment, seed: int) -> tuple[Answers, dict[str, Any]]:
        values = self.train(item, seed)
        model = self.folder(item.name, seed) / "model"
        network = load_network(model, json.loads((model / "config.json").read_text()))
        tokenizer = WordTokenizer.from_file(model / "tokenizer.json", max_tokens=MAX_TOKENS)
        gallery = self.gallery
        started = time.perf_counter()
        answers, detection = ask_clare(network, tokenizer, gallery)
        seconds = time.perf_counter() - started
        return answers, values | detection | {"seconds_of_evaluation": seconds, "parameters": _count(network)}

    def _tower(self, item: Experiment, seed: int) -> tuple[Answers, dict[str, Any]]:
        stages = [experiment(name).settings(seed, self.runs) for name in ("stage1", "full")]
        tower, tokenizer, seconds = train_tower(
            stages, out=self.folder(item.name, seed), cache=self.scenes, log=self.log
        )
        gallery = self.gallery
        started = time.perf_counter()
        answers = ask_tower(tower, tokenizer, gallery)
        return answers, {
            "pictures": sum(stage.optim.steps * stage.batch.pictures for stage in stages),
            "seconds": seconds,
            "seconds_of_evaluation": time.perf_counter() - started,
            "parameters": _count(tower),
            **dict.fromkeys([name for name in answers.figures() if not name.startswith("image_recall")], ""),
        }

    def _given(self, item: Experiment) -> tuple[Answers, dict[str, Any]]:
        assert self.rcnn_clip is not None, item
        started = time.perf_counter()
        answers = ask_given(self.rcnn_clip, self.gallery)
        return answers, {"pictures": 0, "seconds": 0.0, "seconds_of_evaluation": time.perf_counter() - started}

    def _two_stages(self, item: Experiment, seed: int) -> tuple[Answers, dict[str, Any]]:
        parts = []
        for name in item.parts:
            part = experiment(name)
            path = self.folder(name, 0 if part.kind == "given" else seed) / "answers.npz"
            if not path.is_file():  # its row is here, its folder is not: another sitting made it
                made = self._given(part) if part.kind == "given" else self._trained(part, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(path, **asdict(made[0]))
            with np.load(path) as arrays:
                parts.append(Answers(**arrays))
        return ask_two_stages(*parts), {"pictures": 0, "seconds": 0.0}


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the trained networks")
    parser.add_argument("--scenes", type=Path, help="cache of rendered scenes; default WORK/scenes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", metavar="EXPERIMENT", default=[item.name for item in EXPERIMENTS])
    parser.add_argument("--table", help="of these, only what has a row in this table")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rcnn-clip", type=Path, metavar="FOLDER", help="model folder made by benchmarks.bridging")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()

    def log(line: str) -> None:
        print(f"{(time.monotonic() - started) / 60:6.1f} {line}", flush=True)

    scenes = arguments.scenes or arguments.work / "scenes"
    commit = environment()["commit"][:12]
    bench = Bench(arguments.work, scenes, arguments.results, commit, log, arguments.rcnn_clip)
    log(f"process {os.getpid()}, commit {commit}")
    chosen = sorted((experiment(name) for name in arguments.only), key=EXPERIMENTS.index)
    if arguments.table is not None:
        chosen = [item for item in chosen if arguments.table in item.tables]
    left = [(item, seed) for seed in arguments.seeds for item in chosen]
    while left:
        busy = []
        for item, seed in left:
            if time.monotonic() - started > 60 * arguments.minutes:
                log("time is up; the same command goes on")
                return
            try:
                if not bench.finish(item, seed):
                    busy.append((item, seed))
            except KeyboardInterrupt:
                log("stopped; the same command goes on")
                return
        if len(busy) == len(left):
            time.sleep(20)
        left = busy


if __name__ == "__main__":
    main()
