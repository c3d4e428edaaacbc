"""Sampling a level: both ways against each other and against one sample at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reir.models.clare.deformable import DeformableAttention, gather_samples, grid_samples, sample_level


def one_by_one(value, shape, locations, weights):
    """Bilinear interpolation written out for each batch, query, head and point."""
    batch, _, heads, channels = value.shape
    rows, columns = shape
    result = torch.zeros(batch, locations.shape[1], heads, channels)
    for b, q, h, p in torch.cartesian_prod(*(torch.arange(n) for n in locations.shape[:4])).tolist():
        x, y = (locations[b, q, h, p] * torch.tensor([columns, rows]) - 0.5).tolist()
        for i in range(columns):
            for j in range(rows):
                share = max(0.0, 1 - abs(x - i)) * max(0.0, 1 - abs(y - j))
                result[b, q, h] += weights[b, q, h, p] * share * value[b, j * columns + i, h]
    return result.flatten(2)


def arguments(seed, batch=2, queries=3, heads=2, points=2, channels=3, shape=(3, 4), dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    value = torch.randn(batch, shape[0] * shape[1], heads, channels, generator=generator).to(dtype)
    locations = torch.rand(batch, queries, heads, points, 2, generator=generator) * 1.6 - 0.3  # some outside
    weights = torch.rand(batch, queries, heads, points, generator=generator)
    return value.requires_grad_(), shape, locations.requires_grad_(), weights.requires_grad_()


@given(seed=st.integers(0, 2**31), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_both_ways_are_bilinear_interpolation(seed, rows, columns):
    given_ = arguments(seed, shape=(rows, columns))
    expected = one_by_one(*given_)
    for sample in (gather_samples, grid_samples):
        torch.testing.assert_close(sample(*given_), expected, atol=1e-5, rtol=1e-5)


@given(seed=st.integers(0, 2**31))
def test_both_ways_have_the_same_gradients(seed):
    gradients = []
    for sample in (gather_samples, grid_samples):
        value, shape, locations, weights = arguments(seed, queries=5, shape=(7, 6))
        output = sample(value, shape, locations, weights)
        output.backward(torch.linspace(-1, 1, output.numel()).view_as(output))
        gradients.append((value.grad, locations.grad, weights.grad))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_reduced_precision_stays_close():
    exact = grid_samples(*arguments(0, shape=(20, 20)))
    reduced = gather_samples(*arguments(0, shape=(20, 20), dtype=torch.bfloat16))
    assert reduced.dtype == torch.bfloat16
    torch.testing.assert_close(reduced.float(), exact, atol=5e-2, rtol=5e-2)


@pytest.mark.parametrize(("queries", "expected"), [(2, gather_samples), (200, grid_samples)])
def test_the_way_depends_on_how_much_is_touched(monkeypatch, queries, expected):
    called = []
    for way in (gather_samples, grid_samples):
        monkeypatch.setattr(
            f"reir.models.clare.deformable.{way.__name__}", lambda *_, way=way: called.append(way) or torch.zeros(1)
        )
    sample_level(*arguments(0, queries=queries, shape=(8, 8)))
    assert called == [expected]


def test_width_is_a_multiple_of_heads():
    with pytest.raises(ValueError, match="10 and 3"):
        DeformableAttention(width=10, heads=3, levels=1, points=1)
