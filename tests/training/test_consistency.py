"""The Meaning Consistency Constraint in CLARE: which expressions are compared, by what, and that it can be learned."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reir.losses import mcc_loss
from reir.models.clare.outputs import TextOutput
from reir.training.config import CliaConfig, LossConfig, MccConfig, TrainConfig
from reir.training.consistency import consistency_loss, found_objects, meant_objects
from reir.training.objective import total_loss
from reir.training.shares import Shares, count_batch
from tests.training.test_objective import cut, network, outputs  # noqa: F401

CLIA, WEIGHTS = CliaConfig(scope="picture"), LossConfig()
OBJECTS = MccConfig(features="objects")

# Objects of picture 0: 0 and 1; of picture 1: 2; of picture 3: 3, 4, 5.
LABELS = torch.tensor(
    [
        [1, -1, 1, -1, -1, -1],  # of picture 0: means object 0, what it says of other pictures does not count
        [1, -1, -1, -1, -1, -1],  # means object 0
        [-1, 1, -1, -1, -1, -1],  # means object 1
        [-1, -1, 1, -1, -1, -1],  # of picture 1: means object 2, which has no neighbour
        [-1, -1, -1, -1, -1, -1],  # of picture 1: means nothing
        [1, 1, 1, 1, 1, 1],  # of picture 2, which has no object
        [-1, -1, -1, 1, 1, -1],  # of picture 3: fits two
        [-1, -1, -1, 1, 0, -1],  # undefined of one
        [-1, -1, -1, -1, -1, 1],  # means object 5, alone among its picture's texts
    ],
    dtype=torch.int8,
)


@pytest.fixture
def problem():
    visual, text, batch = outputs()
    batch.labels = LABELS
    return visual, text, batch


def test_expressions_that_mean_one_object(problem):
    meant, rows = meant_objects(problem[2])
    assert rows.tolist() == [0, 1, 2, 3, 8]
    assert meant.tolist() == [0, 0, 1, 2, 5]


def test_the_loss_is_that_of_the_triplets_by_hand(problem, network):  # noqa: F811
    visual, text, batch = problem
    found = consistency_loss(network, visual, text, batch, MccConfig(features="text", temperature=0.5))
    one, two, other = text.embedding[:3]
    rows = [(one, two, other, True), (two, one, other, True), (other, other, one, False)]
    by_hand = [mcc_loss(a[None], b[None], n[None], torch.tensor([c]), temperature=0.5) for a, b, n, c in rows]
    assert found.item() == pytest.approx(sum(value.item() for value in by_hand) / 9, rel=1e-5)


def test_what_an_expression_finds_is_what_it_scores_best(problem, network):  # noqa: F811
    visual, text, batch = problem
    pictures = batch.text_picture
    found = found_objects(network, visual, text.embedding, pictures)
    scale = network.logit_scale.item()
    for k in (0, 5, 8):
        objects = visual.features[pictures[k]]
        weights = [math.exp(scale * float(text.embedding[k] @ row)) for row in objects]
        expected = sum(w * row for w, row in zip(weights, objects, strict=True)) / sum(weights)
        torch.testing.assert_close(found[k], expected)
    sharp = found_objects(network, visual, text.embedding * 1e4, pictures)
    best = torch.stack([visual.features[b] for b in pictures])
    scores = torch.einsum("kd,kmd->km", text.embedding, best)
    torch.testing.assert_close(sharp, best[torch.arange(len(best)), scores.argmax(dim=1)])


def test_objects_on_padding_have_no_weight(problem, network):  # noqa: F811
    visual, text, batch = problem
    before = found_objects(network, visual, text.embedding, batch.text_picture)
    visual.proposal_valid[:, 0] = False  # the position of the first query
    visual.features[:, 0] = 1e3
    after = found_objects(network, visual, text.embedding, batch.text_picture)
    assert after.abs().max() <= 1
    assert not torch.allclose(before, after)


@pytest.mark.parametrize("features", ["text", "objects"])
def test_descent_makes_expressions_of_one_object_find_one_thing(problem, network, features):  # noqa: F811
    visual, _, batch = problem
    raw = torch.randn(9, 128, generator=torch.Generator().manual_seed(3)).requires_grad_()
    config = MccConfig(features=features)
    optimiser = torch.optim.Adam([raw], lr=0.02)
    before = None
    for _ in range(150):
        text = TextOutput(nn.functional.normalize(raw, dim=-1), raw, raw.new_zeros(9, 0))
        loss = consistency_loss(network, visual, text, batch, config)
        before = before or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    text = nn.functional.normalize(raw.detach(), dim=-1)
    if features == "objects":
        text = found_objects(network, visual, text, batch.text_picture)
    cosines = (
        nn.functional.cosine_similarity(text[0], text[1], dim=0),
        nn.functional.cosine_similarity(text[0], text[2], dim=0),
    )
    assert loss.item() < before
    assert cosines[0] > 0.95 > 0.5 > cosines[1]


def test_it_is_a_part_of_the_loss_only_where_it_is_asked_for(problem, network):  # noqa: F811
    visual, text, batch = problem
    args = (network, nn.ModuleDict(), visual, text, batch, WEIGHTS, CLIA)
    plain, parts = total_loss(*args)
    off, same = total_loss(*args, mcc=MccConfig())
    assert "mcc" not in parts
    assert "mcc" not in same
    assert plain.item() == off.item()
    on, more = total_loss(*args, mcc=OBJECTS)
    assert on.item() == pytest.approx(plain.item() + WEIGHTS.mcc * more["mcc"].item(), rel=1e-5)
    assert TrainConfig.model_fields["mcc"].default.features == "none"


def test_batches_of_a_step_add_up(problem, network):  # noqa: F811
    visual, text, batch = problem
    _, whole = total_loss(network, nn.ModuleDict(), visual, text, batch, WEIGHTS, CLIA, mcc=OBJECTS)
    parts = []
    for first, last in ((0, 1), (1, 4)):
        one = cut(first, last)
        rows = (batch.text_picture >= first) & (batch.text_picture < last)
        things = (batch.object_picture >= first) & (batch.object_picture < last)
        one[2].labels = LABELS[rows][:, things]
        parts.append(one)
    counts = [count_batch(one[2], CLIA) for one in parts]
    step = tuple((counts[0] + counts[1]).tolist())
    total = sum(
        total_loss(
            network, nn.ModuleDict(), *one, WEIGHTS, CLIA, mcc=OBJECTS, shares=Shares(tuple(count.tolist()), step)
        )[1]["mcc"].item()
        for one, count in zip(parts, counts, strict=True)
    )
    assert whole["mcc"].item() > 0
    assert total == pytest.approx(whole["mcc"].item(), rel=1e-5)
