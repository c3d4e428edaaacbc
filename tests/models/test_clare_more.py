"""MORE against equations 1 to 3 written as loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reir.models.clare.more import MixOfRelationExperts, keep_largest


def naive(more, sentence):
    """Each expression on its own: shared experts, then only the active routed experts, weighted by their gates."""
    rows = []
    for f_t in sentence:
        total = torch.zeros(more.shared[0].fc2.out_features) if more.shared else 0.0
        for expert in more.shared:
            total = total + expert(f_t)
        if more.gate is not None:
            gates = torch.softmax(more.gate(f_t), 0)
            active = sorted(range(len(gates)), key=lambda k: -float(gates[k]))[: more.active]
            for k in active:
                total = total + gates[k] * more.routed[k](f_t)
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize(("shared", "routed", "active"), [(1, 4, 2), (2, 3, 1), (1, 4, 4), (0, 4, 2), (1, 0, 0)])
def test_equals_a_loop_over_experts(shared, routed, active):
    torch.manual_seed(0)
    more = MixOfRelationExperts(width=6, outputs=5, hidden=7, shared=shared, routed=routed, active=active)
    sentence = torch.randn(9, 6)
    mixed, gates = more(sentence)
    torch.testing.assert_close(mixed, naive(more, sentence), atol=1e-6, rtol=1e-6)
    assert gates.shape == (9, routed)
    if routed:
        torch.testing.assert_close(gates.sum(-1), torch.ones(9))


@given(
    values=st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=5),
    count=st.integers(0, 4),
)
def test_exactly_the_largest_are_kept(values, count):
    """Ties included: always exactly ``count`` places, each at least as large as every dropped one, kept unchanged."""
    gates = torch.tensor(values, dtype=torch.float32) + 1
    kept = keep_largest(gates, count)
    for row, left in zip(gates.tolist(), kept.tolist(), strict=True):
        inside = [value for value, now in zip(row, left, strict=True) if now]
        outside = [value for value, now in zip(row, left, strict=True) if not now]
        assert len(inside) == count
        assert all(now in (0.0, value) for value, now in zip(row, left, strict=True))
        assert not inside or not outside or min(inside) >= max(outside)


def test_inactive_experts_get_no_gradient():
    torch.manual_seed(0)
    more = MixOfRelationExperts(width=6, outputs=5, hidden=7, shared=1, routed=4, active=2)
    sentence = torch.randn(1, 6)
    mixed, gates = more(sentence)
    mixed.sum().backward()
    active = set(gates[0].topk(2).indices.tolist())
    for k, expert in enumerate(more.routed):
        assert (expert.fc1.weight.grad.abs().sum() > 0) == (k in active)


def test_no_expressions():
    mixed, gates = MixOfRelationExperts(width=6, outputs=5, hidden=7, shared=1, routed=4, active=2)(torch.zeros(0, 6))
    assert mixed.shape == (0, 5)
    assert gates.shape == (0, 4)


@pytest.mark.parametrize(("shared", "routed", "active"), [(1, 2, 3), (0, 0, 0), (1, 2, -1)])
def test_impossible_sizes(shared, routed, active):
    with pytest.raises(ValueError, match=f"active={active}"):
        MixOfRelationExperts(width=6, outputs=5, hidden=7, shared=shared, routed=routed, active=active)
