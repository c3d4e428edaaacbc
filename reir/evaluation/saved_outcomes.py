"""Where every query's answer stood, in a file: what two systems are compared by, query for query."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from reir.data.dataset import Dataset
from reir.errors import DatasetError, UsageError
from reir.evaluation.figures import task_outcomes
from reir.evaluation.system import Task
from reir.metrics import Ranks, paired_differences
from reir.metrics.figures import PROTOCOLS

_FORMAT = 1
_KEY = b"reir"


@dataclass(frozen=True, slots=True)
class SavedOutcomes:
    """The ranks of the expressions of one data set by one system, ambiguous ones left out.

    ``system`` is the system in words; ``expressions`` and ``file_names`` tell the queries apart, in the data set's
    order.
    """

    dataset: str
    system: str
    task: Task
    expressions: Sequence[str]
    file_names: Sequence[str]
    ranks: Ranks

    @classmethod
    def of(cls, dataset: Dataset, task: Task, system: str, ranks: Ranks) -> SavedOutcomes:
        """The first ranks, which are those of the data set's queries."""
        queries = dataset.queries
        count = len(queries)
        kept = Ranks(
            ranks.official[:count],
            ranks.top_iou[:count],
            ranks.any[:count],
            ranks.image[:count],
            ranks.ious,
            ranks.depth,
        )
        return cls(dataset.name, system, task, [q.text for q in queries], [q.file_name for q in queries], kept)

    def save(self, path: Path) -> None:
        """Writes a Parquet file, one row a query.

        Columns: ``expression``, ``file_name``, ``official``, ``top_iou``, ``image`` and ``any_IOU`` for each overlap.
        Ranks count from 0 up to the depth that the file's metadata name.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, Any] = {
            "expression": list(self.expressions),
            "file_name": list(self.file_names),
            "official": self.ranks.official,
            "top_iou": self.ranks.top_iou,
            "image": self.ranks.image,
        }
        columns |= {f"any_{iou:g}": self.ranks.any[:, i] for i, iou in enumerate(self.ranks.ious)}
        facts = {
            "format": _FORMAT,
            "dataset": self.dataset,
            "system": self.system,
            "task": self.task,
            "depth": self.ranks.depth,
            "ious": list(self.ranks.ious),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns).replace_schema_metadata({_KEY: json.dumps(facts).encode()}), path)

    @classmethod
    def load(cls, path: Path) -> SavedOutcomes:
        """What was saved.

        Raises:
            DatasetError: there is no such file, or it is another kind of file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            facts = json.loads((table.schema.metadata or {})[_KEY])
            columns = {name: table.column(name).to_numpy() for name in table.column_names}
            if facts["format"] != _FORMAT:
                raise DatasetError(f"{path} has format {facts['format']}; this version of reir reads {_FORMAT}")
            ious = tuple(facts["ious"])
            ranks = Ranks(
                columns["official"],
                columns["top_iou"],
                np.stack([columns[f"any_{iou:g}"] for iou in ious], axis=1),
                columns["image"],
                ious,
                facts["depth"],
            )
            names = (columns["expression"].tolist(), columns["file_name"].tolist())
            return cls(facts["dataset"], facts["system"], cast(Task, facts["task"]), *names, ranks)
        except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
            raise DatasetError(
                f"{path} has no outcomes of an evaluation ({error!r}). Write them with: reir eval DATASET "
                f"--save-outcomes {path}"
            ) from error

    def require_queries_of(self, dataset: Dataset, task: Task) -> None:
        """Nothing, if a system that is measured on ``dataset`` at this task can be compared with this one.

        Raises:
            UsageError: these are outcomes of another task, or of other queries.
        """
        expressions, file_names = zip(*((query.text, query.file_name) for query in dataset.queries), strict=True)
        self._require(f"what is measured now ({dataset.name})", task, expressions, file_names)

    def _require(self, other: str, task: Task, expressions: Sequence[str], file_names: Sequence[str]) -> None:
        if task != self.task:
            raise UsageError(f"{self.system} was measured at the task {self.task}, {other} at {task}")
        if (list(self.expressions), list(self.file_names)) != (list(expressions), list(file_names)):
            raise UsageError(
                f"{self.system} answered other queries ({self.dataset}: {len(self.expressions)}) than {other} "
                f"({len(expressions)} queries); only the same ones can be compared"
            )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One system against another over the same queries: differences of shares (the first's less the other's).

    ``differences`` are nested as the figures of an evaluation, ``intervals`` alike with their 95% paired bootstrap
    intervals. A difference is resolved where its interval does not hold 0.
    """

    system: str
    other: str
    queries: int
    differences: dict[str, Any]
    intervals: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def compare(first: SavedOutcomes, other: SavedOutcomes, *, ks: Sequence[int], seed: int = 0) -> Comparison:
    """How much better ``first`` is than ``other``, for every figure that both have.

    Raises:
        UsageError: they answered other queries, or another task, or share no figure.
    """
    other._require(first.system, first.task, first.expressions, first.file_names)
    counted = [k for k in ks if k <= min(first.ranks.depth, other.ranks.depth)]
    ious = [iou for iou in first.ranks.ious if iou in other.ranks.ious]
    # Figures inside the right picture have no k, those of pictures no overlap.
    if (not counted and first.task not in ("rec", "ris")) or (not ious and first.task == "reir"):
        raise UsageError(
            f"nothing to compare: {other.system} was counted to k = {other.ranks.depth} at IoU {list(other.ranks.ious)}"
        )
    one, two = (task_outcomes(file.ranks, file.task, PROTOCOLS, counted, ious) for file in (first, other))
    differences, intervals = paired_differences(one, two, seed=seed)
    return Comparison(first.system, other.system, len(first.expressions), differences, intervals)
