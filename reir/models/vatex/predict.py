"""One batch through the network, for answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from reir.models.device import working_dtype
from reir.models.vatex.builder import VatexParts
from reir.models.vatex.pixels import as_network_input, as_prior_input
from reir.models.vatex.words import tokenize
from reir.types import FloatArray, Picture


@torch.inference_mode()
def predict(
    parts: VatexParts,
    device: torch.device,
    pictures: Sequence[Picture],
    expressions: Sequence[str],
    prompts: Sequence[str],
    size: tuple[int, int],
) -> tuple[FloatArray, FloatArray]:
    """Chances (B, N) and mask logits (B, N, H/4, W/4), float32, after the last layer.

    Args:
        parts: the network and its CLIP, on ``device``.
        device: where they are.
        pictures: B of them.
        expressions: one for each.
        prompts: what the CLIP Prior asks for in each (``reir.models.vatex.nouns``).
        size: (height, width) of the network's pictures; multiples of 32.
    """
    pixels = torch.stack([as_network_input(picture, size) for picture in pictures]).to(device)
    ids, mask = tokenize(expressions, context_length=parts.context_length)
    heatmap = None
    if parts.prior is not None:
        assert parts.source is not None
        squares = as_prior_input(pictures, parts.source.preprocess, parts.prior.side).to(device)
        asked, _ = tokenize(prompts, context_length=parts.context_length)
        heatmap = parts.prior(squares, asked.to(device))
    dtype = working_dtype(device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        output = parts.network(pixels, None, ids.to(device), mask.to(device), heatmap)
    chances = output.class_logits[-1].float().sigmoid()
    return chances.cpu().numpy(), output.mask_logits[-1].float().cpu().numpy()
