"""Both branches on a batch, and its loss: what scenes and photographs have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reir.models.clare.denoising import denoising_queries
from reir.models.clare.network import Clare
from reir.training.batch import Batch
from reir.training.config import TrainConfig
from reir.training.objective import total_loss
from reir.training.processes import Processes
from reir.training.shares import Shares


def forward_loss(
    network: Clare,
    heads: nn.ModuleDict,
    images: Tensor,
    batch: Batch,
    *,
    config: TrainConfig,
    processes: Processes,
    shares: Shares,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The batch's share of its step's loss, and its parts; ``images`` (B, 3, H, W) are its pixels, normalised.

    The branches run in bfloat16 where the settings say so, the losses in float32.
    """
    device = processes.device
    padding = None if batch.padding is None else batch.padding.to(device, non_blocking=True)
    noised = denoising_queries(
        batch.boxes_cxcywh,
        batch.object_picture,
        pictures=len(images),
        queries=config.network.denoising,
    )
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.optim.bf16):
        visual = network.encode_images(images, padding, denoising=None if noised is None else noised.to(device))
        text = network.encode_text(batch.token_ids.to(device), batch.token_mask.to(device))
    loss, parts = total_loss(
        network,
        heads,
        visual,
        text,
        batch,
        config.loss,
        config.clia,
        mcc=config.mcc,
        shares=shares,
        processes=processes.count,
    )
    if config.network.denoising and noised is None:  # no object here: the processes add up the same parts all the same
        parts["denoising"] = loss.new_zeros(())
    return loss, parts
