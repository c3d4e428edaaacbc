"""The figures of masks as loops over sets of pixels: slow, and independent of reir.metrics."""

from __future__ import annotations

import random

Pixels = set[tuple[int, int]]


def pixels(mask) -> Pixels:
    return {(row, column) for row, line in enumerate(mask.tolist()) for column, value in enumerate(line) if value}


def iou(first: Pixels, second: Pixels) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0


def object_centric(truth: Pixels, painted: list[Pixels]) -> float:
    either = truth.union(*painted)
    return len(truth.intersection(*painted)) / len(either) if either else 1.0


def overall_interval(pairs: list[tuple[Pixels, Pixels]], rounds: int) -> tuple[float, float]:
    """Of oIoU: queries are drawn one by one, and their pixels added up."""
    generator = random.Random(0)
    ratios = []
    for _ in range(rounds):
        drawn = [generator.choice(pairs) for _ in pairs]
        below = sum(len(a | b) for a, b in drawn)
        ratios.append(sum(len(a & b) for a, b in drawn) / below if below else 1.0)
    ratios.sort()
    return ratios[int(0.025 * rounds)], ratios[int(0.975 * rounds)]
