"""VATEX's Meaning Consistency Constraint (section 3.3) plugged into CLARE, as its section 9.1 plugs it into ReLA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from reir.losses import mcc_loss, mcc_triplets

if TYPE_CHECKING:
    from reir.models.clare.network import Clare
    from reir.models.clare.outputs import TextOutput, VisualOutput
    from reir.training.batch import Batch
    from reir.training.config import MccConfig


def consistency_loss(network: Clare, visual: VisualOutput, text: TextOutput, batch: Batch, config: MccConfig) -> Tensor:
    """Equation 6 summed over the triplets of a batch, divided by its Q texts (so that batches of a step add up).

    A triplet is two expressions of one object and one of another object of the same picture; of all texts, those that
    are true of exactly one object of their picture and of no other. Nothing of it is left once the network is trained:
    the score stays one inner product.

    *Differs from the paper*: its sentence features have looked at the picture (the vision-aware text features of its
    CMD), CLARE's T has not, because T must be known before any picture. ``config.features`` says what stands in:
    ``objects``, what T finds in its picture (`found_objects`); ``text``, T itself, which can only learn which
    expressions name one thing in whatever picture.
    """
    meant, rows = meant_objects(batch)
    device = text.embedding.device
    rows, meant = rows.to(device), meant.to(device)
    pictures = batch.text_picture.to(device)[rows]
    triplets, has_second = mcc_triplets(meant, pictures)
    features = text.embedding.float()[rows]
    if config.features == "objects":
        features = found_objects(network, visual, features, pictures)
    first, second, negative = (features[triplets[:, place]] for place in range(3))
    mean = mcc_loss(first, second, negative, has_second, temperature=config.temperature)
    return mean * len(triplets) / max(len(batch.token_ids), 1)


def meant_objects(batch: Batch) -> tuple[Tensor, Tensor]:
    """The object that each text means (K,), and the row of the text (K,), for those that mean exactly one.

    Such a text is true of one object of its picture, and false of all others there: none is undefined.
    """
    own = batch.text_picture[:, None] == batch.object_picture[None]
    true = own & (batch.labels > 0)
    clear = (true.sum(dim=1) == 1) & ~(own & (batch.labels == 0)).any(dim=1)
    rows = clear.nonzero().flatten()
    return true[rows].to(torch.uint8).argmax(dim=1), rows


def found_objects(network: Clare, visual: VisualOutput, text: Tensor, pictures: Tensor) -> Tensor:
    """What each expression finds in its picture, (K, D): objects O weighted by softmax over them of t <T, O>.

    One head of cross-attention from the sentence to the picture (the inner part of equation 2), whose weights are the
    scores that CLARE searches by: expressions of one object agree in it when they score the same one best.

    Args:
        network: for t.
        visual: the objects of the pictures; those that stand on padding have no weight.
        text: (K, D) T of the expressions.
        pictures: (K,) the picture of each.
    """
    objects = visual.features.float()[pictures]  # (K, M, D)
    scores = network.logit_scale * torch.einsum("kd,kmd->km", text, objects)
    there = visual.proposal_valid.gather(1, visual.selected)[pictures]
    weights = F.softmax(scores.masked_fill(~there, -torch.inf), dim=1)
    return torch.einsum("km,kmd->kd", weights, objects)
