"""Box losses against torchvision, and the properties of generalised IoU."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_convert, box_iou, generalized_box_iou

from reir.losses import box_losses, generalized_iou_matrix, iou_matrix, paired_iou


def boxes(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.cat(
        [torch.rand(count, 2, generator=generator), torch.rand(count, 2, generator=generator) * 0.5 + 0.01], dim=1
    )


def corners(cxcywh):
    return box_convert(cxcywh, "cxcywh", "xyxy")


@given(seed=st.integers(0, 2**31))
def test_equal_torchvision(seed):
    first, second = boxes(6, seed), boxes(6, seed + 1)
    l1, giou = box_losses(first, second)
    torch.testing.assert_close(l1, (first - second).abs().sum(1).mean())
    pairs = generalized_box_iou(corners(first), corners(second)).diagonal()
    torch.testing.assert_close(giou, (1 - pairs).mean(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(paired_iou(first, second), box_iou(corners(first), corners(second)).diagonal())
    torch.testing.assert_close(iou_matrix(first, second), box_iou(corners(first), corners(second)))
    assert (generalized_iou_matrix(first, second) <= iou_matrix(first, second) + 1e-6).all()


def test_by_hand():
    """Two unit squares one apart: IoU 0, enclosing box 3 wide, two thirds covered, so 1 - GIoU = 4/3 (eq. 13)."""
    first, second = torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.tensor([[2.5, 0.5, 1.0, 1.0]])
    l1, giou = box_losses(first, second)
    torch.testing.assert_close(l1, torch.tensor(2.0))
    torch.testing.assert_close(giou, torch.tensor(4 / 3))
    torch.testing.assert_close(box_losses(first, first)[1], torch.tensor(0.0), atol=1e-6, rtol=0)


def test_apart_boxes_are_drawn_together():
    moving = torch.tensor([[0.2, 0.5, 0.1, 0.1]], requires_grad=True)
    box_losses(moving, torch.tensor([[0.8, 0.5, 0.1, 0.1]]))[1].backward()
    assert moving.grad[0, 0] < 0  # downhill is to the right


def test_no_pairs():
    nothing = torch.zeros(0, 4, requires_grad=True)
    l1, giou = box_losses(nothing, torch.zeros(0, 4))
    (l1 + giou).backward()
    assert l1.item() == giou.item() == 0
    assert paired_iou(nothing, torch.zeros(0, 4)).shape == (0,)
