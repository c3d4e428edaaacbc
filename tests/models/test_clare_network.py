"""The tiny network as a whole: shapes, sizes, gradients, selection of peaks, and learning one picture by heart."""

from dataclasses import replace

import pytest
import torch

from reir.losses import box_losses, clia_loss, hungarian_match, objectness_loss, proposal_losses
from reir.models.clare import TINY, build_clare
from reir.models.clare.geometry import inverse_sigmoid, sine_code, update_logit, update_relative
from reir.models.clare.proposals import local_peaks

WORDS = 40


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_clare(TINY, vocabulary_size=WORDS)


def loss_of(network, images, targets, tokens, labels):
    """Every loss of the network over a batch; ``labels`` (Q, objects)."""
    visual, text = network(images, tokens, torch.ones_like(tokens, dtype=torch.bool))
    total = proposal_losses(
        visual.proposal_boxes_cxcywh,
        visual.proposal_objectness,
        visual.proposal_valid,
        visual.proposal_centres,
        targets,
    )
    truth = torch.cat(targets)
    for boxes, objectness in zip(visual.boxes_cxcywh, visual.objectness, strict=True):
        chosen, objects = hungarian_match(boxes, objectness, targets)
        l1, giou = box_losses(boxes.flatten(0, 1)[chosen], truth[objects])
        aim = torch.zeros(objectness.numel())
        aim[chosen] = 1.0
        total = total + 5 * l1 + 2 * giou + objectness_loss(objectness.flatten(), aim)
    logits = network.similarity(text.embedding, visual.features.flatten(0, 1))
    full = torch.full(logits.shape, -1)
    full[:, chosen] = labels[:, objects]
    return total + clia_loss(logits, full) + text.gates.square().mean()


@pytest.mark.parametrize("size", [(112, 224), (128, 192), (176, 144), (160, 160)])
def test_shapes_on_every_canvas(network, size):
    visual = network.eval().encode_images(torch.randn(2, 3, *size))
    positions = size[0] * size[1] // 64
    assert visual.boxes_cxcywh.shape == (3, 2, 20, 4)
    assert visual.objectness.shape == (3, 2, 20)
    assert visual.hidden.shape == (2, 20, TINY.width)
    assert visual.features.shape == (2, 20, TINY.embedding)
    assert visual.proposal_boxes_cxcywh.shape == (2, positions, 4)
    assert visual.proposal_objectness.shape == visual.proposal_valid.shape == (2, positions)
    assert visual.proposal_centres.shape == (positions, 2)
    assert visual.proposal_valid.all()
    assert ((visual.boxes_cxcywh >= 0) & (visual.boxes_cxcywh <= 1)).all()
    torch.testing.assert_close(visual.features.norm(dim=-1), torch.ones(2, 20))


def test_it_is_tiny(network):
    """Weights in float16 and the text branch in float32 ship together in 12 MB."""
    text = sum(p.numel() for part in (network.text, network.more) for p in part.parameters())
    everything = sum(p.numel() for p in network.parameters())
    assert 2 * everything + 4 * text < 11.5e6


@pytest.mark.parametrize("counts", [(2, 0), (0, 0), (3, 1)])
def test_gradients_are_finite_with_and_without_objects(network, counts):
    network.train()
    targets = [torch.rand(count, 4) * 0.4 + 0.2 for count in counts]
    tokens = torch.randint(0, WORDS, (3, 6))
    labels = torch.randint(0, 2, (3, sum(counts))) * 2 - 1
    loss_of(network, torch.randn(2, 3, 96, 96), targets, tokens, labels).backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
    if sum(counts):
        unused = {name for name, parameter in network.named_parameters() if parameter.grad is None}
        assert not unused


def test_learns_two_squares_by_heart():
    torch.manual_seed(0)
    network = build_clare(replace(TINY, width=64, heads=2, backbone_channels=(16, 24, 32)), vocabulary_size=WORDS)
    network.train()
    images = torch.zeros(1, 3, 64, 96)
    images[0, 0, 12:36, 12:44] = 2.0  # red
    images[0, 2, 36:56, 64:84] = 2.0  # blue
    target = torch.tensor([[28 / 96, 24 / 64, 32 / 96, 24 / 64], [74 / 96, 46 / 64, 20 / 96, 20 / 64]])
    tokens, labels = torch.tensor([[3, 5], [4, 5]]), torch.tensor([[1, -1], [-1, 1]])
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(70):
        loss = loss_of(network, images, [target], tokens, labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
    with torch.no_grad():
        visual, text = network(images, tokens, torch.ones_like(tokens, dtype=torch.bool))
        best = network.similarity(text.embedding, visual.features[0]).argmax(dim=1)
    torch.testing.assert_close(visual.boxes_cxcywh[-1, 0, best], target, atol=0.04, rtol=0)
    assert set(visual.objectness[-1, 0].topk(2).indices.tolist()) == set(best.tolist())


def test_queries_are_distinct_peaks_best_first(network):
    network.eval()
    visual = network.encode_images(torch.randn(1, 3, 160, 160))
    scores = visual.proposal_objectness[0]
    peaks = local_peaks(scores[None], [(20, 20)])[0]
    expected = scores.masked_fill(~peaks, -torch.inf).topk(20)
    assert torch.isfinite(expected.values).all(), "noise has at least as many peaks as there are queries"
    assert visual.selected[0].tolist() == expected.indices.tolist()


def test_fewer_peaks_than_queries_are_filled_up(network):
    """On an empty picture every query still stands on a position of its own."""
    network.eval()
    selected = network.encode_images(torch.zeros(1, 3, 64, 64)).selected[0].tolist()
    assert len(set(selected)) == len(selected) == 20


def test_a_peak_is_the_largest_of_its_neighbours():
    plane = torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 3], [0, 2, 0, 0]])
    peaks = local_peaks(plane.flatten()[None], [(3, 4)]).view(3, 4)
    assert peaks.nonzero().tolist() == [[0, 1], [1, 3], [2, 1]]


@torch.no_grad()
def test_similarity_is_scaled_inner_product_plus_bias(network):
    text, features = torch.randn(3, 128), torch.randn(2, 5, 128)
    logits = network.similarity(text, features)
    assert float(network.logit_scale) == pytest.approx(10)
    torch.testing.assert_close(logits[1, 0, 4], 10 * (text[1] @ features[0, 4]) - 8, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("update", [update_logit, update_relative])
def test_no_change_leaves_boxes(update):
    boxes = torch.rand(7, 4) * 0.6 + 0.2
    torch.testing.assert_close(update(boxes, torch.zeros(7, 4)), boxes)


def test_box_updates_by_hand():
    box = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    moved = update_relative(box, torch.tensor([[0.5, -0.25, 0.6931472, 0.0]]))
    torch.testing.assert_close(moved, torch.tensor([[0.6, 0.4, 0.4, 0.4]]))
    moved = update_logit(box, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(inverse_sigmoid(moved)[0, 0], torch.tensor(1.0), atol=1e-4, rtol=1e-4)


def test_positions_have_different_codes():
    code = sine_code(torch.linspace(0, 1, 50)[:, None], 32)
    assert code.shape == (50, 32)
    assert (torch.cdist(code, code) + torch.eye(50) > 1e-2).all()


def test_small_text_needs_a_vocabulary():
    with pytest.raises(ValueError, match="vocabulary_size"):
        build_clare(TINY)
