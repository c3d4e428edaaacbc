"""What people's verdicts on a sample come to."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from reir.errors import UsageError

VERDICTS = ("right", "wrong", "ambiguous")
"""Right: true of the framed object and of it alone. Wrong: not true of it. Ambiguous: true of others as well."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What people found: the share of the judged expressions that are right, with its 95% interval.

    The interval is Wilson's, with as many observations as there are instances: the expressions of one instance tend to
    stand and fall together, so more would promise too much. It has a width even where all are right.
    """

    instances: int
    expressions: int
    unjudged: int
    counts: dict[str, int]
    right: float
    interval: tuple[float, float]
    flagged_right: float | None
    """Share right among the flagged ones; None if none was judged."""

    def to_json(self) -> dict[str, Any]:
        """The report as it is printed."""
        return {
            "instances": self.instances,
            "expressions": self.expressions,
            "unjudged": self.unjudged,
            "counts": dict(self.counts),
            "right": round(self.right, 4),
            "interval": [round(bound, 4) for bound in self.interval],
            "flagged_right": None if self.flagged_right is None else round(self.flagged_right, 4),
        }


def read_verdicts(path: Path) -> Verdicts:
    """The report on a table that people have filled in; rows without a verdict are left out and counted.

    Raises:
        UsageError: the table cannot be read, has another verdict, or none at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no table of reir data audit: {error}") from error
    if not rows or not {"annotation_id", "verdict", "flags"} <= set(rows[0]):
        raise UsageError(f"{path} is no table of reir data audit: it lacks columns such as annotation_id and verdict")
    judged = [(row["annotation_id"], verdict, bool(row["flags"])) for row in rows if (verdict := _verdict(path, row))]
    if not judged:
        raise UsageError(f"{path} has no verdict yet. Write {', '.join(VERDICTS)} into its column verdict")
    instances = len({owner for owner, _, _ in judged})
    share = sum(verdict == "right" for _, verdict, _ in judged) / len(judged)
    flagged = [verdict == "right" for _, verdict, doubtful in judged if doubtful]
    return Verdicts(
        instances=instances,
        expressions=len(judged),
        unjudged=len(rows) - len(judged),
        counts={name: sum(verdict == name for _, verdict, _ in judged) for name in VERDICTS},
        right=share,
        interval=wilson(share, instances),
        flagged_right=sum(flagged) / len(flagged) if flagged else None,
    )


def _verdict(path: Path, row: dict[str, str]) -> str | None:
    verdict = (row["verdict"] or "").strip().lower()
    if verdict and verdict not in VERDICTS:
        raise UsageError(
            f"{path}, place {row.get('place')}: a verdict is {', '.join(VERDICTS)} or empty, got {verdict!r}"
        )
    return verdict or None


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share of ``count`` observations (Wilson, JASA 22, 1927)."""
    z = 1.959964
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)
