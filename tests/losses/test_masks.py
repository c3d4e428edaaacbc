import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from reir.losses import dice_loss, dice_losses, mask_bce_loss, mask_bce_losses, match_masks, query_class_loss


def test_dice_by_hand():
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])  # p = 1/2 everywhere
    targets = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert dice_losses(logits, targets).tolist() == pytest.approx([1 - (2 * 0.5 + 1) / (2 + 1 + 1)])


def test_a_sure_and_right_mask_costs_nothing():
    targets = (torch.rand(3, 8, 8) > 0.5).float()
    logits = (targets * 2 - 1) * 40
    assert dice_loss(logits, targets).item() == pytest.approx(0, abs=1e-6)
    assert mask_bce_loss(logits, targets).item() == pytest.approx(0, abs=1e-6)


def test_cross_entropy_is_pytorch_s():
    logits, targets = torch.randn(2, 3, 5, 7), torch.rand(2, 3, 5, 7)
    wanted = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=(-2, -1))
    torch.testing.assert_close(mask_bce_losses(logits, targets), wanted)


@pytest.mark.parametrize("losses", [dice_losses, mask_bce_losses])
def test_padding_counts_for_nothing(losses):
    logits, targets = torch.randn(2, 6, 6), (torch.rand(2, 6, 6) > 0.5).float()
    wide_logits, wide_targets = F.pad(logits, (0, 3, 0, 2), value=7.0), F.pad(targets, (0, 3, 0, 2), value=1.0)
    valid = F.pad(torch.ones(2, 6, 6), (0, 3, 0, 2))
    torch.testing.assert_close(losses(wide_logits, wide_targets, valid), losses(logits, targets))


@pytest.mark.parametrize("loss", [dice_loss, mask_bce_loss])
def test_no_mask_costs_nothing(loss):
    assert loss(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4)).item() == 0


def test_matching_is_the_hungarian_one():
    torch.manual_seed(0)
    class_logits, mask_logits = torch.randn(3, 4, 5), torch.randn(3, 4, 5, 8, 8) * 3
    targets = (torch.rand(4, 8, 8) > 0.6).float()
    matched = match_masks(class_logits, mask_logits, targets)
    assert matched.shape == (3, 4)
    for layer in range(3):
        for row in range(4):
            costs = [
                -2 * class_logits[layer, row, query].sigmoid()
                + 5 * F.binary_cross_entropy_with_logits(mask_logits[layer, row, query], targets[row])
                + 5 * dice_loss(mask_logits[layer, row, query], targets[row])
                for query in range(5)
            ]
            (query,), _ = linear_sum_assignment(torch.stack(costs)[:, None].numpy())
            assert matched[layer, row] == query


def test_the_query_with_the_right_mask_is_matched():
    targets = torch.zeros(1, 8, 8)
    targets[0, 2:5, 2:6] = 1
    mask_logits = torch.full((1, 3, 8, 8), -9.0)
    mask_logits[0, 2] = (targets[0] * 2 - 1) * 9
    assert match_masks(torch.zeros(1, 3), mask_logits, targets).tolist() == [2]


def test_query_class_loss_by_hand():
    logits = torch.tensor([[0.0, 2.0, -1.0]])
    wanted = (
        F.softplus(torch.tensor(-2.0)) + 0.1 * F.softplus(torch.tensor(0.0)) + 0.1 * F.softplus(torch.tensor(-1.0))
    ) / 3
    assert query_class_loss(logits, torch.tensor([1]), negative_weight=0.1).item() == pytest.approx(wanted.item())
