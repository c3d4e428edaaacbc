"""CLIA: a double loop, chunks, and what the divisor is."""

import math

import pytest
import torch
import torch.utils._python_dispatch

from reir.losses import chunked_clia_loss, clia_loss


def batch(queries=7, objects=11, width=5):
    generator = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(queries, width, generator=generator), dim=-1)
    features = torch.nn.functional.normalize(torch.randn(objects, width, generator=generator), dim=-1)
    labels = torch.randint(-1, 2, (queries, objects), generator=generator)
    scale, bias = torch.tensor(10.0), torch.tensor(-8.0)
    return [tensor.requires_grad_() for tensor in (text, features, scale, bias)], labels


@pytest.mark.parametrize("normalise", ["positives", "pairs"])
def test_equals_a_double_loop(normalise):
    (text, features, scale, bias), labels = batch()
    total, positives, pairs = 0.0, 0, 0
    for i, expression in enumerate(text.tolist()):
        for k, thing in enumerate(features.tolist()):
            z = int(labels[i, k])
            if z:
                logit = float(scale) * sum(a * b for a, b in zip(expression, thing, strict=True)) + float(bias)
                total -= math.log(1 / (1 + math.exp(-z * logit)))
                positives, pairs = positives + (z > 0), pairs + 1
    loss = clia_loss(scale * text @ features.T + bias, labels, normalise=normalise)
    assert loss.item() == pytest.approx(total / (positives if normalise == "positives" else pairs), rel=1e-5)


@pytest.mark.parametrize("normalise", ["positives", "pairs"])
@pytest.mark.parametrize("chunk", [1, 4, 11, 100])
def test_chunks_equal_the_whole_forward_and_backward(chunk, normalise):
    plain, labels = batch()
    text, features, scale, bias = plain
    clia_loss(scale * text @ features.T + bias, labels, normalise=normalise).backward()
    chunked, _ = batch()
    loss = chunked_clia_loss(*chunked, labels, chunk=chunk, normalise=normalise)
    loss.backward()
    expected = clia_loss(scale * text @ features.T + bias, labels, normalise=normalise)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(chunked, plain, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-5)


def test_chunks_never_hold_the_whole_matrix():
    """No tensor of Q x N numbers is saved for the backward pass, nor made in it."""
    queries, objects, chunk = 64, 4096, 128
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(queries, 8, generator=generator, requires_grad=True)
    features = torch.randn(objects, 8, generator=generator, requires_grad=True)
    labels = torch.full((queries, objects), -1, dtype=torch.int8)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                    largest = max(largest, tensor.numel())
            return result

    with Watch():
        loss = chunked_clia_loss(text, features, torch.tensor(10.0), torch.tensor(-8.0), labels, chunk=chunk)
        loss.backward()
    assert largest <= max(queries * chunk, objects * 8)


def test_ignored_pairs_change_nothing():
    (text, features, scale, bias), labels = batch()
    logits = (scale * text @ features.T + bias).detach()
    disturbed = torch.where(labels == 0, torch.full_like(logits, 50.0), logits).requires_grad_()
    loss = clia_loss(disturbed, labels)
    torch.testing.assert_close(loss, clia_loss(logits, labels))
    loss.backward()
    assert (disturbed.grad[labels == 0] == 0).all()


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = clia_loss(logits, torch.tensor([[-1, 1]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_compare(shape):
    logits = torch.zeros(shape, requires_grad=True)
    labels = torch.zeros(shape, dtype=torch.int8)
    loss = clia_loss(logits, labels)
    loss.backward()
    assert loss.item() == 0
    scalars = torch.tensor(10.0), torch.tensor(-8.0)
    assert float(chunked_clia_loss(torch.zeros(shape[0], 2), torch.zeros(shape[1], 2), *scalars, labels)) == 0
