from __future__ import annotations

from dataclasses import asdict, replace

import torch

from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import network_config
from reir.models.clare.config import NANO, TINY
from reir.models.clare.proposals import NEVER
from reir.models.clare.relations import PAIR_FEATURES, RelationLayers, pair_features, picture_units

SMALL = replace(NANO, relation_layers=2, relation_width=32, relation_heads=4, relation_pair_width=16)


def layers() -> RelationLayers:
    torch.manual_seed(0)
    return RelationLayers(layers=2, inputs=24, width=32, heads=4, pair_width=16, feedforward=64).eval()


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """States (1, 3, 24), boxes, objectness logits and aspect of one picture."""
    boxes = torch.tensor([[[0.2, 0.5, 0.2, 0.3], [0.6, 0.5, 0.1, 0.2], [0.8, 0.2, 0.2, 0.2]]])
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, 24, generator=generator), boxes, torch.tensor([[3.0, 3.0, 3.0]]), torch.tensor([1.5])


def test_pairs_are_told_in_units_of_the_picture() -> None:
    units = picture_units(torch.tensor([[[0.5, 0.5, 1.0, 1.0]]]), torch.tensor([4.0]))
    assert torch.allclose(units, torch.tensor([[[0.0, 0.0, 2.0, 0.5]]]))
    boxes = torch.tensor([[[0.25, 0.5, 0.1, 0.2], [0.75, 0.5, 0.1, 0.2]]])
    pairs = pair_features(picture_units(boxes, torch.tensor([1.0])))
    assert pairs.shape == (1, 2, 2, PAIR_FEATURES)
    assert torch.isfinite(pairs).all()
    there, back = pairs[0, 0, 1], pairs[0, 1, 0]
    assert torch.allclose(there[:2], torch.tensor([1.0, 0.0]))  # twice the offset, to the right
    assert torch.allclose(back[:2], -there[:2])
    assert torch.allclose(there[2], torch.tensor(0.8))  # twice the gap between the boxes


def test_order_does_not_matter_and_every_object_hears_the_others() -> None:
    network = layers()
    hidden, boxes, objectness, aspect = scene()
    states = network(hidden, boxes, objectness, aspect)
    assert states.shape == (1, 3, 32)
    order = torch.tensor([2, 0, 1])
    turned = network(hidden[:, order], boxes[:, order], objectness[:, order], aspect)
    assert torch.allclose(turned, states[:, order], atol=1e-5)
    moved = boxes.clone()
    moved[0, 2, 0] = 0.4
    assert (network(hidden, moved, objectness, aspect)[0, :2] - states[0, :2]).abs().max() > 1e-3


def test_background_disturbs_nobody() -> None:
    network = layers()
    hidden, boxes, objectness, aspect = scene()
    states = network(hidden[:, :2], boxes[:, :2], objectness[:, :2], aspect)
    objectness[0, 2] = NEVER
    assert torch.allclose(network(hidden, boxes, objectness, aspect)[:, :2], states, atol=1e-5)


def test_gradients_reach_the_states_and_every_weight_but_not_the_boxes() -> None:
    network = layers()
    hidden, boxes, objectness, aspect = scene()
    hidden.requires_grad_()
    boxes.requires_grad_()
    network(hidden, boxes, objectness, aspect).square().sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.abs().sum() > 0
    assert boxes.grad is None
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_padding_changes_no_feature() -> None:
    torch.manual_seed(0)
    network = build_clare(SMALL, vocabulary_size=8).eval()
    images = torch.randn(2, 3, 64, 96)
    grown = torch.nn.functional.pad(images, (0, 32, 0, 64))
    padding = torch.ones(2, 128, 128, dtype=torch.bool)
    padding[:, :64, :96] = False
    with torch.inference_mode():
        plain, padded = network.encode_images(images), network.encode_images(grown, padding)
    assert plain.features.shape == (2, SMALL.queries, SMALL.embedding)
    assert plain.hidden.shape == (2, SMALL.queries, SMALL.relation_width)
    real = plain.objectness[-1] > NEVER / 2
    assert torch.allclose(plain.features[real], padded.features[real], atol=2e-3)


def test_sizes_written_before_there_were_relations_have_none() -> None:
    old = {name: value for name, value in asdict(TINY).items() if not name.startswith("relation")}
    assert network_config(old) == TINY
    assert build_clare(TINY, vocabulary_size=8).visual.relations is None
