"""The loss of relation layers and the text branch over decoder states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reir.losses import clia_loss, gate_balance_loss, sigmoid_focal_loss
from reir.losses.rank import rank_loss
from reir.models.clare.outputs import TextOutput
from reir.models.clare.visual import VisualBranch
from reir.training.scenes.auxiliary import object_losses, parse_loss

if TYPE_CHECKING:
    from reir.models.clare.network import Clare
    from reir.training.relating.batches import StateBatch
    from reir.training.relating.config import LossConfig

_PARTS = 3
"""Texts are encoded in so many parts, each padded to its own longest."""


def relate(
    network: Clare, hidden: Tensor, boxes_cxcywh: Tensor, objectness: Tensor, aspect: Tensor
) -> tuple[Tensor, Tensor]:
    """States (B, K, d) of the last relation layer and instance features (B, K, D), from the decoder's states."""
    visual = network.visual
    assert isinstance(visual, VisualBranch)
    assert visual.relations is not None
    states: Tensor = visual.relations(hidden, boxes_cxcywh, objectness, aspect)
    return states, visual.instance_features(states)


def encode_by_length(network: Clare, token_ids: Tensor, token_mask: Tensor) -> TextOutput:
    """All texts, encoded in parts of about equal length; they are sorted by length."""
    outputs = []
    size = -(-len(token_ids) // _PARTS)
    for ids, mask in zip(token_ids.split(size), token_mask.split(size), strict=True):
        longest = int(mask.sum(1).max())
        outputs.append(network.encode_text(ids[:, :longest], mask[:, :longest]))
    return TextOutput(
        torch.cat([output.embedding for output in outputs]),
        torch.cat([output.sentence for output in outputs]),
        torch.cat([output.gates for output in outputs]),
    )


def relating_loss(
    network: Clare,
    heads: nn.ModuleDict,
    states: Tensor,
    features: Tensor,
    text: TextOutput,
    batch: StateBatch,
    weights: LossConfig,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and its unweighted parts by name (for the log)."""
    device = states.device
    queries = states.shape[1]
    logits = network.similarity(text.embedding.float(), features.float().flatten(0, 1))
    labels = batch.labels.to(device)
    own = batch.text_picture.to(device)[:, None] * queries + torch.arange(queries, device=device)
    parts = {
        "clia": clia_loss(logits, labels),
        "focal": sigmoid_focal_loss(logits.gather(1, own), labels.gather(1, own)),
        "rank": rank_loss(logits, labels),
    }
    hidden = states.float().flatten(0, 1)[batch.matched.to(device)]
    objects, parse = heads["objects"], heads["parse"]
    parts |= object_losses(objects, hidden, batch.classes.to(device), batch.relations.to(device))  # type: ignore[arg-type]
    parts["parse"] = parse_loss(parse, text.sentence.float(), batch.parses.to(device))  # type: ignore[arg-type]
    parts["balance"] = gate_balance_loss(text.gates.float())
    loss = sum((getattr(weights, name) * value for name, value in parts.items()), logits.new_zeros(()))
    return loss, parts
