"""Meaning Consistency Constraint: expressions of one object alike, of different objects apart (VATEX, equation 6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mcc_loss(
    first: Tensor,
    second: Tensor,
    negative: Tensor,
    has_second: Tensor | None = None,
    *,
    temperature: float = 1.0,
    positive_below: bool = True,
) -> Tensor:
    """Mean over K triplets of -log(s(p1, p2) / (s(p1, p2) + s(p1, n) + s(p2, n))), s = exp(cosine / temperature).

    0 for no triplet. The printed fraction of equation 6 cannot be read below its first line; as the paper calls it
    InfoNCE, the positive pair stands below the line too, which keeps the loss above 0. ``positive_below=False`` leaves
    it out.

    Args:
        first: p1 (K, C), vision-aware sentence features (equation 5).
        second: p2 (K, C), those of another expression of the same object.
        negative: n (K, C), those of an expression of another object of the same picture.
        has_second: (K,) bool; where false the object has one expression only: p2 is taken to be p1, and the loss only
            pushes n away.
        temperature: 1 in the paper; 0.1 in its released code, which also takes the negatives of the whole batch.
        positive_below: see above.
    """
    if not len(first):
        return first.sum()
    first, second, negative = (F.normalize(rows.float(), dim=-1) for rows in (first, second, negative))
    if has_second is not None:
        second = torch.where(has_second[:, None], second, first)
    alike = (first * second).sum(dim=-1) / temperature
    apart = torch.stack([(first * negative).sum(dim=-1), (second * negative).sum(dim=-1)]) / temperature
    below = torch.cat([alike[None], apart]) if positive_below else apart
    return (below.logsumexp(dim=0) - alike).mean()


@torch.no_grad()
def mcc_triplets(objects: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Triplets of rows (K, 3) int64, p1, p2 and n, of a batch of expressions, and whether p2 is one (K,) bool.

    Every row is p1 once, unless its picture has no other object in the batch. p2 is the next row of the same object, in
    a ring; n the next row of another object of the picture. Where an object has no other row, p2 is p1.

    Args:
        objects: (B,) int64, the object that each expression means; numbers are those of the whole batch.
        pictures: (B,) int64, the picture of each.
    """
    rows = torch.arange(len(objects), device=objects.device)
    same_picture = pictures[:, None] == pictures[None, :]
    same_object = same_picture & (objects[:, None] == objects[None, :])
    # How far ahead each row is in the ring; 0, the row itself, counts as a whole turn.
    ahead = (rows[None, :] - rows[:, None] - 1) % max(len(rows), 1)
    far = len(rows)
    second = torch.where(same_object, ahead, far).argmin(dim=1) if far else rows
    other = same_picture & ~same_object
    negative = torch.where(other, ahead, far).argmin(dim=1) if far else rows
    kept = other.any(dim=1) if far else rows.bool()
    triplets = torch.stack([rows, second, negative], dim=1)[kept]
    return triplets, triplets[:, 0] != triplets[:, 1]
