"""Where the seconds of the first search in a new process go, step by step; ``bench_cold_start.py`` has the sum beside
bare imports.

Each run is a process of its own that takes the steps of ``reir search`` one after the other and times them. CPU time
stands beside wall time: on a machine with busy neighbours only the former says what the work costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import print_machine

from reir.data.registry import find_dataset

PROBE = """
import sys, time
marks = [("start Python", float(sys.argv[1]), 0.0)]
def mark(name):
    marks.append((name, time.time(), time.process_time()))
mark("start Python")
import reir.cli.app
mark("import the command line")
import numpy, reir.gallery, reir.search, reir.indexer.location
mark("import numpy and the search room")
import sqlalchemy, reir.store
mark("import SQLAlchemy and the store")
gallery = reir.gallery.Gallery.open(sys.argv[2])
mark("open the index")
model = gallery.model
mark("find the model")
model.encode(["dog"])
mark("load the text branch (ONNX Runtime)")
vector = model.encode([sys.argv[3]])[0]
mark("encode")
found = gallery.search(vector=vector, top=1)
mark("search and look up")
import json
steps = [(name, wall - before[1], cpu - before[2]) for before, (name, wall, cpu) in zip(marks, marks[1:])]
print(json.dumps({"steps": steps, "timings_ms": dict(found.timings_ms)}))
"""


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--db", type=Path, help="an index; by default one of the gallery that ships with reir")
    options.add_argument("--expression", default="red dog left of a truck")
    options.add_argument("--repeats", type=int, default=7)
    given = options.parse_args()
    print_machine(["reir", "numpy", "onnxruntime", "sqlalchemy", "typer"])
    with tempfile.TemporaryDirectory() as folder:
        db = given.db
        if db is None:
            db = Path(folder) / "index"
            command = [sys.executable, "-c", "from reir.cli import main; main()"]
            subprocess.run(
                [*command, "index", str(find_dataset("demo").parent), "--db", str(db), "--model", "clare-tiny"],
                check=True,
                stdout=sys.stderr,
            )
        runs = [run(db, given.expression) for _ in range(given.repeats + 1)][1:]
    names = [name for name, _, _ in runs[0]["steps"]]
    print(f"\n{'median of ' + str(given.repeats) + ' processes':<40}{'wall ms':>9}{'CPU ms':>9}")
    totals = [0.0, 0.0]
    for place, name in enumerate(names):
        wall, cpu = (1e3 * statistics.median(step["steps"][place][column] for step in runs) for column in (1, 2))
        totals = [totals[0] + wall, totals[1] + cpu]
        print(f"{name:<40}{wall:>9.0f}{cpu:>9.0f}")
    print(f"{'sum':<40}{totals[0]:>9.0f}{totals[1]:>9.0f}")
    steps = {name: statistics.median(step["timings_ms"][name] for step in runs) for name in ("search", "metadata")}
    print("\ninside the last step, ms: " + ", ".join(f"{name} {value:.1f}" for name, value in steps.items()))


def run(db: Path, expression: str) -> dict[str, list[tuple[str, float, float]]]:
    """The steps of one process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(time.time()), str(db), expression],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    result: dict[str, list[tuple[str, float, float]]] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
