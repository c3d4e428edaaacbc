"""Contrastive Language-Instance Alignment (paper, section 4.3, equation 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor

from reir.losses.ring import ring_blocks

PairSum = Callable[[Tensor, Tensor], Tensor]
"""From logits and labels of one shape to the sum of a loss over the pairs whose label is not 0."""


def clia_loss(logits: Tensor, labels: Tensor, *, normalise: Literal["positives", "pairs"] = "positives") -> Tensor:
    """-log sigmoid(z (t <T, O> + b)) over every expression-object pair of the batch.

    ``logits`` (Q, N) are t <T, O> + b, ``labels`` (Q, N) z: 1 where the expression refers to the object, -1 where it
    does not, 0 where that is undefined (left out). *Differs from eq. 4* in the printed sign of b (ours is negative),
    and, by default, in the divisor: the sum is divided by the number of positives, which keeps their weight when the
    batch grows; ``pairs`` divides by the number of pairs as printed.
    """
    return clia_sum(logits, labels) / _divisor(labels, normalise)


def clia_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """``clia_loss`` before the division."""
    return (-F.logsigmoid(labels.to(logits.dtype) * logits) * (labels != 0)).sum()


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
    return _sum_in_chunks(text, features, scale, bias, labels, chunk, clia_sum) / _divisor(labels, normalise)


def ring_clia_loss(
    text: Tensor,
    features: Tensor,
    scale: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    abroad: Tensor,
    offered: Tensor,
    chunk: int = 4096,
) -> Tensor:
    """What this process adds to ``clia_loss`` over the texts and objects of all processes.

    ``text`` (Q, D), ``features`` (N, D) and ``labels`` (Q, N) are this process's own. ``abroad`` (Q,) is the label of
    each text for every object of another process: -1 false or 0 undefined. ``offered`` (N,) bool: the object is
    compared with others' texts. What all processes return adds up to the loss of the whole matrix, and once their
    gradients are added up, those of texts, objects, t and b are exact.
    """
    positives = (labels > 0).sum()
    dist.all_reduce(positives)
    total = _sum_in_chunks(text, features, scale, bias, labels, chunk, clia_sum)
    total = total + abroad_clia_sum(text, features[offered], scale, bias, abroad, chunk=chunk)
    return total / positives.clamp(min=1)


def abroad_clia_sum(
    text: Tensor,
    features: Tensor,
    scale: Tensor,
    bias: Tensor,
    abroad: Tensor,
    *,
    chunk: int = 4096,
    pair_sum: PairSum = clia_sum,
) -> Tensor:
    """The sum over pairs of this process's ``text`` (Q, D) with other processes' ``features`` (N, D).

    ``abroad`` (Q,) is the label of each text in all its pairs. Others' features come round in a ring
    (``ring_blocks``), and there are at most Q x ``chunk`` logits at once on a process.
    """
    total = text.new_zeros(())
    for block in ring_blocks(features):
        labels = abroad[:, None].expand(-1, len(block))
        total = total + _sum_in_chunks(text, block, scale, bias, labels, chunk, pair_sum)
    return total


def _sum_in_chunks(
    text: Tensor, features: Tensor, scale: Tensor, bias: Tensor, labels: Tensor, chunk: int, pair_sum: PairSum
) -> Tensor:
    # Empty blocks are summed too: a process that has none still owes the others its part of the backward pass.
    total = text.new_zeros(())
    for start in range(0, max(len(features), 1), chunk):
        block = features[start : start + chunk]
        total = total + torch.utils.checkpoint.checkpoint(
            _block_sum, text, block, scale, bias, labels[:, start : start + chunk], pair_sum, use_reentrant=False
        )
    return total


def _block_sum(
    text: Tensor, features: Tensor, scale: Tensor, bias: Tensor, labels: Tensor, pair_sum: PairSum
) -> Tensor:
    return pair_sum(scale * (text @ features.T) + bias, labels)


def _divisor(labels: Tensor, normalise: Literal["positives", "pairs"]) -> Tensor:
    return ((labels > 0) if normalise == "positives" else (labels != 0)).sum().clamp(min=1)
