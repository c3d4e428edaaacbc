"""The network: shapes, gradients, switches of the ablation, padding."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from reir.errors import UsageError
from reir.losses import dice_loss, mask_bce_loss, match_masks, mcc_loss, query_class_loss
from reir.models.vatex import VatexConfig
from reir.models.vatex.contextual import masked_mean
from reir.models.vatex.words import tokenize
from tests.models.vatex.tiny_vatex import SMALL, seeded, with_tower

TEXTS = ("a red dog", "the cat on the left of the sofa", "the dog")


@pytest.fixture(scope="module")
def tower_config(tmp_path_factory) -> VatexConfig:
    return with_tower(tmp_path_factory.mktemp("tower"))


def inputs(parts, pictures=2, size=(64, 96)):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(pictures, 3, *size, generator=generator)
    ids, mask = tokenize(TEXTS, context_length=parts.context_length)
    picture = torch.arange(len(TEXTS)) % pictures
    heatmap = None
    if parts.prior is not None:
        squares = torch.randn(pictures, 3, parts.prior.side, parts.prior.side, generator=generator)
        heatmap = parts.prior(squares, ids, picture=picture)
    return pixels, ids, mask, heatmap, picture


def test_shapes(tower_config):
    parts = seeded(tower_config)
    pixels, ids, mask, heatmap, picture = inputs(parts)
    output = parts.network(pixels, None, ids, mask, heatmap, picture=picture)
    assert output.class_logits.shape == (4, 3, 5)
    assert output.mask_logits.shape == (4, 3, 5, 16, 24)
    assert output.sentences.shape == (5, 3, 32)
    assert torch.equal(output.sentence, output.sentences[4])


@pytest.mark.parametrize(("clip_prior", "cmd", "mcc"), product([False, True], repeat=3))
def test_each_switch_builds_and_learns(tower_config, clip_prior, cmd, mcc):
    parts = seeded(replace(tower_config, clip_prior=clip_prior, cmd=cmd, mcc=mcc))
    assert (parts.prior is not None) == clip_prior
    network = parts.network.train()
    pixels, ids, mask, heatmap, _ = inputs(parts, pictures=1)
    picture = torch.zeros(3, dtype=torch.int64)
    targets = torch.zeros(3, 16, 24)
    targets[:2, 4:9, 5:12] = 1
    targets[2, 10:14, 14:20] = 1
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    costs = []
    for _ in range(3):
        output = network(pixels, None, ids, mask, heatmap, picture=picture)
        matched = match_masks(output.class_logits, output.mask_logits, targets)
        chosen = output.mask_logits.gather(2, matched[..., None, None, None].expand(-1, -1, 1, 16, 24))[:, :, 0]
        expected = targets.expand_as(chosen)
        loss = 5 * (mask_bce_loss(chosen, expected) + dice_loss(chosen, expected))
        loss = loss + 2 * query_class_loss(output.class_logits, matched)
        if mcc:
            loss = loss + 2 * mcc_loss(*output.sentence[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        costs.append(loss.item())
    assert costs[-1] < costs[0]
    assert [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None] == []
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen
    assert all(name.startswith("text.transformer.") for name in frozen)


def test_words_see_the_picture_only_with_the_contextual_decoder():
    for cmd in (True, False):
        parts = seeded(replace(SMALL, cmd=cmd))
        pixels, ids, mask, _, picture = inputs(parts)
        with torch.no_grad():
            first = parts.network(pixels, None, ids, mask, None, picture=picture).sentences
            second = parts.network(pixels.flip(0), None, ids, mask, None, picture=picture).sentences
        assert torch.equal(first[0], second[0])
        assert torch.allclose(first[4], second[4]) != cmd


@torch.no_grad()
def test_the_heatmap_moves_the_queries(tower_config):
    parts = seeded(tower_config)
    pixels, ids, mask, heatmap, picture = inputs(parts)
    first = parts.network(pixels, None, ids, mask, heatmap, picture=picture)
    second = parts.network(pixels, None, ids, mask, F.normalize(torch.rand_like(heatmap)), picture=picture)
    assert not torch.allclose(first.class_logits[0], second.class_logits[0], atol=1e-4)
    with pytest.raises(ValueError, match="has a CLIP Prior"):
        parts.network(pixels, None, ids, mask, None, picture=picture)
    with pytest.raises(ValueError, match="has no CLIP Prior"):
        seeded(replace(tower_config, clip_prior=False)).network(pixels, None, ids, mask, heatmap, picture=picture)


@torch.no_grad()
def test_pictures_with_several_expressions_are_encoded_once_and_answer_alike(tower_config):
    parts = seeded(tower_config)
    pixels, ids, mask, heatmap, picture = inputs(parts)
    shared = parts.network(pixels, None, ids, mask, heatmap, picture=picture)
    repeated = parts.network(pixels[picture], None, ids, mask, heatmap)
    torch.testing.assert_close(shared.mask_logits, repeated.mask_logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_batched_with_padding_equals_single(tower_config):
    parts = seeded(tower_config)
    ids, mask = tokenize(TEXTS[:2], context_length=parts.context_length)
    small, large = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 96, 128)
    squares = torch.randn(2, 3, parts.prior.side, parts.prior.side)
    heatmap = parts.prior(squares, ids)
    pixels = torch.cat([F.pad(small, (0, 64, 0, 32), value=9.0), large])
    padding = torch.zeros(2, 96, 128, dtype=torch.bool)
    padding[0, 64:] = padding[0, :, 64:] = True
    maps = parts.network.visual(pixels, padding)
    alone = parts.network.visual(small, None)
    for batched, single in zip(maps, alone, strict=True):
        torch.testing.assert_close(batched[:1, :, : single.shape[2], : single.shape[3]], single, atol=1e-5, rtol=1e-5)
    together = parts.network(pixels, padding, ids, mask, heatmap)
    single = parts.network(
        small, None, ids[:1, : int(mask[0].sum()) + 2], mask[:1, : int(mask[0].sum()) + 2], heatmap[:1]
    )
    torch.testing.assert_close(together.mask_logits[:, :1, :, :16, :16], single.mask_logits, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(together.class_logits[:, :1], single.class_logits, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(together.sentences[:, :1], single.sentences, atol=2e-4, rtol=1e-3)


def test_the_sentence_is_the_mean_of_its_words():
    words = torch.randn(2, 4, 8)
    mask = torch.tensor([[False, True, True, False], [False, True, False, False]])
    mean = masked_mean(words, mask)
    torch.testing.assert_close(mean[0], (words[0, 1] + words[0, 2]) / 2)
    torch.testing.assert_close(mean[1], words[1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "vgg"}, "no backbone 'vgg'"),
        ({"clip_prior": True, "tower": None}, "needs a tower"),
        ({"width": 30}, "multiple of twice the heads"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"side": 8}, "at least 32 pixels"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **changes)
