"""Stages by name: one frozen record each."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from reir.errors import UsageError
from reir.models.specification import ModelSpec
from reir.rerank.stage import Kind, Stage

TAS_PAPER = "Text Augmented Spatial-aware Zero-shot Referring Image Segmentation"
BRIDGING_PAPER = "Bridging Detection and Language: CLIP-Augmented Referring Expression Comprehension"

VATEX_PAPER = (
    "Vision-Aware Text Features in Referring Image Segmentation: From Object Understanding to Context Understanding"
)


@dataclass(frozen=True, slots=True)
class StageEntry:
    """What is known of a stage before it is made."""

    name: str
    kind: Kind
    summary: str
    works_with: str
    """Which models' indexes it can look at, in words."""
    loader: str
    """``module:function`` that makes it of a ``ModelSpec``, and of ``device`` where it has weights."""
    paper: str | None = None
    weights: bool = True
    """Whether it loads networks beside the index's model: a service offers such a stage only where its host says so."""


_ENTRIES: dict[tuple[str, Kind], StageEntry] = {
    (entry.name, entry.kind): entry
    for entry in (
        StageEntry(
            name="rectifier",
            kind="rerank",
            summary="what the expression says of places, ranks and relations, decided among the instances of a picture",
            works_with="any model",
            loader="reir.rerank.rectifier:load",
            paper=TAS_PAPER,
            weights=False,
        ),
        StageEntry(
            name="templates",
            kind="rerank",
            summary="the expression with the place of each box in its picture, scored against the box's crop",
            works_with="rcnn-clip, rpn-clip, sam-clip",
            loader="reir.rerank.templates:load",
            paper=BRIDGING_PAPER,
            weights=False,
        ),
        StageEntry(
            name="tas",
            kind="rerank",
            summary="the masked crop, its caption, and the picture's other noun phrases, scored against the expression",
            works_with="sam-clip with a captioner; with a tower and a captioner named, any model",
            loader="reir.rerank.tas:load",
            paper=TAS_PAPER,
        ),
        StageEntry(
            name="box-search",
            kind="refine",
            summary="boxes moved and scaled a little, in two rounds, to where their crop fits the expression best",
            works_with="rcnn-clip, rpn-clip, sam-clip",
            loader="reir.rerank.box_search:load",
            paper=BRIDGING_PAPER,
            weights=False,
        ),
        StageEntry(
            name="ellipse",
            kind="refine",
            summary="the box of a red ellipse, tuned until image-text towers see in it what is searched for",
            works_with="any model",
            loader="reir.rerank.ellipse:load",
            paper="Tune-An-Ellipse: CLIP Has Potential to Find What You Want",
        ),
        StageEntry(
            name="sam",
            kind="mask",
            summary="masks of a pretrained SAM, asked with the boxes of the hits",
            works_with="any model",
            loader="reir.rerank.sam:load",
            paper="Segment Anything",
        ),
        StageEntry(
            name="stored",
            kind="mask",
            summary="the masks that were found when the pictures were indexed",
            works_with="sam-clip, and rcnn-clip with Mask R-CNN",
            loader="reir.rerank.stored_masks:load",
            weights=False,
        ),
        StageEntry(
            name="vatex",
            kind="refine",
            summary="the box of the mask that VATEX, trained by reir train, draws of the hit",
            works_with="any model",
            loader="reir.rerank.vatex:load_refine",
            paper=VATEX_PAPER,
        ),
        StageEntry(
            name="vatex",
            kind="mask",
            summary="the mask that VATEX, trained by reir train, draws of the hit, and its box",
            works_with="any model",
            loader="reir.rerank.vatex:load_mask",
            paper=VATEX_PAPER,
        ),
    )
}


def list_stages(kind: Kind | None = None) -> list[StageEntry]:
    """Every stage (of one kind), by name; one that can do two things is listed under each kind."""
    return [_ENTRIES[key] for key in sorted(_ENTRIES) if kind in (None, key[1])]


def load_stage(name: str, kind: Kind, *, device: str = "auto") -> Stage:
    """The stage of a name, perhaps with an argument and options (``box-search:step=0.1``).

    ``device`` is where its own networks run: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: no such stage, one of another kind, or a wrong option.
    """
    spec = ModelSpec.parse(name)
    entry = _ENTRIES.get((spec.name, kind))
    if entry is None:
        raise UsageError(_unknown(spec, kind))
    module, _, function = entry.loader.partition(":")
    make: Callable[..., Stage] = getattr(import_module(module), function)
    return make(spec, device=device) if entry.weights else make(spec)


def _unknown(spec: ModelSpec, kind: Kind) -> str:
    other = next((entry.kind for entry in list_stages() if entry.name == spec.name), None)
    if other is not None:
        return f"{spec.name} is a {other} stage: use --{other} {spec}"
    near = difflib.get_close_matches(spec.name, [entry.name for entry in list_stages()], n=1)
    known = ", ".join(entry.name for entry in list_stages(kind))
    hint = f"Did you mean {near[0]}?" if near else f"There are: {known}"
    return f"no {kind} stage named {spec.name!r}. {hint}"
