"""Focal loss against torchvision and by hand."""

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss as torchvision_focal

from reir.losses import sigmoid_focal_loss


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.9, 1.5)])
def test_equals_torchvision(alpha, gamma):
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (6, 9)) * 2 - 1
    ours, theirs = (torch.linspace(-9, 9, 54).view(6, 9).requires_grad_() for _ in range(2))
    loss = sigmoid_focal_loss(ours, labels, alpha=alpha, gamma=gamma)
    positives = (labels > 0).sum()
    expected = torchvision_focal(theirs, (labels > 0).float(), alpha=alpha, gamma=gamma, reduction="sum") / positives
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-4)


def test_by_hand():
    """P = 1/2 everywhere: -alpha_t / 4 * log(1/2), one true and one false pair, divided by one positive."""
    loss = sigmoid_focal_loss(torch.zeros(1, 3), torch.tensor([[1, -1, 0]]))
    assert loss.item() == pytest.approx((0.25 + 0.75) * 0.25 * 0.693147, rel=1e-5)


def test_ignored_pairs_have_no_gradient():
    logits = torch.tensor([2.0, -3.0, 4.0], requires_grad=True)
    sigmoid_focal_loss(logits, torch.tensor([1, 0, -1])).backward()
    assert logits.grad[1] == 0
    assert logits.grad[0] < 0 < logits.grad[2]


@pytest.mark.parametrize("labels", [torch.zeros(0, 4), torch.full((2, 3), -1), torch.zeros(2, 3)])
def test_no_positives(labels):
    logits = torch.zeros(labels.shape, requires_grad=True)
    loss = sigmoid_focal_loss(logits, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
