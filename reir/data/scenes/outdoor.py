"""Outdoor places: a street, a meadow, a beach, a field of snow, a yard."""

from __future__ import annotations

import numpy as np

from reir.data.scenes.canvas import Canvas, Colour, Point, choose, mix, mottle, scaled
from reir.data.scenes.perspective import Floor

SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((128, 168, 206), (206, 220, 228)),
    ((112, 150, 196), (190, 212, 228)),
    ((158, 174, 188), (206, 210, 210)),
    ((150, 170, 200), (232, 216, 196)),
    ((140, 152, 178), (224, 204, 188)),
)
"""Top and lower end of the sky: clear, deep, overcast, evening."""
FACADES: tuple[Colour, ...] = (
    (188, 168, 148),
    (168, 132, 116),
    (176, 178, 178),
    (150, 158, 168),
    (196, 184, 160),
    (158, 150, 138),
    (146, 128, 124),
)


def _sky(rng: np.random.Generator, canvas: Canvas, y1: float, *, clouds: bool = True) -> tuple[Colour, Colour]:
    """A sky down to ``y1``; returns its two colours."""
    top, low = SKIES[int(rng.integers(len(SKIES)))]
    canvas.gradient(0, y1, top, low)
    for _ in range(int(rng.integers(1, 4)) if clouds else 0):
        x, y, size = canvas.w * rng.uniform(0, 1), y1 * rng.uniform(0.08, 0.6), rng.uniform(0.05, 0.11)
        puffs = rng.uniform((-1.6, -0.2, 0.5), (1.6, 0.2, 1.0), (6, 3))
        for shade, drop in ((0.45, 0.25), (0.7, 0.0)):
            colour = mix(mix(top, low, y / y1), (246, 246, 248), shade)
            for dx, dy, grow in puffs:
                canvas.ellipse(x + dx * size, y + (dy + drop * grow) * size, size * grow, size * grow * 0.42, colour)
    return top, low


def _ridge(
    rng: np.random.Generator, canvas: Canvas, base: float, height: float, colour: Colour, *, sharp: bool = False
) -> None:
    """Hills (or sharp mountains) that rise up to ``height`` above ``base``."""
    x = np.linspace(0, canvas.w, 49)
    y = np.zeros_like(x)
    for waves, share in ((1.0, 0.55), (2.3, 0.3), (5.1, 0.15)):
        phase = rng.uniform(0, 2 * np.pi)
        turn = waves * 2 * np.pi * x / 1.6 + phase
        y += share * (2 * np.abs((turn / np.pi) % 2 - 1) - 1 if sharp else np.sin(turn))
    top: list[Point] = [(float(a), float(base - height * (0.5 + 0.5 * b))) for a, b in zip(x, y, strict=True)]
    canvas.polygon([(0.0, base + 0.01), *top, (canvas.w, base + 0.01)], colour)


def _tufts(rng: np.random.Generator, canvas: Canvas, top: float, colour: Colour, count: int) -> None:
    """Blades of grass, larger where they are nearer."""
    near = rng.uniform(0, 1, count) ** 0.8
    places = rng.uniform(0, canvas.w, count)
    gains = rng.choice([0.84, 0.9, 1.1], count)
    for depth, x, gain in sorted(zip(near.tolist(), places.tolist(), gains.tolist(), strict=True)):
        y, size = top + (canvas.h - top) * (0.03 + 0.97 * depth), 0.008 + 0.022 * depth
        ink = scaled(colour, gain)
        canvas.polygon(
            [(x - size * 0.5, y), (x - size * 0.55, y - size), (x - size * 0.15, y - size * 0.3), (x, y - size * 1.25),
             (x + size * 0.15, y - size * 0.3), (x + size * 0.6, y - size * 0.9), (x + size * 0.45, y)],
            ink,
        )  # fmt: skip


def _grass(rng: np.random.Generator, canvas: Canvas, top: float, colour: Colour) -> None:
    canvas.gradient(top, canvas.h, mix(scaled(colour, 1.02), (190, 200, 170), 0.25), scaled(colour, 0.92))
    mottle(rng, canvas, (top, canvas.h), (0.09, 0.045), 0.035)
    mottle(rng, canvas, (top, canvas.h), (0.04, 0.014), 0.03)
    _tufts(rng, canvas, top, colour, 46)


