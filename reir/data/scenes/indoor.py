"""Indoor places: a room, a bathroom, a table top, a kitchen counter."""

from __future__ import annotations

import math

import numpy as np

from reir.data.scenes.canvas import Canvas, Colour, choose, mix, mottle, scaled
from reir.data.scenes.perspective import Floor

WALLS: tuple[Colour, ...] = (
    (214, 205, 188),
    (196, 206, 204),
    (188, 198, 214),
    (206, 196, 206),
    (198, 206, 184),
    (222, 208, 180),
    (176, 182, 188),
    (212, 188, 176),
    (150, 162, 168),
    (160, 168, 150),
)
WOODS: tuple[Colour, ...] = (
    (178, 146, 112),
    (156, 122, 92),
    (196, 170, 136),
    (132, 104, 82),
    (170, 154, 134),
    (150, 132, 116),
)
TILES: tuple[Colour, ...] = (
    (198, 206, 208),
    (206, 204, 196),
    (182, 198, 196),
    (196, 190, 200),
    (172, 180, 190),
    (204, 196, 184),
)


def _side_light(rng: np.random.Generator, canvas: Canvas) -> None:
    """Daylight from a window outside the picture: brighter on one side, darker towards the corners."""
    left, right = rng.uniform(-0.1, 0.12), rng.uniform(-0.1, 0.12)
    middle = (left + right) / 2 + rng.uniform(0.0, 0.06)
    canvas.light(
        [[left - 0.06, middle, right - 0.06], [left, middle + 0.02, right], [left - 0.04, middle, right - 0.04]],
        0.0,
        canvas.h,
    )


def _floor(rng: np.random.Generator, canvas: Canvas, top: float, eye: tuple[float, float]) -> Floor:
    """The floor below ``top``, seen from somewhere in the middle; ``eye`` is the range of its height above the edge."""
    return Floor(top, canvas.h, canvas.w * rng.uniform(0.3, 0.7), top - rng.uniform(*eye))


def boards(rng: np.random.Generator, canvas: Canvas, floor: Floor, wood: Colour, width: float) -> None:
    """Wooden boards that run towards the vanishing point, with staggered joints and grain."""
    canvas.gradient(floor.top, floor.bottom, scaled(wood, 0.95), scaled(wood, 1.05))
    gap = scaled(wood, 0.72)
    x = -width * rng.uniform(0, 1)
    while x < canvas.w:
        joint = floor.y(rng.uniform(floor.nearest + 0.05, 0.95))
        for y0, y1 in ((floor.top, joint), (joint, floor.bottom)):
            canvas.polygon(floor.strip(x, x + width, y0, y1), scaled(wood, rng.uniform(0.9, 1.1)))
        grain = x + width * rng.uniform(0.2, 0.8)
        canvas.line(
            [(floor.x(grain, floor.top), floor.top), (floor.x(grain, floor.bottom), floor.bottom)],
            0.0015,
            scaled(wood, 0.9),
        )
        canvas.line([(floor.x(x, joint), joint), (floor.x(x + width, joint), joint)], 0.003, gap)
        canvas.line([(floor.x(x, floor.top), floor.top), (floor.x(x, floor.bottom), floor.bottom)], 0.003, gap)
        x += width


def tiled_floor(rng: np.random.Generator, canvas: Canvas, floor: Floor, first: Colour, second: Colour) -> None:
    """Square tiles in two shades, in perspective."""
    size = rng.uniform(0.1, 0.16)
    step = rng.uniform(0.07, 0.11)
    canvas.gradient(floor.top, floor.bottom, first, first)
    start = -size * (2 + rng.uniform(0, 1))
    grout = scaled(mix(first, second, 0.5), 0.85)
    for number, (y0, y1) in enumerate(floor.rows(step)):
        x, column = start, number
        while x < canvas.w + size:
            if column % 2:
                canvas.polygon(floor.strip(x, x + size, y0, y1), second)
            x, column = x + size, column + 1
        canvas.line([(0, y1), (canvas.w, y1)], 0.002, grout)
    x = start
    while x < canvas.w + size:
        canvas.line([(floor.x(x, floor.top), floor.top), (floor.x(x, floor.bottom), floor.bottom)], 0.002, grout)
        x += size


