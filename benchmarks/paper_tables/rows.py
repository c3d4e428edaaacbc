"""The committed rows: one line of ``results.csv`` for each finished (experiment, seed)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reir.metrics import IOUS, KS

RESULTS: Final = Path(__file__).with_name("results.csv")
FIGURES: Final = (
    *(f"br{k}_{iou:g}" for iou in IOUS for k in KS),
    *(f"image_recall{k}" for k in KS),
    "precision_0.5",
    "boxes_found",
    "mean_iou",
)
"""Per cent; empty where a method has no such figure."""
COLUMNS: Final = (
    "experiment",
    "seed",
    "tables",
    "commit",
    "pictures",
    "seconds",
    "seconds_of_evaluation",
    "parameters",
    "gallery",
    "expressions",
    *FIGURES,
)
"""``pictures`` and ``seconds`` are those of this run alone, without what it started from."""

Row = dict[str, str]


def read_rows(path: Path = RESULTS) -> dict[tuple[str, int], Row]:
    """Rows by (experiment, seed); none where there is no file yet."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {(row["experiment"], int(row["seed"])): row for row in csv.DictReader(file)}


def append_row(values: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Add a line in one write, so that runs side by side may share the file."""
    unknown = set(values) - set(COLUMNS)
    if unknown:
        raise ValueError(f"no such columns: {sorted(unknown)}")
    cells = [
        f"{value:.3f}" if isinstance(value, float) else str(value) for value in (values.get(c, "") for c in COLUMNS)
    ]
    assert not any("," in cell or '"' in cell or "\n" in cell for cell in cells)
    with path.open("a") as file:
        header = "" if file.tell() else ",".join(COLUMNS) + "\n"
        file.write(header + ",".join(cells) + "\n")
