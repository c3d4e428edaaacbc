"""Tune-An-Ellipse over a whole picture: the ellipse tuned from the best of the anchors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reir.models.ellipse.coefficients import box_of, in_pixels, mask_of
from reir.models.ellipse.naming import find_tuner
from reir.models.ellipse.tuner import EllipseTuner
from reir.models.specification import ModelSpec
from reir.types import Grounding, Picture


def load(spec: ModelSpec, *, device: str) -> EllipseGrounder:
    """The grounder of ``ellipse[:TOWER[+TOWER],...]``; its options are those of ``find_tuner``.

    Raises:
        UsageError: an unknown option or tower.
        WeightsMissingError: published weights that are not on this machine; the message says how to get them.
    """
    return EllipseGrounder(find_tuner(spec, device=device))


class EllipseGrounder:
    """The box around the tuned ellipse, the ellipse as a mask, and its matching score."""

    name = "ellipse"

    def __init__(self, tuner: EllipseTuner) -> None:
        self._tuner = tuner

    @property
    def decode_side(self) -> int:
        """See ``EllipseTuner.picture_side``."""
        return self._tuner.picture_side

    def prepare(self) -> None:
        """Load the towers."""
        self._tuner.prepare()

    def ground(
        self, questions: Sequence[tuple[Picture, str]], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[Grounding]:
        """The answer to each (picture, expression), tuned together; see ``Grounder``."""
        pictures = [picture for picture, _ in questions]
        found = self._tuner.find(pictures, [text for _, text in questions], out_of_time=out_of_time)
        answers = []
        for picture, tuned in zip(pictures, found, strict=True):
            height, width = picture.pixels.shape[:2]
            notes = {
                "ellipse": in_pixels(tuned.ellipse, picture.width, picture.height),
                "start": in_pixels(tuned.start, picture.width, picture.height),
                "score_before": tuned.score_before,
                "steps": tuned.steps,
            }
            box = box_of(tuned.ellipse, picture.width, picture.height)
            answers.append(Grounding(box, tuned.score, mask_of(tuned.ellipse, width, height), notes))
        return answers
