"""Contrastive Language-Instance Alignment (paper, section 4.3, equation 4)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor


def clia_loss(logits: Tensor, labels: Tensor, *, normalise: Literal["positives", "pairs"] = "positives") -> Tensor:
    """-log sigmoid(z (t <T, O> + b)) over every expression-object pair of the batch.

    ``logits`` (Q, N) are t <T, O> + b, ``labels`` (Q, N) z: 1 where the expression refers to the object, -1 where it
    does not, 0 where that is undefined (left out). *Differs from eq. 4* in the printed sign of b (ours is negative),
    and, by default, in the divisor: the sum is divided by the number of positives, which keeps their weight when the
    batch grows; ``pairs`` divides by the number of pairs as printed.
    """
    return _sum(logits, labels) / _divisor(labels, normalise)


def chunked_clia_loss(
    text: Tensor,
    features: Tensor,
    scale: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    chunk: int = 4096,
    normalise: Literal["positives", "pairs"] = "positives",
) -> Tensor:
    """``clia_loss`` of t <T, O> + b without the whole (Q, N) matrix of logits in memory.

    ``text`` (Q, D), ``features`` (N, D), ``scale`` t and ``bias`` b scalars. A sum over pairs is the sum of the sums
    over blocks of objects; each block's logits are made again in the backward pass, so that at most Q x ``chunk`` of
    them exist at once.
    """
    total = text.new_zeros(())
    for start in range(0, len(features), chunk):
        block = features[start : start + chunk]
        total = total + torch.utils.checkpoint.checkpoint(
            _block_sum, text, block, scale, bias, labels[:, start : start + chunk], use_reentrant=False
        )
    return total / _divisor(labels, normalise)


def _block_sum(text: Tensor, features: Tensor, scale: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    return _sum(scale * (text @ features.T) + bias, labels)


def _sum(logits: Tensor, labels: Tensor) -> Tensor:
    return (-F.logsigmoid(labels.to(logits.dtype) * logits) * (labels != 0)).sum()


def _divisor(labels: Tensor, normalise: Literal["positives", "pairs"]) -> Tensor:
    return ((labels > 0) if normalise == "positives" else (labels != 0)).sum().clamp(min=1)
