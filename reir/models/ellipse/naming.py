"""``ellipse[:TOWER[+TOWER],KEY=VALUE,...]``: which towers tune ellipses, and with which numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from reir.models.ellipse.settings import STARTS, EllipseSettings, Start
from reir.models.specification import ModelSpec
from reir.models.towers import ClipTower

if TYPE_CHECKING:
    from reir.models.ellipse.tuner import EllipseTuner

SCORING = ("ViT-B-16__openai", "ViT-L-14__openai")
EXPLAINING = ("ViT-B-16__openai", "ViT-L-14-336__openai")
"""The towers of section 4.1."""

OPTIONS = (
    "cam",
    "ellipses",
    "epsilon",
    "inflation",
    "points",
    "precision",
    "rate",
    "seed",
    "sharpness",
    "sigma",
    "similarity",
    "squeezing",
    "start",
    "steps",
    "top",
)


def find_tuner(spec: ModelSpec, *, device: str, more: Sequence[str] = ()) -> EllipseTuner:
    """The tuner of a name; two names with the same towers and numbers share one. No weights are read yet.

    The argument names the towers that score, joined by ``+``; ``cam`` those of Grad-CAM, by default the same, or the
    paper's where neither is named. ``precision`` is that of the towers, ``float32`` or ``bfloat16``. The other options
    are fields of ``EllipseSettings``; ``rate`` is the learning rate.

    Args:
        spec: the name.
        device: ``auto``, ``cpu`` or ``cuda``.
        more: options that the caller reads itself.

    Raises:
        UsageError: an unknown option, tower or number out of range.
        WeightsMissingError: published weights that are not on this machine; the message says how to get them.
    """
    spec.require_options([*OPTIONS, *more])
    scoring = _towers(spec.argument) or SCORING
    explaining = _towers(spec.options.get("cam")) or (scoring if spec.argument else EXPLAINING)
    default = EllipseSettings()
    sharpness = spec.number("sharpness", 0.0, low=0.0, high=1e4)
    settings = EllipseSettings(
        steps=spec.whole_number("steps", default.steps, low=0, high=100_000),
        learning_rate=spec.number("rate", default.learning_rate, low=1e-6, high=1.0),
        similarity=spec.number("similarity", default.similarity, low=0.0, high=1e4),
        inflation=spec.number("inflation", default.inflation, low=0.0, high=1e4),
        squeezing=spec.number("squeezing", default.squeezing, low=0.0, high=1e4),
        sigma=spec.number("sigma", default.sigma, low=1e-3, high=1.0),
        epsilon=spec.number("epsilon", default.epsilon, low=1e-4, high=10.0),
        sharpness=sharpness or None,
        start=cast(Start, spec.choice("start", default.start, STARTS)),
        top=spec.whole_number("top", default.top, low=1, high=10_000),
        points=spec.whole_number("points", default.points, low=1, high=64),
        ellipses=int(spec.choice("ellipses", str(default.ellipses), ("3", "6", "9"))),
        seed=spec.whole_number("seed", default.seed, low=0, high=2**31),
    )
    precision = spec.choice("precision", "float32", ("float32", "bfloat16"))
    return _tuner(tuple(scoring), tuple(explaining), settings, device, precision)


def _towers(names: str | None) -> tuple[str, ...]:
    return tuple(name for name in (names or "").split("+") if name)


@lru_cache(maxsize=2)
def _tuner(
    scoring: tuple[str, ...], explaining: tuple[str, ...], settings: EllipseSettings, device: str, precision: str
) -> EllipseTuner:
    # Every file is looked for before torch is imported: a missing one is told at once.
    clips = {name: ClipTower.load(name, device=device) for name in dict.fromkeys((*scoring, *explaining))}

    from reir.models.ellipse.tower import PromptedTower
    from reir.models.ellipse.tuner import EllipseTuner

    towers = {name: PromptedTower(clip, device=device, precision=precision) for name, clip in clips.items()}
    return EllipseTuner([towers[name] for name in scoring], [towers[name] for name in explaining], settings)
