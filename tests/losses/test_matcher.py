"""Hungarian matching against every permutation."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_convert, generalized_box_iou

from reir.losses import hungarian_match


def random_boxes(generator, *shape):
    return torch.rand(*shape, 4, generator=generator) * 0.5 + 0.1


def cost(boxes, objectness, targets):
    giou = generalized_box_iou(box_convert(boxes, "cxcywh", "xyxy"), box_convert(targets, "cxcywh", "xyxy"))
    l1 = (boxes[:, None] - targets[None]).abs().sum(-1)
    return 5 * l1 - 2 * giou - 2 * objectness.sigmoid()[:, None]


@given(seed=st.integers(0, 2**31), counts=st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_no_other_assignment_is_cheaper(seed, counts):
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(generator, len(counts), 5)
    objectness = torch.randn(len(counts), 5, generator=generator)
    targets = [random_boxes(generator, count) for count in counts]
    chosen, objects = hungarian_match(boxes, objectness, targets)
    assert sorted(objects.tolist()) == list(range(sum(counts)))
    assert len(set(chosen.tolist())) == len(chosen)
    start = 0
    for b, count in enumerate(counts):
        table = cost(boxes[b], objectness[b], targets[b]) if count else torch.zeros(5, 0)
        mine = [(int(m) - 5 * b, int(g) - start) for m, g in zip(chosen, objects, strict=True) if int(m) // 5 == b]
        assert len(mine) == count
        paid = sum(float(table[m, g]) for m, g in mine)
        best = min(sum(float(table[m, g]) for g, m in enumerate(order)) for order in permutations(range(5), count))
        assert paid == pytest.approx(best, abs=1e-4)
        start += count


def test_more_objects_than_queries():
    generator = torch.Generator().manual_seed(0)
    chosen, objects = hungarian_match(random_boxes(generator, 1, 2), torch.zeros(1, 2), [random_boxes(generator, 5)])
    assert sorted(chosen.tolist()) == [0, 1]
    assert len(set(objects.tolist())) == 2


def test_nothing_to_match():
    chosen, objects = hungarian_match(torch.rand(2, 3, 4), torch.zeros(2, 3), [torch.zeros(0, 4), torch.zeros(0, 4)])
    assert chosen.shape == objects.shape == (0,)
    assert chosen.dtype == torch.int64


def test_a_broken_prediction_is_taken_last():
    boxes = torch.tensor([[[float("nan")] * 4, [0.9, 0.9, 0.1, 0.1]]])
    chosen, _ = hungarian_match(boxes, torch.zeros(1, 2), [torch.tensor([[0.2, 0.2, 0.1, 0.1]])])
    assert chosen.tolist() == [1]
