"""The paper's sizes, with random weights: one step at 480 pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reir.models.vatex import RESNET_50, RESNET_101, SWIN_B
from reir.models.vatex.builder import new_vatex
from reir.models.vatex.words import tokenize


@pytest.mark.slow
@pytest.mark.parametrize("config", [SWIN_B, RESNET_50, RESNET_101], ids=lambda config: config.backbone)
def test_one_step_at_480(config):
    torch.manual_seed(0)
    network = new_vatex(replace(config, tower=None, clip_prior=False)).network.train()
    ids, mask = tokenize(["the black cat on the red suitcase", "the kitten", "a grey cat"])
    output = network(torch.randn(1, 3, 480, 640), None, ids, mask, None, picture=torch.zeros(3, dtype=torch.int64))
    assert output.class_logits.shape == (10, 3, 5)
    assert output.mask_logits.shape == (10, 3, 5, 120, 160)
    assert output.sentence.shape == (3, 256)
    (output.mask_logits.mean() + output.class_logits.mean() + output.sentence.square().mean()).backward()
    wrong = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert wrong == []