def wall_tiles(canvas: Canvas, y0: float, y1: float, size: tuple[float, float], tile: Colour, staggered: bool) -> None:
    """A tiled wall: light joints and a soft lower edge on every tile."""
    joint, shade = scaled(tile, 1.1), scaled(tile, 0.93)
    canvas.gradient(y0, y1, tile, tile)
    wide, high = size
    y, row = y1, 0
    while y > y0:
        top = max(y - high, y0)
        canvas.rectangle(0, y - 0.006, canvas.w, y - 0.003, shade)
        canvas.rectangle(0, y - 0.003, canvas.w, y, joint)
        x = (wide / 2 if staggered and row % 2 else 0.0) - wide / 3
        while x < canvas.w:
            canvas.rectangle(x, top, x + 0.003, y, joint)
            x += wide
        y, row = y - high, row + 1


def _wallpaper(rng: np.random.Generator, canvas: Canvas, y1: float, wall: Colour) -> None:
    """A wall with stripes, panels, dots, or plain paint, down to ``y1``."""
    canvas.gradient(0, y1, scaled(wall, 0.97), scaled(wall, 1.03))
    kind = rng.integers(4)
    other = scaled(wall, rng.choice([0.93, 1.06]))
    step = rng.uniform(0.07, 0.16)
    if kind == 0:
        x = -step * rng.uniform(0, 1)
        while x < canvas.w:
            canvas.rectangle(x, 0, x + step * 0.5, y1, other)
            x += step
    elif kind == 1:
        wide = rng.uniform(0.22, 0.36)
        x = -wide * rng.uniform(0, 1)
        while x < canvas.w:
            for inset, shade in ((0.02, 0.9), (0.026, 1.02)):
                canvas.rectangle(x + inset, inset + 0.02, x + wide - inset, y1 - inset - 0.02, scaled(wall, shade))
            x += wide
    elif kind == 2:
        for row in range(math.ceil(y1 / step) + 1):
            for column in range(math.ceil(canvas.w / step) + 1):
                canvas.ellipse((column + 0.5 * (row % 2)) * step, (row + 0.3) * step, step * 0.1, step * 0.1, other)


def _daylight_patch(rng: np.random.Generator, canvas: Canvas, y1: float) -> None:
    """The slanted light of a window with two panes that is not in the picture, on the wall above ``y1``."""
    rows, columns = 40, 80
    y, x = np.mgrid[0:rows, 0:columns] / (rows - 1.0)
    x = x + rng.uniform(-0.35, 0.35) * y - rng.uniform(0.3, 1.4)  # slanted, and moved to its place
    y = y - rng.uniform(0.12, 0.3)
    half = rng.uniform(0.16, 0.24)
    lit = (abs(x) < half) & (abs(x) > 0.02) & (y > 0) & (y < rng.uniform(0.4, 0.6)) & (abs(y - 0.2) > 0.015)
    canvas.light(lit * rng.uniform(0.06, 0.12), 0, y1)


