"""VATEX over a whole picture: the mask of its surest query (section 3.4, inference)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reir.errors import UsageError
from reir.models.specification import ModelSpec
from reir.models.vatex.nouns import main_object
from reir.models.vatex.segmenter import Segmenter, find_segmenter
from reir.types import Grounding, Picture


def checkpoint_folder(spec: ModelSpec, *, option: str) -> Path:
    """The folder that a name such as ``vatex:FOLDER`` gives.

    Raises:
        UsageError: it gives none.
    """
    if spec.argument is None:
        raise UsageError(
            f"vatex needs a checkpoint folder: {option} vatex:FOLDER. Train one with: reir train vatex-tiny"
        )
    return Path(spec.argument)


def load(spec: ModelSpec, *, device: str) -> VatexGrounder:
    """The grounder of ``vatex:FOLDER``; it has no options. Raises UsageError where the folder is no checkpoint."""
    spec.require_options(())
    return VatexGrounder(find_segmenter(checkpoint_folder(spec, option="--grounder"), device))


class VatexGrounder:
    """The box and mask of the query with the highest probability; the score is that probability.

    *Differs from the paper*: a query with an empty mask is taken only where all are empty.
    """

    name = "vatex"

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    @property
    def decode_side(self) -> int:
        """See ``Segmenter.decode_side``."""
        return self._segmenter.decode_side

    def prepare(self) -> None:
        """Load the network."""
        self._segmenter.prepare()

    def ground(
        self,
        questions: Sequence[tuple[Picture, str]],
        *,
        out_of_time: Callable[[], bool] = lambda: False,  # noqa: ARG002
    ) -> list[Grounding]:
        """The answer to each (picture, expression); batches have no steps to leave out, so all are answered."""
        found: list[Grounding] = []
        for (picture, text), answer in zip(questions, self._segmenter.ask(questions), strict=True):
            assert answer is not None
            query = answer.best
            height, width = picture.pixels.shape[:2]
            box = answer.boxes[query]
            notes: dict[str, object] = {"query": query}
            if self._segmenter.config.clip_prior:
                thing = main_object(text)
                notes |= {"object": thing.phrase, "rolled_back": thing.rolled_back}
            if box is None:
                notes["why"] = "no query has a mask: the box is the whole picture"
                box = answer.window
            mask = answer.mask(query, width, height, original=(picture.width, picture.height))
            found.append(Grounding(box, float(answer.chances[query]), mask, notes))
        return found
