"""Reliability and the figures of "nothing fits", against cases small enough to count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.metrics import no_match_figures, reliability


def slow_ece(chances: np.ndarray, right: np.ndarray, bins: int) -> float:
    total = 0.0
    for number in range(bins):
        inside = [
            (p, r)
            for p, r in zip(chances.ravel(), right.ravel(), strict=True)
            if min(int(p * bins), bins - 1) == number
        ]
        if inside:
            gap = sum(p for p, _ in inside) / len(inside) - sum(r for _, r in inside) / len(inside)
            total += len(inside) / chances.size * abs(gap)
    return total


def test_a_case_by_hand() -> None:
    # Bin [.2, .3): mean .25, one of two right; bin [.9, 1]: mean .95, one of two right.
    found = reliability([0.2, 0.3 - 0.001, 0.9, 1.0], [True, False, True, False])
    assert [(b.low, b.high, b.hits, b.share_right) for b in found.bins] == [(0.2, 0.3, 2, 0.5), (0.9, 1.0, 2, 0.5)]
    assert found.bins[1].mean_probability == pytest.approx(0.95)
    assert found.ece == pytest.approx((abs(0.2495 - 0.5) + abs(0.95 - 0.5)) / 2)
    assert found.queries == 4


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40), st.integers(1, 12))
def test_it_is_the_slow_definition(pairs: list[tuple[float, bool]], bins: int) -> None:
    chances, right = np.array([p for p, _ in pairs]), np.array([r for _, r in pairs])
    found = reliability(chances, right, bins=bins)
    assert found.ece == pytest.approx(slow_ece(chances, right, bins))
    even = 2 * (len(chances) // 2)
    several = reliability(chances[:even].reshape(-1, 2), right[:even].reshape(-1, 2), bins=bins)
    assert several.ece == pytest.approx(slow_ece(chances[:even], right[:even], bins))
    assert several.queries == even // 2


def test_true_chances_are_nearly_reliable_and_boasts_are_not() -> None:
    rng = np.random.default_rng(0)
    chances = rng.uniform(0, 1, 5_000)
    right = rng.random(5_000) < chances
    honest = reliability(chances, right)
    assert honest.ece < 0.03
    assert honest.interval[0] <= honest.ece
    assert reliability(np.sqrt(chances), right).ece == pytest.approx(1 / 6, abs=0.02)


def test_the_interval_is_as_wide_as_other_draws_scatter() -> None:
    rng = np.random.default_rng(1)
    chances = rng.uniform(0.5, 1, (200, 500))
    right = rng.random((200, 500)) < chances - 0.2
    low, high = reliability(chances[0], right[0]).interval
    others = [abs(np.mean(chances[i] - right[i])) for i in range(200)]
    assert low < 0.2 < high
    assert (high - low) / 3.92 == pytest.approx(np.std(others), rel=0.25)


def test_no_match_by_hand() -> None:
    said = [True, True, True, False, False, False]
    nothing_there = [True, True, False, True, False, False]
    found = no_match_figures(said, nothing_there)
    assert (found.queries, found.unanswerable, found.said) == (6, 3, 3)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.precision_interval is not None
    assert found.precision_interval[0] < 2 / 3 < found.precision_interval[1]


def test_no_match_never_said_has_no_precision() -> None:
    found = no_match_figures([False, False], [True, False])
    assert (found.precision, found.precision_interval, found.recall) == (None, None, 0.0)
    assert found.to_json()["precision"] is None


def test_intervals_of_shares_are_those_of_a_binomial() -> None:
    truth = np.arange(1000) % 2 == 0
    said = truth & (np.arange(1000) % 10 != 0)  # 400 of 500 found, none wrongly
    found = no_match_figures(said, truth)
    assert found.precision_interval == (1.0, 1.0)
    assert found.recall == 0.8
    assert found.recall_interval == pytest.approx((0.8 - 0.035, 0.8 + 0.035), abs=0.008)


@pytest.mark.parametrize(
    ("chances", "right"), [([], []), ([0.5], [True, False]), ([1.2], [True]), ([[[0.5]]], [[[True]]])]
)
def test_what_makes_no_sense_is_refused(chances, right) -> None:
    with pytest.raises(ValueError, match="chance"):
        reliability(chances, right)


def test_a_recall_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="unanswerable"):
        no_match_figures([True], [False])
