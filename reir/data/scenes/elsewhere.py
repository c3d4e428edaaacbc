"""Places of the shifted split: a workshop, a paper collage, a street at night, a desert, a forest.

Their shades, textures and light are none of those that models are trained on.
"""

from __future__ import annotations

import numpy as np

from reir.data.scenes.canvas import Canvas, Colour, choose, mix, mottle, scaled
from reir.data.scenes.perspective import Floor

CONCRETES: tuple[Colour, ...] = ((150, 148, 142), (132, 136, 140), (164, 158, 148))
BRICKS: tuple[Colour, ...] = ((150, 96, 80), (128, 104, 96), (166, 140, 120))
PAPERS: tuple[Colour, ...] = (
    (206, 176, 132),
    (148, 176, 168),
    (196, 160, 164),
    (160, 160, 192),
    (188, 188, 140),
    (120, 140, 150),
)


def workshop(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A brick wall with a shelf board over a stained concrete floor with joints on the slant."""
    edge = horizon * canvas.h
    brick = choose(rng, BRICKS, 8)
    canvas.gradient(0, edge, scaled(brick, 1.12), scaled(brick, 1.12))
    high, wide = rng.uniform(0.026, 0.04), rng.uniform(0.075, 0.11)
    y, row = 0.0, 0
    while y < edge:
        x = -wide * (0.5 if row % 2 else 0.0)
        while x < canvas.w:
            shade = scaled(brick, rng.uniform(0.82, 1.04))
            canvas.rectangle(x, y, x + wide - 0.005, min(y + high - 0.005, edge), shade)
            x += wide
        y, row = y + high, row + 1
    concrete = choose(rng, CONCRETES, 6)
    canvas.gradient(edge, canvas.h, scaled(concrete, 0.8), scaled(concrete, 1.06))
    slant = rng.uniform(-0.5, 0.5)
    for start in np.arange(-1.0, canvas.w + 1.0, rng.uniform(0.22, 0.34)):
        far, near = (float(start), edge), (float(start) + slant, canvas.h)
        canvas.line([far, near], 0.004, scaled(concrete, 0.66))
    for _ in range(int(rng.integers(3, 7))):
        x, y, size = rng.uniform(0, canvas.w), rng.uniform(edge, canvas.h), rng.uniform(0.03, 0.1)
        canvas.ellipse(x, y, size, size * 0.35, scaled(concrete, rng.uniform(0.74, 0.88)))
    mottle(rng, canvas, (edge, canvas.h), (0.05, 0.03), 0.03)
    lamp = rng.uniform(0.0, 0.16)
    canvas.light([[-0.18, lamp, -0.18], [-0.1, lamp, -0.12], [-0.2, -0.04, -0.2]], 0, canvas.h)


def collage(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Torn and cut sheets of coloured paper, the lower half one large sheet."""
    edge = horizon * canvas.h
    canvas.gradient(0, canvas.h, choose(rng, PAPERS), choose(rng, PAPERS))
    for _ in range(int(rng.integers(7, 13))):
        sheet = mix(choose(rng, PAPERS, 14), (200, 196, 188), rng.uniform(0.1, 0.5))
        x, y = rng.uniform(-0.1, canvas.w), rng.uniform(-0.1, edge)
        corners = int(rng.integers(3, 6))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        size = rng.uniform(0.12, 0.34)
        points = [(float(x + size * np.cos(angle)), float(y + size * np.sin(angle))) for angle in turn]
        canvas.polygon([(a + 0.006, b + 0.008) for a, b in points], scaled(sheet, 0.62))
        canvas.polygon(points, sheet)
    sheet = mix(choose(rng, PAPERS, 14), (190, 186, 178), rng.uniform(0.2, 0.5))
    across = np.linspace(0, canvas.w, 60)
    tear = edge + 0.012 * np.cumsum(rng.normal(0, 0.35, 60)) * np.hanning(60) + rng.normal(0, 0.003, 60)
    torn = [(float(a), float(b)) for a, b in zip(across, tear, strict=True)]
    for drop, colour in ((-0.012, (232, 228, 220)), (0.0, sheet)):
        canvas.polygon([(0.0, canvas.h), *[(a, b + drop) for a, b in torn], (canvas.w, canvas.h)], colour)
    step, thin = rng.uniform(0.03, 0.06), scaled(sheet, rng.choice([0.9, 1.08]))
    if rng.random() < 0.5:
        for y in np.arange(edge + step, canvas.h, step):
            canvas.line([(0, float(y)), (canvas.w, float(y))], 0.003, thin)
    mottle(rng, canvas, (0, canvas.h), (0.02, 0.02), 0.03)


def night(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Dark houses with lit windows under a night sky, and wet ground in the light of lamps."""
    edge = horizon * canvas.h
    dusk = choose(rng, ((58, 62, 92), (74, 64, 90), (50, 74, 88)), 5)
    canvas.gradient(0, edge, scaled(dusk, 0.8), scaled(dusk, 1.5))
    x = -rng.uniform(0, 0.1)
    while x < canvas.w:
        wide, top = rng.uniform(0.12, 0.3), edge * rng.uniform(0.1, 0.7)
        wall = scaled(choose(rng, ((76, 74, 88), (88, 80, 84), (70, 82, 92)), 6), rng.uniform(0.8, 1.1))
        canvas.rectangle(x, top, x + wide, edge, wall)
        for wx in np.arange(x + 0.02, x + wide - 0.03, 0.045):
            for wy in np.arange(top + 0.025, edge - 0.04, 0.055):
                lit = rng.random() < 0.35
                pane = mix((214, 186, 120), wall, rng.uniform(0.1, 0.5)) if lit else scaled(wall, 0.8)
                canvas.rectangle(float(wx), float(wy), float(wx) + 0.022, float(wy) + 0.03, pane)
        x += wide
    ground = choose(rng, ((92, 94, 106), (102, 98, 100)), 5)
    canvas.gradient(edge, canvas.h, scaled(ground, 0.76), scaled(ground, 1.12))
    for _ in range(int(rng.integers(2, 5))):
        x, y, size = rng.uniform(0, canvas.w), edge + (canvas.h - edge) * rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.2)
        for share in (1.0, 0.8, 0.6, 0.4):
            pool = mix(ground, (190, 168, 130), 0.5 * (1.1 - share))
            canvas.ellipse(x, y, size * share, size * share * 0.28, pool)
    mottle(rng, canvas, (edge, canvas.h), (0.03, 0.012), 0.05)


def desert(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Rippled dunes under an evening sky in bands."""
    edge = horizon * canvas.h
    high, low = choose(rng, ((126, 120, 160), (112, 140, 160), (150, 122, 140)), 6), choose(rng, ((226, 170, 138),), 8)
    bands = int(rng.integers(5, 9))
    for band in range(bands):
        colour = mix(high, low, band / (bands - 1))
        canvas.rectangle(0, edge * band / bands, canvas.w, edge * (band + 1) / bands + 0.005, colour)
    sand = choose(rng, ((190, 138, 96), (178, 128, 100), (200, 154, 104)), 6)
    canvas.gradient(edge - 0.01, canvas.h, scaled(sand, 0.9), scaled(sand, 1.05))
    for depth in (0.0, 0.22, 0.48, 0.76):
        base = edge + (canvas.h - edge) * depth
        crest, lean = rng.uniform(0.1, 0.9) * canvas.w, 0.05 + 0.06 * depth
        peak = (crest, base - lean)
        left, right = (crest - rng.uniform(0.4, 0.8), base + lean), (crest + rng.uniform(0.4, 0.8), base + lean)
        canvas.polygon([left, peak, (crest + 0.05, base + lean)], scaled(sand, rng.uniform(1.04, 1.12)))
        canvas.polygon([(crest + 0.05, base + lean), peak, right], scaled(sand, rng.uniform(0.76, 0.86)))
    for y in np.arange(edge + 0.02, canvas.h, 0.018):
        start, wide = rng.uniform(-0.2, canvas.w), rng.uniform(0.1, 0.3)
        ripple = [(start + wide * t, float(y) + 0.004 * np.sin(9 * t + float(y) * 40)) for t in np.linspace(0, 1, 9)]
        canvas.line([(float(a), float(b)) for a, b in ripple], 0.002, scaled(sand, 0.84))
    mottle(rng, canvas, (edge, canvas.h), (0.2, 0.06), 0.05)


def forest(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Trunks in mist, and a ground of leaves."""
    edge = horizon * canvas.h
    mist = choose(rng, ((166, 180, 176), (150, 168, 180), (182, 178, 160)), 6)
    canvas.gradient(0, edge + 0.02, scaled(mist, 0.86), mist)
    for share in (0.75, 0.45, 0.15):
        bark = mix(choose(rng, ((84, 72, 64), (74, 78, 72)), 6), mist, share)
        for x in rng.uniform(-0.05, canvas.w + 0.05, int(rng.integers(3, 8))):
            wide, lean = (0.012 + 0.05 * (1 - share)) * rng.uniform(0.7, 1.3), rng.uniform(-0.05, 0.05)
            foot = edge + 0.06 * (1 - share) * rng.uniform(0.2, 1.0)
            trunk = [(x + lean - wide * 0.35, 0.0), (x + lean + wide * 0.35, 0.0), (x + wide, foot), (x - wide, foot)]
            canvas.polygon([(float(a), float(b)) for a, b in trunk], bark)
            canvas.line([(float(x + lean), 0.0), (float(x + wide * 0.5), float(foot))], 0.004, scaled(bark, 0.85))
    floor = Floor(edge, canvas.h, canvas.w / 2, edge - 0.3)
    earth = choose(rng, ((126, 112, 84), (112, 118, 84), (134, 104, 80)), 6)
    canvas.gradient(edge + 0.015, canvas.h, mix(earth, mist, 0.3), scaled(earth, 0.95))
    for _ in range(170):
        depth = floor.nearest + (1 - floor.nearest) * rng.uniform(0, 1) ** 1.6
        x, y, size = rng.uniform(0, canvas.w), floor.y(depth), 0.014 * floor.nearest / depth
        leaf = scaled(choose(rng, ((150, 118, 76), (122, 128, 80), (140, 98, 74), (104, 96, 72)), 8), 1.0)
        canvas.ellipse(float(x), float(y), size * rng.uniform(0.6, 1.2), size * rng.uniform(0.3, 0.6), leaf)
    canvas.light([[0.06, 0.12, 0.06], [0.0, 0.02, 0.0], [-0.12, -0.06, -0.14]], 0, canvas.h)
