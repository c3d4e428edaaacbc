"""Gradient checkpointing and fused attention: the same numbers, less memory."""

import pytest
import torch

from reir.models.clare.attention import fused_attention, plain_attention
from reir.models.clare.builder import build_clare
from tests.models import tiny_siglip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    tiny_siglip.register_architecture(tmp_path_factory.mktemp("architecture"))
    torch.manual_seed(0)
    network = build_clare(tiny_siglip.CONFIG).train()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


def run(network, checkpointing):
    """Outputs, gradients, and the bytes that wait for the backward pass."""
    network.visual.checkpointing = checkpointing
    network.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    images = torch.randn(2, 3, 128, 192)
    padding = torch.zeros(2, 128, 192, dtype=torch.bool)
    padding[1, :, 100:] = True
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network.encode_images(images, padding)
        loss = output.features[..., 0].sum() + output.boxes_cxcywh.sum() + output.objectness.sigmoid().sum()
        loss = loss + output.proposal_boxes_cxcywh.sum() + output.proposal_objectness.sigmoid().sum()
    size = sum(bytes_ for pointer, bytes_ in kept.items() if pointer not in own)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in network.visual.named_parameters() if p.grad is not None}
    return output, gradients, size


def test_same_outputs_and_gradients_in_less_memory(network):
    plain, plain_gradients, plain_size = run(network, False)
    lean, lean_gradients, lean_size = run(network, True)
    assert network.visual.checkpointing
    for name in ("boxes_cxcywh", "objectness", "features", "proposal_boxes_cxcywh"):
        torch.testing.assert_close(getattr(lean, name), getattr(plain, name), atol=0, rtol=0)
    assert len(plain_gradients) > 100
    assert lean_gradients.keys() == plain_gradients.keys()
    for name, gradient in plain_gradients.items():
        torch.testing.assert_close(lean_gradients[name], gradient, atol=1e-5, rtol=1e-5, msg=name)
    assert lean_size < 0.4 * plain_size


@torch.no_grad()
def test_nothing_is_checkpointed_without_gradients(network, monkeypatch):
    network.visual.checkpointing = True
    monkeypatch.setattr("reir.models.clare.checkpointing.checkpoint", lambda *_, **__: pytest.fail("checkpointed"))
    network.encode_images(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("masked", [False, True])
def test_fused_attention_is_the_plain_products(masked):
    q, k, v = torch.randn(3, 2, 4, 9, 8).unbind(0)
    q.requires_grad_()
    seen = torch.rand(2, 1, 9, 9) < 0.5 if masked else None
    if masked:
        seen[..., 0] = True
    results = []
    for attend in (plain_attention, fused_attention):
        output = attend(q, k, v, seen)
        (gradient,) = torch.autograd.grad(output.square().sum(), q)
        results.append((output, gradient))
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-5)
