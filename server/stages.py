"""The stages that a service offers: its host names them, clients choose among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reir.errors import ReirError, UsageError
from reir.models import ModelSpec
from reir.protocols import Model
from reir.rerank import Kind, Stage, StageEntry, StagePlan, list_stages, load_stage

_ALIAS = re.compile(r"([a-z][a-z0-9-]*)=(.+)")


@dataclass(frozen=True, slots=True)
class OfferedStage:
    """A stage by the name that clients use.

    Attributes:
        name: what clients say.
        kind: what it changes.
        stage: its full name with argument and options, which may hold folders of the server: not told to clients.
        entry: what is known of it.
    """

    name: str
    kind: Kind
    stage: str
    entry: StageEntry

    @property
    def plan(self) -> StagePlan:
        """A plan of it alone."""
        match self.kind:
            case "rerank":
                return StagePlan(rerank=(self.stage,))
            case "refine":
                return StagePlan(refine=self.stage)
            case "mask":
                return StagePlan(mask=self.stage)


class StageOffer:
    """What clients may ask for: the stages that load nothing, and those that the host named.

    A stage with weights of its own could make the server open any folder or fetch gigabytes, so no client can bring one
    up that the host did not name.

    Args:
        named: ``NAME`` or ``ALIAS=NAME``, NAME with argument and options as on the command line. One that can do two
            things is offered for both. A name given here takes the place of a stage that is offered anyway.

    Raises:
        UsageError: a stage that is not known, a wrong option, or a name twice.
    """

    def __init__(self, named: Sequence[str] = ()) -> None:
        self._offered: dict[tuple[Kind, str], OfferedStage] = {}
        self.named: list[OfferedStage] = []
        for text in named:
            for stage in _read(text):
                key = stage.kind, stage.name
                if key in self._offered:
                    raise UsageError(f"two {stage.kind} stages are offered as {stage.name!r}. Write ALIAS=NAME")
                self._offered[key] = stage
                self.named.append(stage)
        for entry in list_stages():
            if not entry.weights:
                free = OfferedStage(entry.name, entry.kind, entry.name, entry)
                self._offered.setdefault((entry.kind, entry.name), free)

    def full_name(self, name: str, kind: Kind) -> str:
        """The stage that clients mean by a name.

        Raises:
            UsageError: none is offered by that name.
        """
        found = self._offered.get((kind, name))
        if found is None:
            names = ", ".join(sorted(known for of, known in self._offered if of == kind)) or "none"
            raise UsageError(
                f"this service offers no {kind} stage named {name!r}; those it offers: {names}. "
                "Its host adds one with: reir serve --stage NAME"
            )
        return found.stage

    def check(self, model: Model) -> None:
        """Returns when the stages that the host named can look at an index of ``model``. Raises UsageError."""
        for stage in self.named:
            load_stage(stage.stage, stage.kind).check(model)

    def usable(self, model: Model) -> list[tuple[OfferedStage, Stage]]:
        """The stages that can look at an index of ``model``, by kind and name; nothing heavy is loaded."""
        made = [(offered, load_stage(offered.stage, offered.kind)) for _, offered in sorted(self._offered.items())]
        return [(offered, stage) for offered, stage in made if _fits(stage, model)]


def _read(text: str) -> Iterable[OfferedStage]:
    """The stages that one setting names."""
    aliased = _ALIAS.fullmatch(text)
    alias, name = aliased.groups() if aliased else (None, text)
    spec = ModelSpec.parse(name)
    entries = [entry for entry in list_stages() if entry.name == spec.name]
    if not entries:
        known = ", ".join(sorted({entry.name for entry in list_stages()}))
        raise UsageError(f"no stage named {spec.name!r}. There are: {known}")
    for entry in entries:
        load_stage(name, entry.kind)  # a wrong option is told now
        yield OfferedStage(alias or entry.name, entry.kind, name, entry)


def _fits(stage: Stage, model: Model) -> bool:
    try:
        stage.check(model)
    except ReirError:
        return False
    return True
