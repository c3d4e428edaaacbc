from __future__ import annotations

import math

import torch

from reir.losses.rank import rank_loss


def test_it_is_the_cross_entropy_of_the_true_object_among_the_known() -> None:
    logits = torch.tensor([[2.0, 1.0, 9.0, 0.0]])
    labels = torch.tensor([[1, -1, 0, -1]])  # the largest logit is left out
    expected = -math.log(math.exp(2) / (math.exp(2) + math.exp(1) + 1))
    assert torch.allclose(rank_loss(logits, labels), torch.tensor(expected))


def test_several_true_objects_count_together_and_empty_rows_not_at_all() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [5.0, -5.0, 3.0, 1.0]])
    labels = torch.tensor([[1, 1, -1, -1], [-1, -1, -1, 0]])
    assert torch.allclose(rank_loss(logits, labels), torch.tensor(math.log(2)))


def test_without_any_true_object_it_is_zero_and_has_a_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    loss = rank_loss(logits, torch.tensor([[-1, 0, -1]] * 2))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0
