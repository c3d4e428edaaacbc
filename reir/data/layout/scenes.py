"""Whole scenes from a seed: cast, placed, and photographed on paper."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from reir.data.layout.casting import Group, cast_groups
from reir.data.layout.clusters import Piece, shared_area
from reir.data.layout.frames import draw_aspect
from reir.data.layout.styles import USUAL, Style
from reir.data.scenes.places import PLACE_BY_NAME
from reir.data.scenes.scene import Camera, Scene, SceneObject
from reir.data.scenes.truth import measure
from reir.types import Box

MINIMUM_VISIBLE: Final = 0.55
"""Scenes in which less of some thing can be seen are made anew."""

_BORDER: Final = 0.012
_AIR: Final = 0.015
"""Free space around groups, unless the scene is crowded."""
_CROWDED: Final = 0.15
"""Share of scenes in which groups may overlap by chance ..."""
_CROWDED_SHARE: Final = 0.16
"""... by at most this share of the smaller box."""
_TRIES: Final = 36


def make_scene(seed: int, style: Style = USUAL) -> Scene:
    """The measured scene of a seed: two to seven things, each of which can mostly be seen.

    The same seed gives the same scene of a style.
    """
    take = 0
    while True:
        scene = measure(lay_out(seed, take, style))
        if all(item.visible >= MINIMUM_VISIBLE for item in scene.objects):
            return scene
        take += 1


def lay_out(seed: int, take: int = 0, style: Style = USUAL) -> Scene:
    """A scene of a seed, not measured; ``make_scene`` goes on to the next take where some thing is hidden too well."""
    attempt = 0
    while True:
        scene = _compose(seed, Random(f"scene {seed} take {take} attempt {attempt}"), style)
        if scene is not None:
            return scene
        attempt += 1


def _compose(seed: int, rng: Random, style: Style) -> Scene | None:
    aspect = draw_aspect(rng)
    width, height = aspect**0.5, aspect**-0.5
    place = rng.choice(style.places)
    horizon = rng.uniform(*PLACE_BY_NAME[place].horizons)
    groups = cast_groups(rng, aspect, style)
    groups.sort(key=lambda group: -sum(piece.width * piece.height for piece in group.pieces))
    crowd = _CROWDED_SHARE if rng.random() < _CROWDED else 0.0
    placed: list[list[Piece]] = []
    for group in groups:
        pieces = _place(group, placed, (width, height), horizon * height, crowd, rng)
        if pieces is not None:
            placed.append(pieces)
    if sum(map(len, placed)) < 2:
        return None
    # What stands lower in the picture is nearer, and is drawn over what stands higher.
    placed.sort(key=lambda pieces: pieces[0].box[3])
    objects = tuple(_object(piece) for pieces in placed for piece in pieces)
    return Scene(seed, aspect, place, round(horizon, 4), objects, _camera(rng))


def _object(piece: Piece) -> SceneObject:
    return SceneObject(
        piece.noun,
        piece.colour,
        piece.size,
        round(piece.x, 4),
        round(piece.y, 4),
        round(piece.extent, 4),
        round(piece.rotation, 2),
        piece.mirrored,
    )


def _camera(rng: Random) -> Camera:
    return Camera(
        blur=0.0 if rng.random() < 0.6 else round(rng.uniform(0.3, 1.3), 2),
        noise=round(rng.uniform(0.0, 6.0), 2),
        exposure=round(rng.uniform(0.82, 1.18), 3),
        warmth=round(rng.uniform(0.87, 1.15), 3),
        quality=rng.randint(62, 95),
    )


def _place(
    group: Group,
    placed: list[list[Piece]],
    frame: tuple[float, float],
    horizon: float,
    crowd: float,
    rng: Random,
) -> list[Piece] | None:
    """The group moved to a free place of the picture, or None if there is none."""
    width, height = frame
    x0 = min(piece.box[0] for piece in group.pieces)
    y0 = min(piece.box[1] for piece in group.pieces)
    x1 = max(piece.box[2] for piece in group.pieces)
    y1 = max(piece.box[3] for piece in group.pieces)
    low_x, high_x = _BORDER - x0, width - _BORDER - x1
    low_y, high_y = _BORDER - y0, height - _BORDER - y1
    if low_x > high_x or low_y > high_y:
        return None
    if group.airborne:
        high_y = max(low_y, min(high_y, horizon + 0.05 - y1))
    else:
        low_y = min(high_y, max(low_y, horizon + 0.03))
    others = [piece.box for pieces in placed for piece in pieces]
    for _ in range(_TRIES):
        dx, dy = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
        moved = [_shifted(piece.box, dx, dy) for piece in group.pieces]
        if all(_free(box, other, crowd) for box in moved for other in others):
            return [replace(piece, x=piece.x + dx, y=piece.y + dy) for piece in group.pieces]
    return None


def _shifted(box: Box, dx: float, dy: float) -> Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _free(box: Box, other: Box, crowd: float) -> bool:
    if crowd == 0.0:
        return (
            box[0] - _AIR >= other[2]
            or box[2] + _AIR <= other[0]
            or box[1] - _AIR >= other[3]
            or box[3] + _AIR <= other[1]
        )
    smaller = min((box[2] - box[0]) * (box[3] - box[1]), (other[2] - other[0]) * (other[3] - other[1]))
    return shared_area(box, other) <= crowd * smaller
