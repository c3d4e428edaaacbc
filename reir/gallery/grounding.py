"""One expression in one picture, with all that is needed loaded by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reir.gallery.arguments import FilePath, as_grounder, as_model, as_source
from reir.rerank import STAGE_SECONDS, STAGE_TOP, StagePlan
from reir.search import PictureSearcher
from reir.types import Picture, SearchResult

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from reir.protocols import Grounder, Model


def ground(
    image: FilePath | PillowImage | Picture,
    expression: str,
    *,
    model: Model | str | None = None,
    grounder: Grounder | str | None = None,
    top: int = 1,
    rerank: Sequence[str] = (),
    refine: str | None = None,
    mask: str | None = None,
    stage_top: int = STAGE_TOP,
    stage_seconds: float = STAGE_SECONDS,
    blend: Mapping[str, float] | None = None,
    device: str = "auto",
) -> SearchResult:
    """Where an expression's object is in one picture, with no index: the ``top`` best boxes as hits of a search.

    >>> from reir import ground
    >>> ground("sofa.jpg", "left cat", rerank=["rectifier"], mask="sam").hits[0].box     # doctest: +SKIP

    What is given by name is loaded by this call; ``reir.search.PictureSearcher`` keeps it for many pictures.

    Args:
        image: a file, a Pillow image or a ``Picture``.
        expression: a description of one thing in it.
        model: a model or its name: what it finds in the picture is ranked. By default ``auto``.
        grounder: a method that finds the object by itself, or its name, in place of a model.
        top: how many boxes; a grounder finds one.
        rerank: stages that rank the model's instances anew, one after the other.
        refine: the stage that gives the hits better boxes.
        mask: the stage that gives the hits masks.
        stage_top: how many instances are ranked anew.
        stage_seconds: time budget of each stage, and of a grounder.
        blend: numbers that mix the parts of the model's score, in place of its own.
        device: ``auto``, ``cpu`` or ``cuda``, for what is loaded by name.

    Raises:
        UsageError: model and grounder are both given, an empty expression, a number out of range, or a name, stage or
            blend that is unknown or does not fit.
        ImageUnreadableError: the file cannot be read.
        WeightsMissingError: weights are not on this machine; the message names the command that fetches them.
    """
    stages = StagePlan(tuple(rerank), refine, mask, stage_top, stage_seconds)
    if model is None and grounder is None:
        model = "auto"
    searcher = PictureSearcher(
        model=None if model is None else as_model(model, device),
        grounder=None if grounder is None else as_grounder(grounder, device),
        device=device,
    )
    return searcher.ground(as_source(image), expression, stages=stages, top=top, blend=blend)