def meadow(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Grass under a sky, with hills at its end."""
    edge = horizon * canvas.h
    _, low = _sky(rng, canvas, edge)
    green = choose(rng, ((128, 154, 92), (142, 160, 96), (116, 146, 100), (152, 156, 98)), 7)
    _ridge(rng, canvas, edge, rng.uniform(0.14, 0.24), mix(scaled(green, 0.8), low, 0.62))
    _ridge(rng, canvas, edge, rng.uniform(0.06, 0.13), mix(scaled(green, 0.82), low, 0.35))
    _grass(rng, canvas, edge, green)
    if rng.random() < 0.4:
        floor = Floor(edge, canvas.h, canvas.w * rng.uniform(0.3, 0.7), edge - 0.06)
        start, earth = floor.vx + rng.uniform(-0.04, 0.04), choose(rng, ((182, 164, 132), (170, 158, 140)), 6)
        canvas.polygon(floor.strip(start - 0.022, start + 0.022, edge, canvas.h), scaled(earth, 0.94))
        canvas.polygon(floor.strip(start - 0.018, start + 0.016, edge, canvas.h), earth)


def beach(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Sand before a sea."""
    edge = horizon * canvas.h
    far = edge - min(rng.uniform(0.09, 0.16), 0.5 * edge)
    _, low = _sky(rng, canvas, far)
    sea = choose(rng, ((96, 146, 164), (84, 132, 160), (110, 156, 160), (104, 128, 150)), 7)
    canvas.gradient(far, edge, scaled(mix(sea, low, 0.15), 0.86), scaled(sea, 1.14))
    for _ in range(14):
        y, left = far + (edge - far) * rng.uniform(0.05, 0.95), canvas.w * rng.uniform(-0.1, 1)
        wide, foam = rng.uniform(0.05, 0.22), mix(sea, (236, 244, 246), rng.uniform(0.2, 0.5))
        canvas.line([(left, y), (left + wide / 2, y - 0.003), (left + wide, y)], 0.003, foam)
    sand = choose(rng, ((214, 196, 156), (206, 190, 160), (220, 202, 170), (196, 178, 148)), 6)
    canvas.gradient(edge, canvas.h, scaled(sand, 0.97), scaled(sand, 1.02))
    wave = rng.uniform(0, 2 * np.pi, 2)
    x = np.linspace(0, canvas.w, 33)
    shore = edge + 0.03 + 0.012 * np.sin(5 * x + wave[0]) + 0.006 * np.sin(13 * x + wave[1])
    for drop, colour in ((0.035, scaled(sand, 0.86)), (0.006, (238, 242, 240)), (-0.004, scaled(sea, 1.16))):
        curve = [(float(a), float(b + drop)) for a, b in zip(x, shore, strict=True)]
        canvas.polygon([(0.0, edge - 0.002), *curve, (canvas.w, edge - 0.002)], colour)
    mottle(rng, canvas, (edge + 0.05, canvas.h), (0.12, 0.035), 0.03)
    mottle(rng, canvas, (edge + 0.05, canvas.h), (0.03, 0.013), 0.022)


def snow(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Drifts of snow before mountains."""
    edge = horizon * canvas.h
    _, low = _sky(rng, canvas, edge, clouds=rng.random() < 0.5)
    rock = choose(rng, ((132, 146, 166), (146, 152, 164), (122, 136, 152)), 6)
    _ridge(rng, canvas, edge, rng.uniform(0.2, 0.34), mix(rock, low, 0.45), sharp=True)
    _ridge(rng, canvas, edge, rng.uniform(0.08, 0.16), mix(rock, (226, 232, 240), 0.5), sharp=rng.random() < 0.5)
    white = choose(rng, ((214, 222, 232), (222, 224, 228), (206, 216, 230)), 3)
    canvas.gradient(edge, canvas.h, scaled(white, 0.96), scaled(white, 1.02))
    for depth in (0.06, 0.24, 0.5, 0.8):
        base = edge + (canvas.h - edge) * depth
        bend = rng.uniform(0, 2 * np.pi)
        x = np.linspace(0, canvas.w, 33)
        y = base + (0.01 + 0.03 * depth) * np.sin(rng.uniform(3, 6) * x + bend)
        crest = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        thick = 0.01 + 0.05 * depth
        canvas.polygon([*crest, *[(a, b + thick) for a, b in reversed(crest)]], scaled(white, rng.uniform(0.93, 0.97)))
        canvas.polygon([*crest, *[(a, b + thick * 0.3) for a, b in reversed(crest)]], scaled(white, 1.04))
    mottle(rng, canvas, (edge, canvas.h), (0.12, 0.05), 0.018)


def yard(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A lawn before a fence of boards, with a hedge or the sky above it."""
    edge = horizon * canvas.h
    _, low = _sky(rng, canvas, edge)
    green = choose(rng, ((124, 148, 92), (134, 152, 100), (112, 140, 98)), 7)
    top = edge - rng.uniform(0.16, 0.26)
    if rng.random() < 0.6:
        hedge = mix(scaled(green, 0.72), low, 0.12)
        crown = top - rng.uniform(0.03, 0.1)
        for x in np.arange(-0.05, canvas.w + 0.1, 0.07).tolist():
            canvas.ellipse(x, crown + rng.uniform(0, 0.03), 0.07, 0.06, scaled(hedge, rng.uniform(0.94, 1.08)))
        canvas.gradient(crown + 0.03, edge, hedge, scaled(hedge, 0.85))
        mottle(rng, canvas, (crown, top), (0.047, 0.02), 0.04)
    wood = choose(rng, ((168, 150, 130), (150, 142, 136), (186, 176, 160), (140, 120, 102)), 8)
    wide, gap = rng.uniform(0.04, 0.065), rng.uniform(0.004, 0.012)
    for y in (top + 0.04, edge - 0.05):
        canvas.rectangle(0, y, canvas.w, y + 0.018, scaled(wood, 0.72))
    x, pointed = -wide * rng.uniform(0, 1), rng.random() < 0.5
    while x < canvas.w:
        tip = top - wide * 0.4 if pointed else top
        shade = scaled(wood, rng.uniform(0.92, 1.07))
        canvas.polygon([(x, top), (x + wide / 2, tip), (x + wide, top), (x + wide, edge), (x, edge)], shade)
        canvas.rectangle(x + wide * 0.86, top, x + wide, edge, scaled(shade, 0.88))
        x += wide + gap
    _grass(rng, canvas, edge, green)
    canvas.light([[-0.18], [0.0], [0.0], [0.0]], edge, canvas.h)


def _building(rng: np.random.Generator, canvas: Canvas, x0: float, x1: float, top: float, base: float) -> None:
    """One facade with rows of panes and a darker ground floor."""
    facade = choose(rng, FACADES)
    canvas.rectangle(x0, top, x1, base, facade)
    canvas.rectangle(x0, top, x1, top + 0.014, scaled(facade, 0.82))
    canvas.rectangle(x1 - 0.008, top, x1, base, scaled(facade, 0.86))
    pane = mix((104, 118, 134), facade, rng.uniform(0.1, 0.4))
    columns = max(1, int((x1 - x0) / rng.uniform(0.055, 0.085)))
    storey, cell = rng.uniform(0.075, 0.1), (x1 - x0) / columns
    shop = base - 0.085
    y = top + 0.035
    while y + storey * 0.6 < shop:
        for column in range(columns):
            x = x0 + (column + 0.28) * cell
            tint = scaled(pane, rng.uniform(0.86, 1.2))
            canvas.rectangle(x, y, x + cell * 0.44, y + storey * 0.56, tint)
            canvas.rectangle(
                x - cell * 0.05, y + storey * 0.56, x + cell * 0.49, y + storey * 0.64, scaled(facade, 1.12)
            )
        y += storey
    canvas.rectangle(x0, shop, x1 - 0.008, base, scaled(facade, 0.8))
    canvas.rectangle(x0 + 0.012, shop + 0.014, x1 - 0.02, base - 0.012, scaled(pane, 0.8))
    awning = scaled(choose(rng, FACADES, 16), 0.9)
    canvas.polygon(
        [(x0 + 0.005, shop), (x1 - 0.013, shop), (x1 - 0.004, shop + 0.022), (x0 - 0.004, shop + 0.022)], awning
    )


def street(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Buildings, a pavement, and a road with markings."""
    edge = horizon * canvas.h
    _sky(rng, canvas, edge, clouds=rng.random() < 0.6)
    x = -rng.uniform(0, 0.2)
    while x < canvas.w:
        wide = rng.uniform(0.22, 0.42)
        _building(rng, canvas, x, x + wide, edge * rng.uniform(-0.1, 0.45), edge)
        x += wide
    floor = Floor(edge, canvas.h, canvas.w * rng.uniform(0.3, 0.7), edge - rng.uniform(0.2, 0.35))
    kerb = edge + (canvas.h - edge) * rng.uniform(0.26, 0.42)
    slab = choose(rng, ((176, 174, 168), (168, 168, 170), (184, 176, 164)), 5)
    canvas.gradient(edge, kerb, scaled(slab, 0.94), scaled(slab, 1.02))
    for y0, y1 in floor.rows(0.09):
        if y1 < kerb:
            canvas.line([(0, y1), (canvas.w, y1)], 0.002, scaled(slab, 0.86))
        if y0 >= kerb:
            break
    at = -0.4
    while at < canvas.w + 0.4:
        canvas.line([(floor.x(at, edge), edge), (floor.x(at, kerb), kerb)], 0.002, scaled(slab, 0.86))
        at += 0.12
    asphalt = choose(rng, ((112, 114, 118), (124, 122, 120), (100, 104, 110)), 4)
    canvas.gradient(kerb, canvas.h, asphalt, scaled(asphalt, 1.06))
    canvas.rectangle(0, kerb - 0.006, canvas.w, kerb + 0.006, scaled(slab, 1.12))
    canvas.rectangle(0, kerb + 0.006, canvas.w, kerb + 0.02, scaled(slab, 0.66))
    lane = kerb + (canvas.h - kerb) * rng.uniform(0.45, 0.65)
    thick = 0.016
    dash, start = rng.uniform(0.09, 0.14), -rng.uniform(0, 0.2)
    x = start
    while x < canvas.w * 1.2:
        canvas.polygon(floor.strip(x, x + dash, lane, lane + thick), mix(asphalt, (232, 230, 220), 0.7))
        x += dash * 1.9
    mottle(rng, canvas, (kerb, canvas.h), (0.047, 0.03), 0.025)
    canvas.light([[-0.1], [0.0], [0.0]], edge, kerb)
