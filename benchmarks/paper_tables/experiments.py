"""The networks that the tables compare: what each is trained like, and what it starts from.

An experiment is its stage's settings with a few of them replaced, so that two rows of a table differ in what they say
and in nothing else. All rows have one budget, chosen on the validation split.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from reir.training.config import TrainConfig

PICTURES: Final = 32
"""Pictures of a batch."""
STAGE1_STEPS: Final = 600
STAGE2_STEPS: Final = 300

_BOTH: Final[dict[str, Any]] = {
    "model": "nano",
    "network": {"routed_experts": 0, "active_experts": 0},
    # The reduced canvases throughout; the cache of full ones is that of clare-tiny's preset.
    "stages": [{"until": 1.0, "reduced": True}],
    "data": {"scenes": 20_000, "validation_scenes": 16},
    "checkpoint_every": 100,
    "validate_every": 1_000_000,
}
STAGE1: Final[dict[str, Any]] = _BOTH | {
    # Detection and REC: half the texts are noun phrases, the categories, half are referring expressions.
    "batch": {"pictures": PICTURES, "expressions": 6, "phrase_share": 0.5, "corruption_share": 0.0},
    "optim": {"steps": STAGE1_STEPS, "learning_rate": 1e-3},
    "clia": {"scope": "none"},
}
STAGE2: Final[dict[str, Any]] = _BOTH | {
    # REIR: referring expressions, some with a swapped word as negatives (appendix A.1), and few noun phrases.
    "batch": {"pictures": PICTURES, "expressions": 6, "phrase_share": 0.25, "corruption_share": 0.25},
    "optim": {"steps": STAGE2_STEPS, "learning_rate": 1e-3},
}
_STAGES: Final = {1: STAGE1, 2: STAGE2}
STAGE2_SEEDS: Final = 1000
"""Added to the seed in stage 2, which otherwise would see stage 1's pictures with stage 1's texts once more."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One row: a network that is trained, one that is given, or a pair of them asked one after the other."""

    name: str
    tables: tuple[str, ...]
    """The tables that it has a row in."""
    kind: Literal["clare", "tower", "given", "two-stage"] = "clare"
    """``given``: trained elsewhere, once, and measured for seed 0 alone."""
    stage: Literal[1, 2] = 2
    start: str | None = None
    """The experiment, of the same seed, whose weights it starts from."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of its stage that it replaces, by dotted key."""
    parts: tuple[str, ...] = ()
    """Of a two-stage system: who ranks the pictures, then who points in them."""

    def settings(self, seed: int, runs: Path) -> TrainConfig:
        """The run of a seed: one seed draws the same batches, in the same order, in every row of a stage."""
        values = copy.deepcopy(_STAGES[self.stage])
        for key, value in self.changes.items():
            *tables, last = key.split(".")
            place = values
            for table in tables:
                place = place.setdefault(table, {})
            place[last] = value
        values |= {"name": self.name, "seed": seed + (STAGE2_SEEDS if self.stage == 2 else 0)}
        if self.start is not None:
            values["start"] = runs / self.start / str(seed)
        return TrainConfig.model_validate(values)


EXPERIMENTS: Final = (
    Experiment("stage1", ("2", "4", "denoising"), stage=1),
    Experiment("full", ("2", "3", "4", "5", "6", "7"), start="stage1"),
    Experiment("clia-none", ("2", "6"), start="stage1", changes={"clia.scope": "none"}),
    Experiment(
        "experts-4-2",
        ("1", "2", "3", "5"),
        start="stage1",
        changes={"network.routed_experts": 4, "network.active_experts": 2},
    ),
    Experiment("finetune-only", ("4",)),
    Experiment("clia-minibatch", ("6",), start="stage1", changes={"clia.scope": "minibatch"}),
    Experiment("clia-focal", ("7",), start="stage1", changes={"clia.loss": "focal"}),
    Experiment("tower", ("3",), kind="tower"),
    Experiment("tower + stage1", ("1",), kind="two-stage", parts=("tower", "stage1")),
    Experiment("tower + clia-none", ("1",), kind="two-stage", parts=("tower", "clia-none")),
    Experiment("rcnn-clip", ("2",), kind="given"),
    Experiment("tower + rcnn-clip", ("1",), kind="two-stage", parts=("tower", "rcnn-clip")),
    Experiment("clia-picture", ("6",), start="stage1", changes={"clia.scope": "picture"}),
    Experiment(
        "experts-2-1", ("5",), start="stage1", changes={"network.routed_experts": 2, "network.active_experts": 1}
    ),
    Experiment(
        "experts-4-1", ("5",), start="stage1", changes={"network.routed_experts": 4, "network.active_experts": 1}
    ),
    Experiment("stage1-denoising", ("denoising",), stage=1, changes={"network.denoising": 21}),
    Experiment("finetune-only-long", ("4",), changes={"optim.steps": STAGE1_STEPS + STAGE2_STEPS}),
)
"""In the order in which they are trained for each seed: the comparisons that matter most come first."""


def experiment(name: str) -> Experiment:
    """The experiment of a name; ``KeyError`` names the others."""
    by_name = {item.name: item for item in EXPERIMENTS}
    if name not in by_name:
        raise KeyError(f"no experiment named {name!r}; there are: {', '.join(by_name)}")
    return by_name[name]
