"""The definitions of docs/metrics.md as loops over a whole score matrix: slow, and independent of reir.metrics."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass
class Gallery:
    images: list[int]
    boxes: list[Box]


def iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def in_image_choices(scores: list[float], gallery: Gallery, image: int) -> list[int]:
    """The instances that share the best score inside the true picture."""
    inside = [j for j in range(len(scores)) if gallery.images[j] == image]
    return [j for j in inside if scores[j] == max(scores[i] for i in inside)]


def precise(scores: list[float], gallery: Gallery, image: int, box: Box, tau: float) -> bool:
    choices = in_image_choices(scores, gallery, image)
    return bool(choices) and all(iou(gallery.boxes[j], box) > tau for j in choices)


def official(scores: list[float], gallery: Gallery, image: int, box: Box, k: int, tau: float) -> bool:
    if not precise(scores, gallery, image, box, tau):
        return False
    chosen = in_image_choices(scores, gallery, image)[0]
    return sum(scores[j] >= scores[chosen] for j in range(len(scores)) if j != chosen) < k


def any_of(scores: list[float], gallery: Gallery, truths: list[tuple[int, Box]], k: int, tau: float) -> bool:
    """Sort the whole gallery, of equal scores the wrong ones first, and look at the first k."""
    good = [
        any(gallery.images[j] == image and iou(gallery.boxes[j], box) > tau for image, box in truths)
        for j in range(len(scores))
    ]
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], good[j]))
    return any(good[j] for j in order[:k])


def image_found(scores: list[float], gallery: Gallery, images: set[int], k: int) -> bool:
    """Rank the pictures by their best instance, of equal ones the wrong ones first, and look at the first k."""
    best: dict[int, float] = {}
    for score, image in zip(scores, gallery.images, strict=True):
        best[image] = max(score, best.get(image, score))
    order = sorted(best, key=lambda image: (-best[image], image in images))
    return any(image in images for image in order[:k])
