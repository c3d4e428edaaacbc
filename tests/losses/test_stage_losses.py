"""Objectness, first-stage and gate balance losses on numbers small enough to check by hand."""

import math

import pytest
import torch

from reir.losses import centre_heat, gate_balance_loss, objectness_loss, proposal_losses


def test_objectness_is_cross_entropy_over_objects():
    loss = objectness_loss(torch.zeros(4), torch.tensor([0.9, 0.0, 0.5, 0.0]))
    assert loss.item() == pytest.approx(4 * math.log(2) / 2)


def test_objectness_is_least_at_its_target():
    target = torch.tensor([0.75])
    at = [float(objectness_loss(torch.logit(torch.tensor([p])), target)) for p in (0.6, 0.75, 0.9)]
    assert at[1] < min(at[0], at[2])


@pytest.mark.parametrize("count", [0, 3])
def test_objectness_without_objects(count):
    logits = torch.zeros(count, requires_grad=True)
    loss = objectness_loss(logits, torch.zeros(count))
    loss.backward()
    assert loss.item() == pytest.approx(count * math.log(2))


def grid(side):
    places = (torch.arange(side) + 0.5) / side
    return torch.stack([places.repeat(side), places.repeat_interleave(side)], dim=-1)


def test_heat_is_one_at_the_nearest_position_only():
    centres = grid(8)
    target = torch.tensor([[0.30, 0.70, 0.4, 0.2]])
    heat, owner = centre_heat(centres, target)
    nearest = (centres - target[0, :2]).square().sum(1).argmin()
    assert heat.argmax() == nearest
    assert (heat == 1).sum() == 1
    assert (owner == 0).all()
    beside = int(nearest) + 1  # one cell to the right: offset in shares of the width
    offset = (centres[beside] - target[0, :2]) / target[0, 2:]
    assert float(heat[beside]) == pytest.approx(math.exp(-float(offset.square().sum()) / (2 * 0.18**2)), rel=1e-5)


def test_each_object_owns_its_centre():
    targets = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.3, 0.3]])
    heat, owner = centre_heat(grid(10), targets)
    peaks = (heat == 1).nonzero()[:, 0]
    assert sorted(owner[peaks].tolist()) == [0, 1]


def test_first_stage_loss_falls_to_nothing_at_the_truth():
    centres, target = grid(6), torch.tensor([[0.25, 0.58, 0.3, 0.3]])
    heat, _ = centre_heat(centres, target)
    perfect = torch.where(heat == 1, 20.0, -20.0)[None]
    boxes = target.expand(1, 36, 4)
    valid = torch.ones(1, 36, dtype=torch.bool)
    assert float(proposal_losses(boxes, perfect, valid, centres, [target])) == pytest.approx(0, abs=1e-5)
    assert float(proposal_losses(boxes + 0.05, perfect, valid, centres, [target])) > 0.5
    assert float(proposal_losses(boxes, -perfect, valid, centres, [target])) > 5


def test_near_a_centre_background_counts_less():
    """Logits 0 (p = 1/2), by hand: log 2 / 4 at the centre, log 2 / 4 * (1 - heat)^4 beside it."""
    target = torch.tensor([[0.25, 0.5, 0.5, 0.5]])
    centres = torch.tensor([[0.25, 0.5], [0.35, 0.5]])
    heat = math.exp(-(0.2**2) / (2 * 0.18**2))
    loss = proposal_losses(target.expand(1, 2, 4), torch.zeros(1, 2), torch.ones(1, 2) > 0, centres, [target])
    assert loss.item() == pytest.approx(math.log(2) / 4 * (1 + (1 - heat) ** 4), rel=1e-4)


def test_padding_and_pictures_without_objects():
    boxes = torch.full((2, 36, 4), 0.3, requires_grad=True)
    logits = torch.zeros(2, 36, requires_grad=True)
    valid = torch.ones(2, 36, dtype=torch.bool)
    valid[:, 30:] = False
    targets = [torch.zeros(0, 4), torch.tensor([[0.4, 0.4, 0.2, 0.2]])]
    proposal_losses(boxes, logits, valid, grid(6), targets).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 30:] == 0).all()
    assert (logits.grad[0, :30] > 0).all()  # nothing here: every logit should fall
    assert (boxes.grad[0] == 0).all()
    empty = proposal_losses(boxes, logits, valid, grid(6), [torch.zeros(0, 4)] * 2)
    assert torch.isfinite(empty)


def test_balance_is_one_for_equal_use_and_n_for_a_single_expert():
    assert float(gate_balance_loss(torch.full((5, 4), 0.25))) == pytest.approx(1.0)
    assert float(gate_balance_loss(torch.eye(4)[[0, 0, 0]])) == pytest.approx(4.0)
    assert float(gate_balance_loss(torch.eye(4))) == pytest.approx(1.0)  # each expression its own expert


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_balance_of_nothing(shape):
    assert float(gate_balance_loss(torch.zeros(shape))) == 0
