"""Heads that only training sees: they teach the features what a sentence may ask of them.

CLARE's first stage (paper, section 4.4, equation 5) learns categories from detection data before any retrieval.
On emoji scenes the scene graph is known, so the same supervision runs beside the retrieval loss: which noun, colour
and size an object has, which nouns and colours stand in which relation to it, and what a sentence says of both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ObjectHeads(nn.Module):
    """Logits of what an object is and of what surrounds it, from the decoder's last state."""

    def __init__(self, *, dim: int, nouns: int, colours: int, sizes: int, relations: int) -> None:
        super().__init__()
        self.nouns, self.colours, self.relations = nouns, colours, relations
        self.noun = nn.Linear(dim, nouns)
        self.colour = nn.Linear(dim, colours)
        self.size = nn.Linear(dim, sizes)
        related = nn.Linear(dim, relations * (nouns + colours))
        nn.init.constant_(related.bias, -4.0)  # nearly every relation is false of nearly every object
        self.related = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), related)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noun (N, nouns), colour (N, colours), size (N, sizes) and relation (N, relations, nouns + colours) logits."""
        related = self.related(hidden).unflatten(-1, (self.relations, self.nouns + self.colours))
        return self.noun(hidden), self.colour(hidden), self.size(hidden), related


class ParseHeads(nn.Module):
    """Logits of what a sentence says: subject noun and colour, relation, anchor noun and colour (last class: none)."""

    def __init__(self, *, dim: int, nouns: int, colours: int, sizes: int, relations: int) -> None:
        super().__init__()
        self.classes = (nouns + 1, colours + 1, sizes + 1, relations + 1, nouns + 1, colours + 1)
        self.head = nn.Linear(dim, sum(self.classes))

    def forward(self, sentence: Tensor) -> tuple[Tensor, ...]:
        """One tensor (Q, classes) for each part of the sentence."""
        return self.head(sentence).split(self.classes, dim=-1)


def object_losses(heads: ObjectHeads, hidden: Tensor, classes: Tensor, relations: Tensor) -> dict[str, Tensor]:
    """Losses of the object heads.

    ``hidden`` (N, d) states matched to objects, ``classes`` (N, 3) noun, colour and size indices, ``relations`` (E, 4)
    rows (object, relation, anchor noun, anchor colour) that hold. The relation loss is binary cross-entropy summed
    over classes, since nearly all of them are false, and averaged over objects.
    """
    if len(hidden) == 0:
        zero = hidden.sum() * 0
        return {"noun": zero, "colour": zero, "size": zero, "relation": zero}
    noun, colour, size, related = heads(hidden)
    target = torch.zeros_like(related)
    target[relations[:, 0], relations[:, 1], relations[:, 2]] = 1
    target[relations[:, 0], relations[:, 1], heads.nouns + relations[:, 3]] = 1
    related_loss = F.binary_cross_entropy_with_logits(related, target, reduction="sum") / max(len(relations), 1)
    return {
        "noun": F.cross_entropy(noun, classes[:, 0]),
        "colour": F.cross_entropy(colour, classes[:, 1]),
        "size": F.cross_entropy(size, classes[:, 2]),
        "relation": related_loss,
    }


def parse_loss(heads: ParseHeads, sentence: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the parts of sentences; ``sentence`` (Q, d), ``targets`` (Q, 6) class indices."""
    if len(sentence) == 0:
        return sentence.sum() * 0
    parts = heads(sentence)
    return torch.stack([F.cross_entropy(part, targets[:, i]) for i, part in enumerate(parts)]).mean()
