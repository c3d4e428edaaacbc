import math

import pytest
import torch
import torch.nn.functional as F

from reir.losses import mcc_loss, mcc_triplets


def rows(*vectors):
    return torch.tensor(vectors, dtype=torch.float32)


def test_value_by_hand():
    # p1 and p2 alike, n at a right angle to both: e / (e + 1 + 1)
    loss = mcc_loss(rows([2.0, 0]), rows([1.0, 0]), rows([0, 3.0]))
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 2)), abs=1e-6)


def test_value_by_hand_without_the_positive_below():
    loss = mcc_loss(rows([2.0, 0]), rows([1.0, 0]), rows([0, 3.0]), positive_below=False)
    assert loss.item() == pytest.approx(-math.log(math.e / 2), abs=1e-6)


def test_batch_is_the_mean_of_single_triplets():
    torch.manual_seed(0)
    first, second, negative = torch.randn(3, 6, 8)
    single = [mcc_loss(*(part[k : k + 1] for part in (first, second, negative)), temperature=0.3) for k in range(6)]
    assert mcc_loss(first, second, negative, temperature=0.3).item() == pytest.approx(
        torch.stack(single).mean().item(), rel=1e-6
    )


def test_perfect_features_cost_least():
    good = mcc_loss(rows([1.0, 0]), rows([1.0, 0]), rows([-1.0, 0]))
    same = mcc_loss(rows([1.0, 0]), rows([1.0, 0]), rows([1.0, 0]))
    wrong = mcc_loss(rows([1.0, 0]), rows([-1.0, 0]), rows([1.0, 0]))
    assert 0 < good < same < wrong


def test_a_missing_second_expression_only_pushes_the_negative_away():
    first = rows([1.0, 0]).requires_grad_()
    second = rows([0.3, 0.7]).requires_grad_()
    negative = rows([0.6, 0.8]).requires_grad_()
    loss = mcc_loss(first, second, negative, torch.tensor([False]))
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 2 * math.exp(0.6))), abs=1e-6)
    loss.backward()
    assert second.grad.abs().max() == 0
    assert F.cosine_similarity(negative - negative.grad, first).item() < 0.6


def test_descent_brings_positives_together():
    torch.manual_seed(1)
    features = torch.randn(3, 4, 8, requires_grad=True)
    optimiser = torch.optim.SGD([features], lr=2.0)
    for _ in range(200):
        loss = mcc_loss(*features)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    first, second, negative = features.detach()
    assert F.cosine_similarity(first, second).min() > 0.9
    assert F.cosine_similarity(first, negative).max() < -0.9


def test_no_triplet_costs_nothing_and_keeps_the_graph():
    features = torch.zeros(0, 4, requires_grad=True)
    loss = mcc_loss(features, features, features)
    loss.backward()
    assert loss.item() == 0


def test_triplets_of_a_batch():
    objects = torch.tensor([10, 11, 10, 12, 20, 20, 30])
    pictures = torch.tensor([1, 1, 1, 1, 2, 2, 3])
    triplets, has_second = mcc_triplets(objects, pictures)
    assert triplets.tolist() == [[0, 2, 1], [1, 1, 2], [2, 0, 3], [3, 3, 0]]
    assert has_second.tolist() == [True, False, True, False]


def test_triplets_hold_what_they_promise():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 6, (40,), generator=generator)
    objects = pictures * 10 + torch.randint(0, 3, (40,), generator=generator)
    triplets, has_second = mcc_triplets(objects, pictures)
    first, second, negative = triplets.T
    assert len(triplets) > 20
    assert (objects[first] == objects[second]).all()
    assert (objects[first] != objects[negative]).all()
    assert (pictures[first] == pictures[negative]).all()
    counts = torch.bincount(objects)
    assert torch.equal(has_second, counts[objects[first]] > 1)


def test_triplets_of_nothing():
    triplets, has_second = mcc_triplets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    assert triplets.shape == (0, 3)
    assert has_second.shape == (0,)
