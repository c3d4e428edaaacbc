"""The objective against a version row by row and layer by layer; what the tiny backbone knows from clare-tiny."""

from __future__ import annotations

import json
from importlib import resources
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from reir.models.clare.checkpoint import load_network
from reir.models.clare.pixels import normalise_pixels
from reir.models.vatex.network import VatexOutput
from reir.models.vatex.pixels import normalise
from reir.models.vatex.visual import build_visual
from reir.training.vatex.backbone import start_from_clare
from reir.training.vatex.config import VatexLoss
from reir.training.vatex.objective import vatex_losses, weighted


def a_step(padded: bool):
    generator = torch.Generator().manual_seed(0)
    layers, rows, queries, side = 2, 3, 4, 8
    output = VatexOutput(
        torch.randn(layers, rows, queries, generator=generator),
        3 * torch.randn(layers, rows, queries, side, side, generator=generator),
        torch.randn(5, rows, 6, generator=generator),
    )
    masks = torch.zeros(rows, 4 * side, 4 * side, dtype=torch.bool)
    for row in range(rows):
        masks[row, 2 * row : 2 * row + 11, 5:17] = True
    padding = None
    if padded:
        padding = torch.zeros_like(masks)
        padding[:, :, 24:] = True
    return output, masks, padding


@pytest.mark.parametrize("padded", [False, True])
def test_losses_are_those_of_each_layer_and_row_summed_over_layers(padded):
    output, masks, padding = a_step(padded)
    triplets = torch.tensor([[0, 2, 1]])
    found = vatex_losses(output, masks, padding, triplets, weights=VatexLoss())
    expected = dict.fromkeys(("classification", "mask", "dice"), 0.0)
    layers, rows, queries = output.class_logits.shape
    wide = 6 if padded else 8
    for layer, row in product(range(layers), range(rows)):
        truth = F.avg_pool2d(masks[row][None].float(), 4)[0][:, :wide]
        costs = []
        for query in range(queries):
            logits = output.mask_logits[layer, row, query][:, :wide]
            p = logits.sigmoid()
            bce = F.binary_cross_entropy_with_logits(logits, truth)
            dice = 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
            costs.append((5 * (bce + dice) - 2 * output.class_logits[layer, row, query].sigmoid(), bce, dice, query))
        _, bce, dice, best = min(costs, key=lambda cost: float(cost[0]))
        label = F.one_hot(torch.tensor(best), queries).float()
        expected["classification"] += F.binary_cross_entropy_with_logits(output.class_logits[layer, row], label) / rows
        expected["mask"] += bce / rows
        expected["dice"] += dice / rows
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    first, other, second = F.normalize(output.sentence, dim=1)
    alike, apart = (first @ second).exp(), (first @ other).exp() + (second @ other).exp()
    torch.testing.assert_close(found["mcc"], -(alike / (alike + apart)).log())
    total = 2 * found["classification"] + 5 * found["mask"] + 5 * found["dice"] + 2 * found["mcc"]
    torch.testing.assert_close(weighted(found, VatexLoss()), total)


def test_a_batch_without_triplets_has_no_mcc_to_learn_from():
    output, masks, _ = a_step(False)
    none = torch.zeros((0, 3), dtype=torch.int64)
    assert float(vatex_losses(output, masks, None, none, weights=VatexLoss())["mcc"]) == 0
    assert "mcc" not in vatex_losses(output, masks, None, None, weights=VatexLoss())


def test_the_tiny_backbone_sees_what_clare_tiny_sees():
    """But near the frame, where the zeros around the picture are another grey."""
    visual, _ = build_visual("tiny", channels=(48, 96, 192, 192), blocks=(1, 1, 1, 1))
    start_from_clare(visual)
    folder = Path(str(resources.files("reir.models") / "weights" / "clare-tiny"))
    clare = load_network(folder, json.loads((folder / "config.json").read_text())).visual.backbone
    pixels = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = visual.eval()(normalise(pixels.permute(0, 3, 1, 2)), None)[0]
        theirs = clare.eval()(normalise_pixels(pixels), None)[0]
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=1e-4, atol=1e-4)
    assert float(theirs.std()) > 0.1
