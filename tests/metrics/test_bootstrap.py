import numpy as np
import pytest
from scipy.stats import binom

from reir.metrics import bootstrap as module
from reir.metrics import bootstrap_intervals


def test_of_a_share_equals_the_binomial_it_converges_to():
    values = (np.arange(200) < 60).astype(float)[:, None]
    low, high = bootstrap_intervals(values, resamples=20_000)[0]
    assert low == pytest.approx(binom.ppf(0.025, 200, 0.3) / 200, abs=0.006)
    assert high == pytest.approx(binom.ppf(0.975, 200, 0.3) / 200, abs=0.006)


def test_covers_the_true_share_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = (rng.random((300, 150)) < 0.7).astype(float)
    covered = 0
    for i, sample in enumerate(samples):
        low, high = bootstrap_intervals(sample[:, None], resamples=400, seed=i)[0]
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_is_seeded_and_draws_the_same_queries_for_every_figure():
    values = np.random.default_rng(1).random((50, 1))
    both = np.concatenate([values, values + 1], axis=1)
    first, second = bootstrap_intervals(both, resamples=100)
    np.testing.assert_allclose(first + 1, second)
    np.testing.assert_array_equal(bootstrap_intervals(both), bootstrap_intervals(both))
    assert not np.array_equal(bootstrap_intervals(both), bootstrap_intervals(both, seed=1))


def test_the_order_of_the_queries_does_not_matter():
    values = (np.random.default_rng(1).random((60, 3)) < 0.5).astype(float)
    np.testing.assert_array_equal(bootstrap_intervals(values), bootstrap_intervals(values[::-1]))


def test_working_in_portions_changes_nothing(monkeypatch):
    values = np.random.default_rng(1).random((50, 2))
    whole = bootstrap_intervals(values, resamples=300)
    monkeypatch.setattr(module, "_DRAWS_AT_ONCE", 50 * 7)
    np.testing.assert_array_equal(bootstrap_intervals(values, resamples=300), whole)


def test_without_doubt_there_is_no_width():
    assert bootstrap_intervals(np.ones((9, 1))).tolist() == [[1.0, 1.0]]


def test_nothing_to_draw_from():
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        bootstrap_intervals(np.zeros((0, 3)))
