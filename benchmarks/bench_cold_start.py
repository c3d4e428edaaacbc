"""Seconds from the shell to the first hit: a new process each time, and where its time goes.

The gallery that ships with reir is indexed once into a temporary folder. Beside it stand bare interpreters that only
import what a search cannot do without, and torch, which a text query must not need.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import print_machine

from reir.data.registry import find_dataset


def seconds(command: list[str], repeats: int) -> tuple[float, str]:
    """Median wall time of a command over fresh processes, and its last output. One run warms the file cache."""
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:]), done.stdout


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gallery", type=Path, help="folder of pictures; by default the gallery that ships with reir")
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    print_machine(["reir", "numpy", "onnxruntime", "sqlalchemy", "torch"])

    reir = [sys.executable, "-c", "from reir.cli import main; main()"]
    gallery = given.gallery or find_dataset("demo").parent
    with tempfile.TemporaryDirectory() as folder:
        db = str(Path(folder) / "index")
        command = [*reir, "index", str(gallery), "--db", db, "--model", "clare-tiny"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        bare = ["pass", "import numpy, onnxruntime, faiss, sqlalchemy", "import torch"]
        rows = {f"python -c '{code}'": [sys.executable, "-c", code] for code in bare}
        rows["reir search --help"] = [*reir, "search", "--help"]
        rows["reir search, first hit"] = [*reir, "search", "red dog left of a lamp", "--db", db, "--top", "1", "--json"]
        output = ""
        for name, command in rows.items():
            median, output = seconds(command, given.repeats)
            print(f"{median:7.3f} s  {name}")
        print("inside the last search, ms:", json.loads(output)["timings_ms"])


if __name__ == "__main__":
    main()
