"""Getting published weights with the user's consent: for ``reir models download`` and ``reir index``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reir.models import ModelSpec
    from reir.models.hub import FileDownload, HubDownload, Source
    from reir.protocols import Model

Yes = Annotated[bool, typer.Option("--yes", help="Download weights without asking, also large ones.")]

LARGE = 50_000_000
"""Bytes from which a download needs a word of consent."""


def load_or_fetch(name: str, *, device: str, yes: bool, ask: bool) -> Model:
    """The model of a name, whose weights are fetched first if they are missing and the user agrees.

    Raises:
        UnknownModelError: no such name.
        WeightsMissingError: they are not here, and could not or must not be fetched; it says what to do.
    """
    from reir.errors import WeightsMissingError
    from reir.models import load_model, model_sources, model_spec

    try:
        return load_model(name, device=device)
    except WeightsMissingError as error:
        spec = model_spec(name)
        sources = model_sources(spec)
        if not sources or not (yes or (ask and _can_ask())):
            raise WeightsMissingError(str(spec), error.cause, _mend(spec)) from error
    try:
        plans = [plan(source) for source in sources]
        if not agreed(name, plans, yes=yes):
            raise WeightsMissingError(str(spec), "the download was declined", _mend(spec))
        fetch(plans)
    except WeightsMissingError as error:
        raise WeightsMissingError(str(spec), error.cause, _mend(spec)) from error
    return load_model(name, device=device)


def choose_for_photos(*, yes: bool) -> tuple[str, list[str]]:
    """The model that ``auto`` stands for when an index is made, and what the user must be told about the choice.

    The preferred model if its weights are here, or if the hub answers and the user agrees to the download; else the
    one of the package, whose notice says how to get the other. Without a terminal and without ``--yes`` the hub is
    not even asked.
    """
    from reir.errors import WeightsMissingError
    from reir.models import FALLBACK, PREFERRED, ModelSpec, auto_name, model_sources

    if auto_name() == PREFERRED:
        return PREFERRED, []
    if not yes and not _can_ask():
        return FALLBACK, []
    try:
        plans = [plan(source) for source in model_sources(ModelSpec(PREFERRED))]
        if agreed(PREFERRED, plans, yes=yes):
            fetch(plans)
            return PREFERRED, []
        return FALLBACK, []
    except WeightsMissingError as error:
        return FALLBACK, [f"{PREFERRED}, the model for photos, could not be had: {error.cause}"]


def plan(source: Source, *, to: Path | None = None) -> HubDownload | FileDownload:
    """What has to be fetched of a source.

    Raises:
        WeightsMissingError: its server cannot be reached; within five seconds.
    """
    from reir.models.hub import HubSource, plan_download, plan_file

    return plan_download(source, to=to) if isinstance(source, HubSource) else plan_file(source, to=to)


def fetch(plans: Sequence[HubDownload | FileDownload]) -> list[str]:
    """Run the downloads; the folders and files that hold the weights.

    Raises:
        WeightsMissingError: one of them fails.
    """
    return [str(planned.run()) for planned in plans]


def agreed(name: str, plans: Sequence[HubDownload | FileDownload], *, yes: bool) -> bool:
    """Whether to download, after saying what: asked on a terminal; a small download needs no consent.

    Raises:
        UsageError: consent is needed, and there is neither a terminal nor ``--yes``.
    """
    from reir.cli.console import note, size
    from reir.errors import UsageError

    total = sum(planned.size for planned in plans)
    if not total:
        return True
    for planned in plans:
        if planned.size:
            note(f"  {_described(planned)}")
    note(f"{name}: {size(total)} to download{_pace(name)}")
    if yes or total <= LARGE:
        return True
    if not _can_ask():
        raise UsageError(f"{name} is a download of {size(total)}. Say so if it is wanted: --yes")
    return typer.confirm("Download?", err=True)


def _described(planned: HubDownload | FileDownload) -> str:
    from reir.cli.console import size
    from reir.models.hub import HubDownload

    licence = planned.source.licence or "licence not known to reir: see its page"
    if isinstance(planned, HubDownload):
        pinned = "pinned" if planned.source.revision else "not pinned: recorded now, held to it from then on"
        place = f"{planned.source.repo} at {planned.listing.commit[:12]} ({pinned})"
    else:
        place = planned.source.url
    return f"{size(planned.size)}  {place}, {licence}"


def _pace(name: str) -> str:
    from reir.models import ModelSpec, list_models

    base = ModelSpec.parse(name).name
    pace = next((entry.pace for entry in list_models() if entry.name == base), None)
    return f"; it looks at {pace}" if pace else ""


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _mend(spec: ModelSpec) -> str:
    """What to do where a model's weights are not here, with a network and without."""
    from reir.models import list_models

    megabytes = next((entry.megabytes for entry in list_models() if entry.name == spec.name), None)
    size = f" ({megabytes:,.0f} MB)" if megabytes and spec.argument is None else ""
    return (
        f"Fetch them with: reir models download {spec}{size}\n"
        f"Without a network: run this where there is one: reir models download {spec} --to {spec.name}\n"
        f"then copy the folder {spec.name} here and say: --model {spec.name}:{spec.name}"
    )
