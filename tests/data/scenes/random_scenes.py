"""Scenes scattered at random: no layout rules, so that cut-off, hidden and crowded objects occur too."""

from __future__ import annotations

import random

from reir.data.scenes.nouns import load_nouns
from reir.data.scenes.places import PLACE_BY_NAME, PLACES
from reir.data.scenes.scene import COLOURS, Camera, Scene, SceneObject


def random_scene(seed: int, *, aspect: float = 1.5, place: str | None = None, turn: float = 25.0) -> Scene:
    rng = random.Random(seed)
    place = place or rng.choice(PLACES)
    horizon = rng.uniform(*PLACE_BY_NAME[place].horizons)
    width, height = aspect**0.5, aspect**-0.5
    objects = tuple(
        SceneObject(
            noun=rng.choice(load_nouns()).name,
            colour=rng.choice(COLOURS),
            size="medium",
            cx=rng.uniform(0, width),
            cy=rng.uniform(0, height),
            extent=rng.choice((0.12, 0.2, 0.32)),
            rotation=rng.uniform(-turn, turn),
            mirrored=rng.random() < 0.5,
        )
        for _ in range(rng.randint(2, 7))
    )
    camera = Camera(rng.uniform(0, 1), rng.uniform(0, 5), rng.uniform(0.9, 1.1), rng.uniform(0.95, 1.05))
    return Scene(seed, aspect, place, horizon, objects, camera)
