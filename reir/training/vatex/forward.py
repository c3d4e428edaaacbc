"""A batch through the network, with the heatmaps of the frozen CLIP beside it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from reir.models.vatex.network import Vatex, VatexOutput
from reir.models.vatex.pixels import normalise
from reir.models.vatex.prior import ClipPrior
from reir.training.vatex.rows import MaskBatch


def forward_rows(
    network: Vatex, prior: ClipPrior | None, batch: MaskBatch, *, device: torch.device, bf16: bool
) -> VatexOutput:
    """The network's output for the rows of a batch; with ``bf16`` its layers compute in bfloat16."""
    pixels = normalise(batch.pixels.to(device, non_blocking=True).permute(0, 3, 1, 2))
    picture = batch.picture.to(device)
    heatmap = None
    if prior is not None:
        assert batch.prior_pixels is not None
        assert batch.prompt_ids is not None
        heatmap = prior(batch.prior_pixels.to(device), batch.prompt_ids.to(device), picture=picture)
    with _attention(device), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        output: VatexOutput = network(
            pixels.contiguous(memory_format=torch.channels_last),
            None if batch.padding is None else batch.padding.to(device),
            batch.token_ids.to(device),
            batch.token_mask.to(device),
            heatmap,
            picture=picture,
        )
    return output


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """The kernels of attention while a step on a CPU is computed: those without blocks.

    With a few words or queries and small heads, the backward of the CPU's flash attention costs three times as much as
    the plain products do. GPUs, and answers without gradients, keep what torch chooses.
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" and torch.is_grad_enabled() else nullcontext()
