"""Files a second of a run in which nothing has changed, and whether it asked for a model.

The peer, in the same run, is the least that any such run must do: list every folder and ask for every file's size
and time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import print_machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from reir.indexer import IndexOptions, open_or_create, run_index
from reir.store import Index
from tests.grid_colour_model import GridColourModel

SIDE = 8


def write_gallery(root: Path, files: int, folder_size: int, seed: int) -> None:
    """Different pictures of 8 x 8 pixels, as BMP."""
    rng = np.random.default_rng(seed)
    size = SIDE * SIDE * 3
    head = struct.pack("<2sIHHI", b"BM", 54 + size, 0, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, *[0] * 6
    )
    for first in range(0, files, folder_size):
        folder = root / f"{first // folder_size:05d}"
        folder.mkdir(parents=True)
        count = min(folder_size, files - first)
        for number, pixels in enumerate(rng.integers(0, 256, (count, size), dtype=np.uint8)):
            (folder / f"IMG_{number:05d}.bmp").write_bytes(head + pixels.tobytes())


def list_only(folder: str) -> int:
    """The number of files below a folder, whose size and time were asked for."""
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                count += list_only(entry.path)
            else:
                entry.stat()
                count += 1
    return count


def no_model() -> GridColourModel:
    """Called only if the run wants a model, which it must not."""
    raise AssertionError("a model was asked for although nothing has changed")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=200_000)
    options.add_argument("--folder-size", type=int, default=1000)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true", help="print one JSON object at the end")
    given = options.parse_args()
    print_machine(["reir", "sqlalchemy", "numpy"], seed=given.seed)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        write_gallery(root, given.files, given.folder_size, given.seed)
        model = GridColourModel(cells=1)
        first = run_index(open_or_create(root, model), model, IndexOptions(batch=256, commit_pictures=20_000))
        print(f"first run: {first.new:,} pictures, {first.images_per_second:,.0f} images/s")
        assert first.new + first.duplicates == given.files, first

        ours, listing = [], []
        for _ in range(given.repeats):
            begun = time.perf_counter()
            assert list_only(str(root)) >= given.files
            listing.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            report = run_index(Index.open(root / ".reir"), no_model)
            ours.append(time.perf_counter() - begun)
            assert report.unchanged == given.files, report
    rate, bare = given.files / statistics.median(ours), given.files / statistics.median(listing)
    print(f"nothing changed: {rate:,.0f} files/s ({statistics.median(ours):.2f} s); no model was asked for")
    print(f"listing alone:   {bare:,.0f} files/s; ratio {rate / bare:.2f}")
    if given.json:
        print(json.dumps({"files": given.files, "files_per_second": rate, "listing_files_per_second": bare}))


if __name__ == "__main__":
    main()
