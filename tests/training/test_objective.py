"""The objective on made-up outputs: shares of a step, pictures with missing boxes, padding."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from reir.models.clare.builder import build_clare
from reir.models.clare.config import NANO
from reir.models.clare.outputs import TextOutput, VisualOutput
from reir.training.batch import GALLERY, OPEN, PICTURE, Batch
from reir.training.config import CliaConfig, LossConfig
from reir.training.forward import forward_loss
from reir.training.objective import prediction_labels, total_loss
from reir.training.processes import Processes
from reir.training.shares import WHOLE, Shares, count_batch
from tests.training.line_task import settings

PICTURES, QUERIES, TEXTS = 4, 6, 9
OBJECTS = [0, 0, 1, 3, 3, 3]
"""The picture of each object; picture 2 has none."""


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_clare(NANO, vocabulary_size=20)


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def outputs() -> tuple[VisualOutput, TextOutput, Batch]:
    torch.manual_seed(1)
    visual = VisualOutput(
        boxes_cxcywh=torch.rand(2, PICTURES, QUERIES, 4) * 0.3 + 0.2,
        objectness=torch.randn(2, PICTURES, QUERIES),
        hidden=torch.randn(PICTURES, QUERIES, 5),
        features=unit(PICTURES, QUERIES, 128),
        proposal_boxes_cxcywh=torch.rand(PICTURES, 16, 4),
        proposal_objectness=torch.randn(PICTURES, 16),
        proposal_centres=torch.rand(16, 2),
        proposal_valid=torch.ones(PICTURES, 16, dtype=torch.bool),
        selected=torch.arange(QUERIES).expand(PICTURES, -1),
    )
    text = TextOutput(unit(TEXTS, 128), torch.randn(TEXTS, 5), torch.zeros(TEXTS, 0))
    batch = Batch(
        pixels=torch.zeros(PICTURES, 1, 1, 3, dtype=torch.uint8),
        boxes_cxcywh=torch.rand(len(OBJECTS), 4) * 0.2 + 0.2,
        object_picture=torch.tensor(OBJECTS),
        token_ids=torch.zeros(TEXTS, 2, dtype=torch.int64),
        token_mask=torch.ones(TEXTS, 2, dtype=torch.bool),
        text_picture=torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3]),
        labels=torch.randint(-1, 2, (TEXTS, len(OBJECTS))).to(torch.int8),
    )
    return visual, text, batch


def cut(first: int, last: int) -> tuple[VisualOutput, TextOutput, Batch]:
    """The pictures from ``first`` to ``last`` as a batch of their own."""
    visual, text, batch = outputs()
    rows = (batch.text_picture >= first) & (batch.text_picture < last)
    things = (batch.object_picture >= first) & (batch.object_picture < last)
    layered = {name: getattr(visual, name)[:, first:last] for name in ("boxes_cxcywh", "objectness")}
    plain = ("hidden", "features", "proposal_boxes_cxcywh", "proposal_objectness", "proposal_valid", "selected")
    visual = replace(visual, **layered, **{name: getattr(visual, name)[first:last] for name in plain})
    part = Batch(
        pixels=batch.pixels[first:last],
        boxes_cxcywh=batch.boxes_cxcywh[things],
        object_picture=batch.object_picture[things] - first,
        token_ids=batch.token_ids[rows],
        token_mask=batch.token_mask[rows],
        text_picture=batch.text_picture[rows] - first,
        labels=batch.labels[rows][:, things],
    )
    return visual, TextOutput(text.embedding[rows], text.sentence[rows], text.gates[rows]), part


@pytest.mark.parametrize("cuts", [[0, 2, 4], [0, 1, 2, 3, 4], [0, 3, 4]])
def test_the_parts_of_a_step_add_up_to_those_of_the_large_batch(network, cuts):
    clia, weights, heads = CliaConfig(scope="picture"), LossConfig(), nn.ModuleDict()
    visual, text, batch = outputs()
    _, whole = total_loss(network, heads, visual, text, batch, weights, clia)
    batches = [cut(first, last) for first, last in pairwise(cuts)]
    counts = [count_batch(one[2], clia) for one in batches]
    step = tuple(torch.stack(counts).sum(0).tolist())
    added: dict[str, Tensor] = {}
    for (v, t, b), count in zip(batches, counts, strict=True):
        _, parts = total_loss(network, heads, v, t, b, weights, clia, shares=Shares(tuple(count.tolist()), step))
        added = {name: added.get(name, torch.zeros(())) + value for name, value in parts.items()}
    for name in ("l1", "giou", "objectness", "focal", "clia"):
        torch.testing.assert_close(added[name], whole[name], msg=name)
        assert whole[name] > 0


def test_what_matches_nothing_is_background_only_where_boxes_are_complete(network):
    visual, text, batch = outputs()
    background = replace(visual, objectness=torch.full_like(visual.objectness, 3.0))
    losses = []
    for complete in (True, False):
        batch.complete = torch.full((PICTURES,), complete)
        _, parts = total_loss(network, nn.ModuleDict(), background, text, batch, LossConfig(), CliaConfig())
        losses.append(parts)
    # Six matched predictions of 24 count, each with a target of at least a half.
    assert losses[1]["objectness"] < 0.3 * losses[0]["objectness"]
    assert losses[1]["proposals"] < losses[0]["proposals"]


def test_labels_of_predictions_follow_what_is_known_of_a_text():
    visual, _, batch = outputs()
    far = replace(visual, boxes_cxcywh=torch.full((2, PICTURES, QUERIES, 4), 0.9))
    boxes = list(batch.boxes_cxcywh.split([2, 1, 0, 3]))
    matched, objects = torch.tensor([1]), torch.tensor([0])
    batch.complete = torch.tensor([True, False, True, False])
    batch.text_reach = torch.tensor([OPEN, PICTURE, GALLERY] * 3)
    labels = prediction_labels(far, batch, matched, objects, boxes).unflatten(1, (PICTURES, QUERIES))
    assert labels[:, 0, 1].tolist() == batch.labels[:, 0].tolist()
    for q, picture in enumerate(batch.text_picture.tolist()):
        reach = int(batch.text_reach[q])
        for b in range(PICTURES):
            known = bool(batch.complete[b]) or reach == GALLERY or (reach == PICTURE and b == picture)
            assert set(labels[q, b, 2:].tolist()) == {-1 if known else 0}, (q, b)


def test_predictions_on_padding_are_left_out():
    visual, _, batch = outputs()
    valid = torch.ones(PICTURES, 16, dtype=torch.bool)
    valid[2, 3:] = False
    padded = replace(visual, proposal_valid=valid)
    batch.padding = torch.zeros(PICTURES, 1, 1, dtype=torch.bool)
    none = torch.empty(0, dtype=torch.int64)
    labels = prediction_labels(padded, batch, none, none, [torch.zeros(0, 4)] * PICTURES)
    rows = labels.unflatten(1, (PICTURES, QUERIES))[:, 2]
    assert (rows[:, :3] == -1).all()
    assert (rows[:, 3:] == 0).all()


def test_a_batch_without_objects_has_the_parts_of_the_others(network):
    """Processes add up their parts one by one; with denoising queries, one of them may have none to make."""
    _, _, batch = outputs()
    few = {"token_ids": batch.token_ids[:1], "token_mask": batch.token_mask[:1], "text_picture": torch.zeros(1).long()}
    found = []
    for count in (2, 0):
        objects = {"boxes_cxcywh": batch.boxes_cxcywh[:count], "object_picture": batch.object_picture[:count]}
        loss, parts = forward_loss(
            network,
            nn.ModuleDict(),
            torch.rand(1, 3, 64, 64),
            replace(batch, **objects, **few, labels=torch.ones(1, count, dtype=torch.int8)),
            config=settings(network={"denoising": 4}),
            processes=Processes(torch.device("cpu")),
            shares=WHOLE,
        )
        assert torch.isfinite(loss)
        found.append(parts)
    assert found[0].keys() == found[1].keys()
    assert found[0]["denoising"] > 0
    assert found[1]["denoising"] == 0
