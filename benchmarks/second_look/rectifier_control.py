"""Whether the rectifier's gain is geometry's: the same searches with the boxes of each picture changed round.

    python -m benchmarks.second_look.rectifier_control scenes/test/test.json --db db/test

The rectifier is shown the boxes of a picture's instances in another order, drawn by the picture's number; scores,
vectors and the boxes that count stay. What is left of its gain does not come from where things are.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import print_machine
from reir.data import load_dataset
from reir.evaluation import evaluate, format_report
from reir.models import load_model
from reir.rerank import StagePlan
from reir.store import Index, InstanceBlock, Snapshot
from reir.types import IntArray


class ChangedRound:
    """A snapshot whose instances have, beside one another, the boxes of others of their picture."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snapshot, name)

    def instances_beside(self, ids: Sequence[int] | IntArray) -> list[InstanceBlock]:
        """As of ``Snapshot``, with the boxes permuted within each picture."""
        return [
            replace(block, boxes=np.random.default_rng(int(block.image_ids[0])).permutation(block.boxes))
            for block in self._snapshot.instances_beside(ids)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--db", type=Path, required=True, help="an index of its pictures")
    arguments = parser.parse_args()
    print_machine(["torch"])
    dataset = load_dataset(arguments.dataset)
    with Index.open(arguments.db).snapshot() as snapshot:
        model = load_model(snapshot.model.name, device="cpu")
        changed: Any = ChangedRound(snapshot)
        print(format_report(evaluate(changed, model, dataset, stages=StagePlan(rerank=("rectifier",)), ious=(0.5,))))


if __name__ == "__main__":
    main()
