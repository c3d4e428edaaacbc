"""Denoising queries: made as a function of the generator, seen by nobody else, decoded to their own true boxes."""

import pytest
import torch

from reir.losses import denoising_loss
from reir.models.clare import TINY, build_clare
from reir.models.clare.denoising import denoising_queries
from tests.models.test_clare_padding import VARIANTS, padded, scrambled

BOXES = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.6, 0.5, 0.3, 0.2], [0.5, 0.5, 0.4, 0.4]])
PICTURE = torch.tensor([0, 0, 2])


def made(seed=0, queries=6, **changes):
    generator = torch.Generator().manual_seed(seed)
    return denoising_queries(BOXES, PICTURE, pictures=3, queries=queries, generator=generator, **changes)


def test_every_object_is_in_every_group():
    queries = made(queries=7)
    assert queries.groups == 3
    assert queries.boxes_cxcywh.shape == queries.targets_cxcywh.shape == (3, 6, 4)
    assert queries.valid.tolist() == [[True] * 6, [False] * 6, [True, False] * 3]
    for group in range(3):
        torch.testing.assert_close(queries.targets_cxcywh[0, 2 * group : 2 * group + 2], BOXES[:2])
        torch.testing.assert_close(queries.targets_cxcywh[2, 2 * group], BOXES[2])
    assert made(queries=1).groups == 1


def test_noise_is_bounded_and_a_function_of_the_seed():
    queries = made(queries=400, shift=0.5, scale=0.3)
    noised, true = queries.boxes_cxcywh[queries.valid], queries.targets_cxcywh[queries.valid]
    moved = ((noised[:, :2] - true[:, :2]) / true[:, 2:]).abs()
    grown = noised[:, 2:] / true[:, 2:]
    assert 0.2 < moved.max() <= 0.25 + 1e-6
    assert 0.7 - 1e-6 <= grown.min() < 0.75
    assert 1.25 < grown.max() <= 1.3 + 1e-6
    assert torch.equal(made(1).boxes_cxcywh, made(1).boxes_cxcywh)
    assert not torch.equal(made(1).boxes_cxcywh, made(2).boxes_cxcywh)


def test_nothing_to_make():
    assert made(queries=0) is None
    none = torch.empty(0, dtype=torch.int64)
    assert denoising_queries(torch.empty(0, 4), none, pictures=2, queries=6) is None
    assert denoising_queries(torch.empty(0, 4), none, pictures=0, queries=6) is None


def test_who_sees_whom():
    seen = made(queries=4).pair_mask(2).long()
    assert seen.tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 0, 0, 1, 1],
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_leaks(variant):
    """The branch's own outputs and their gradients are the same with and without, a group's without the others."""
    network = scrambled(**VARIANTS[variant])
    torch.manual_seed(5)
    images, padding = padded([torch.randn(3, 96, 128), torch.randn(3, 64, 64), torch.randn(3, 90, 123)], 96, 128)
    queries = made(queries=6)
    queries.boxes_cxcywh.requires_grad_()
    without = network.encode_images(images, padding)
    beside = network.encode_images(images, padding, denoising=queries)
    assert without.denoised is None
    assert beside.denoised.boxes_cxcywh.shape == (len(without.boxes_cxcywh), 3, 6, 4)
    for name in ("boxes_cxcywh", "objectness", "hidden", "features", "proposal_boxes_cxcywh"):
        torch.testing.assert_close(getattr(beside, name), getattr(without, name), atol=1e-5, rtol=1e-5)
    own = beside.features.sum() + beside.boxes_cxcywh.sum() + beside.objectness.sum()
    (gradient,) = torch.autograd.grad(own, queries.boxes_cxcywh, retain_graph=True)
    assert gradient.abs().max() == 0
    (gradient,) = torch.autograd.grad(beside.denoised.boxes_cxcywh[:, 0, :2].sum(), queries.boxes_cxcywh)
    assert gradient[0, :2].abs().max() > 0
    assert gradient[0, 2:].abs().max() == gradient[1:].abs().max() == 0


@torch.no_grad()
def test_a_query_of_a_proposal_is_the_decoders_own():
    """A denoising query whose box is a proposal's is decoded as that proposal, where its content is the box alone."""
    network = scrambled(**VARIANTS["as the paper"], queries=1)
    images, padding = padded([torch.randn(3, 96, 128)], 96, 160)
    own = network.encode_images(images, padding)
    box = own.proposal_boxes_cxcywh[0, own.selected[0]]
    queries = denoising_queries(box, torch.tensor([0]), pictures=1, queries=1, shift=0, scale=0)
    beside = network.encode_images(images, padding, denoising=queries)
    # The own query sees itself, the denoising query itself and its twin: the same mean.
    torch.testing.assert_close(beside.denoised.boxes_cxcywh, own.boxes_cxcywh, atol=1e-5, rtol=1e-5)


def test_the_position_under_a_box():
    network = scrambled()
    head = network.visual.proposals
    shapes = [(4, 6), (2, 3)]
    references = torch.tensor([[[0.5, 0.3, 0.2, 0.2], [0.99, 0.99, 0.5, 0.5], [1.0, 1.0, 0.1, 0.1]]])
    assert head.places(references, shapes, None).tolist() == [[1 * 6 + 3, 24 + 1 * 3 + 2, 23]]
    half = torch.tensor([[0.5, 1.0]])
    assert head.places(references, shapes, half).tolist() == [[1 * 6 + 1, 24 + 1 * 3 + 1, 3 * 6 + 3]]


def test_loss_by_hand():
    targets = torch.rand(2, 3, 4) * 0.4 + 0.3
    valid = torch.tensor([[True, True, False], [True, False, False]])
    perfect = targets.expand(4, -1, -1, -1).clone()
    perfect[:, ~valid] = 0.9
    torch.testing.assert_close(denoising_loss(perfect, targets, valid), torch.tensor(0.0), atol=1e-5, rtol=0)
    moved = perfect.clone()
    moved[1, 0, 0, 0] += 0.12
    width, height = targets[0, 0, 2:].tolist()
    common, union = (width - 0.12) * height, (width + 0.12) * height
    expected = (5 * 0.12 + 2 * (1 - common / union)) / 12
    torch.testing.assert_close(denoising_loss(moved, targets, valid), torch.tensor(expected), atol=1e-5, rtol=1e-4)
    none = torch.zeros_like(valid)
    assert denoising_loss(perfect, targets, none) == 0


def test_the_decoder_learns_to_denoise():
    torch.manual_seed(0)
    network = build_clare(TINY, vocabulary_size=9).train()
    images = torch.zeros(3, 3, 64, 64)
    for (x, y, w, h), picture in zip((64 * BOXES).tolist(), PICTURE, strict=True):
        images[picture, 0, int(y - h / 2) : int(y + h / 2), int(x - w / 2) : int(x + w / 2)] = 2.0
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        done = network.encode_images(images, denoising=made(queries=8)).denoised
        loss = denoising_loss(done.boxes_cxcywh, done.targets_cxcywh, done.valid)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