def room(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A wall with skirting board over a wooden, tiled or carpeted floor."""
    wall = choose(rng, WALLS)
    edge = horizon * canvas.h
    _wallpaper(rng, canvas, edge, wall)
    if rng.random() < 0.5:
        _daylight_patch(rng, canvas, edge)
    floor = _floor(rng, canvas, edge, (0.25, 0.5))
    covering = rng.integers(4)
    if covering <= 1:
        boards(rng, canvas, floor, choose(rng, WOODS), rng.uniform(0.05, 0.09))
    elif covering == 2:
        tile = choose(rng, TILES)
        tiled_floor(rng, canvas, floor, tile, scaled(tile, rng.uniform(0.82, 0.94)))
    else:
        carpet = scaled(choose(rng, WALLS, 14), 0.78)
        canvas.gradient(edge, canvas.h, scaled(carpet, 0.92), scaled(carpet, 1.04))
        mottle(rng, canvas, (edge, canvas.h), (0.03, 0.03), 0.03)
    if rng.random() < 0.45:
        _rug(rng, canvas, floor)
    board = scaled(mix(wall, (240, 238, 232), 0.7), 1.0)
    canvas.rectangle(0, edge - 0.045, canvas.w, edge - 0.005, board)
    canvas.rectangle(0, edge - 0.049, canvas.w, edge - 0.043, scaled(board, 0.86))
    canvas.rectangle(0, edge - 0.005, canvas.w, edge + 0.004, scaled(wall, 0.5))
    canvas.light([[0.0], [-0.02], [-0.12]], edge - 0.3 * canvas.h, edge)
    canvas.light([[-0.14], [0.0], [0.04]], edge, canvas.h)
    mottle(rng, canvas, (0, canvas.h), (0.17, 0.16), 0.015)
    _side_light(rng, canvas)


def _rug(rng: np.random.Generator, canvas: Canvas, floor: Floor) -> None:
    """A flat rug with a border."""
    colour = scaled(
        choose(rng, ((168, 120, 112), (112, 128, 150), (140, 148, 120), (170, 156, 128), (130, 116, 136))), 0.95
    )
    centre, half = canvas.w * rng.uniform(0.35, 0.65), rng.uniform(0.16, 0.28)
    far, near = floor.y(rng.uniform(0.8, 0.92)), floor.y(floor.nearest + rng.uniform(0.06, 0.14))
    canvas.polygon(floor.strip(centre - half, centre + half, far, near), scaled(colour, 1.16))
    rim = 0.06 * (near - far)
    canvas.polygon(floor.strip(centre - half * 0.94, centre + half * 0.94, far + rim, near - rim), colour)
    canvas.polygon(
        floor.strip(centre - half * 0.8, centre + half * 0.8, far + 3 * rim, near - 3 * rim), scaled(colour, 1.08)
    )
    canvas.polygon(floor.strip(centre - half * 0.77, centre + half * 0.77, far + 3.5 * rim, near - 3.5 * rim), colour)


def bathroom(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A wall tiled to shoulder height over a tiled floor."""
    edge = horizon * canvas.h
    tile = choose(rng, TILES, 7)
    paint = mix(choose(rng, WALLS), (232, 232, 230), 0.3)
    canvas.gradient(0, edge, paint, scaled(paint, 1.03))
    top = edge * rng.uniform(0.0, 0.45)
    size = rng.uniform(0.08, 0.13)
    wall_tiles(canvas, top, edge, (size, size), tile, False)
    border = scaled(choose(rng, ((112, 140, 150), (150, 124, 112), (120, 136, 116), (126, 126, 142))), 1.1)
    canvas.rectangle(0, top, canvas.w, top + 0.03, border)
    canvas.rectangle(0, top + 0.026, canvas.w, top + 0.03, scaled(border, 0.8))
    floor = _floor(rng, canvas, edge, (0.25, 0.45))
    first = scaled(choose(rng, TILES), 0.88)
    tiled_floor(rng, canvas, floor, first, scaled(first, rng.uniform(0.72, 0.92)))
    canvas.rectangle(0, edge - 0.004, canvas.w, edge + 0.004, scaled(tile, 0.55))
    canvas.light([[-0.12], [0.02], [0.04]], edge, canvas.h)
    canvas.light([[0.0], [-0.08]], edge - 0.2 * canvas.h, edge)
    mottle(rng, canvas, (0, canvas.h), (0.2, 0.2), 0.02)
    _side_light(rng, canvas)


def table(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A table top seen from close by, with an unsharp room behind it."""
    edge = horizon * canvas.h
    wall = scaled(choose(rng, WALLS), rng.uniform(0.7, 0.95))
    canvas.gradient(0, edge, wall, scaled(wall, 0.9))
    blobs = np.zeros((5, 9))
    for _ in range(5):
        blobs[int(rng.integers(5)), int(rng.integers(9))] = rng.uniform(-0.16, 0.14)
    canvas.light(blobs, 0, edge)
    floor = _floor(rng, canvas, edge, (0.3, 0.7))
    surface = rng.integers(3)
    if surface == 0:
        wood = choose(rng, WOODS)
        boards(rng, canvas, floor, wood, rng.uniform(0.1, 0.2))
    elif surface == 1:
        wood = choose(rng, WOODS)
        canvas.gradient(edge, canvas.h, scaled(wood, 0.94), scaled(wood, 1.04))
        for y0, y1 in floor.rows(rng.uniform(0.06, 0.12)):
            canvas.rectangle(0, y0, canvas.w, y1, scaled(wood, rng.uniform(0.93, 1.07)))
            canvas.line([(0, y1), (canvas.w, y1)], 0.003, scaled(wood, 0.76))
    else:
        wood = choose(rng, WALLS, 16)
        canvas.gradient(edge, canvas.h, scaled(wood, 0.92), scaled(wood, 1.03))
        cloth = scaled(wood, 0.92)
        width = rng.uniform(0.05, 0.1)
        count = math.ceil(canvas.w / width)
        for number in range(-count, 2 * count, 2):
            canvas.polygon(floor.strip(number * width, (number + 1) * width, edge, canvas.h), cloth)
        for number, (y0, y1) in enumerate(floor.rows(width * 0.9)):
            if number % 2:
                canvas.line([(0, (y0 + y1) / 2), (canvas.w, (y0 + y1) / 2)], (y1 - y0) * 0.5, scaled(wood, 0.86))
    canvas.rectangle(0, edge - 0.003, canvas.w, edge + 0.006, scaled(wood, 1.22))
    canvas.rectangle(0, edge - 0.012, canvas.w, edge - 0.003, scaled(wall, 0.72))
    mottle(rng, canvas, (edge, canvas.h), (0.25, 0.055), 0.025)
    canvas.light([[-0.08], [0.0], [0.05]], edge, canvas.h)
    _side_light(rng, canvas)


def kitchen(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A counter before a tiled wall, with a shelf board above."""
    edge = horizon * canvas.h
    tile = mix(choose(rng, TILES), choose(rng, WALLS), 0.4)
    wide = rng.uniform(0.12, 0.2)
    wall_tiles(canvas, 0, edge, (wide, wide * rng.uniform(0.4, 0.6)), tile, True)
    if rng.random() < 0.7:
        shelf, wood = edge * rng.uniform(0.22, 0.45), choose(rng, WOODS)
        canvas.light([[-0.16], [0.0]], shelf + 0.03, min(shelf + 0.16, edge))
        canvas.rectangle(0, shelf, canvas.w, shelf + 0.012, scaled(wood, 1.12))
        canvas.rectangle(0, shelf + 0.012, canvas.w, shelf + 0.034, scaled(wood, 0.9))
    front = canvas.h * rng.uniform(0.9, 0.97)
    stone = scaled(
        choose(rng, ((176, 176, 178), (150, 146, 142), (196, 188, 178), (118, 122, 128), (172, 146, 118))), 1.0
    )
    canvas.gradient(edge, front, scaled(stone, 0.92), scaled(stone, 1.06))
    mottle(rng, canvas, (edge, front), (0.03, 0.025), 0.03)
    canvas.rectangle(0, edge - 0.004, canvas.w, edge + 0.004, scaled(tile, 0.6))
    canvas.rectangle(0, front, canvas.w, front + 0.01, scaled(stone, 1.2))
    canvas.gradient(front + 0.01, canvas.h, scaled(stone, 0.7), scaled(stone, 0.55))
    canvas.light([[-0.14], [0.0], [0.03]], edge, front)
    _side_light(rng, canvas)
