"""The calibration's own laws: order, bounds, paging, and what its two numbers of rivalry mean."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.errors import CalibrationError
from reir.models import Calibration
from reir.protocols import Calibration as CalibrationProtocol

CALIBRATION = Calibration(
    fingerprint="f",
    score=30.0,
    size=-0.7,
    offset=-4.0,
    contrast=40.0,
    clear_score=0.375,
    threshold=0.35,
    made={"queries": 12},
)

SCORES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60).map(lambda found: sorted(found, reverse=True))


def plain(hit: float, others: list[float], instances: int) -> float:
    """The formula as the documentation has it, in plain arithmetic."""
    first = max([hit, *others])
    anything = 1 / (1 + math.exp(-(30.0 * first - 0.7 * math.log(instances) - 4.0)))
    rivals = sum(math.exp(40.0 * other) for other in others)
    weight = math.exp(40.0 * hit)
    together = 1 / (1 / rivals + 1 / math.exp(40.0 * 0.375)) if rivals else 0.0
    return anything * weight / (weight + together)


def test_it_is_the_formula() -> None:
    best = [0.41, 0.33, 0.3, -0.2]
    found = CALIBRATION.probabilities(best, best, 5000)
    for i, hit in enumerate(best):
        assert found[i] == pytest.approx(plain(hit, best[:i] + best[i + 1 :], 5000))
    assert CALIBRATION.probabilities([0.4], [0.4], 7)[0] == pytest.approx(plain(0.4, [], 7))


@given(SCORES, st.integers(1, 10**7))
def test_a_better_score_never_has_a_lower_chance_and_none_exceeds_that_of_anything(
    ranking: list[float], instances: int
) -> None:
    best = ranking[: CALIBRATION.depth]
    found = CALIBRATION.probabilities(ranking, best, instances)
    assert (np.diff(found) <= 1e-12).all()
    assert (found >= 0).all()
    assert (found <= CALIBRATION.anything_fits(best, instances)).all()
    for i in range(len(ranking) - 1):
        assert ranking[i] != ranking[i + 1] or found[i] == found[i + 1]


@given(SCORES, st.integers(1, 10**6), st.data())
def test_pages_agree_with_the_whole_answer(ranking: list[float], instances: int, data: st.DataObject) -> None:
    best = ranking[: CALIBRATION.depth]
    start = data.draw(st.integers(0, len(ranking)))
    end = data.draw(st.integers(start, len(ranking)))
    whole = CALIBRATION.probabilities(ranking, best, instances)
    assert np.array_equal(CALIBRATION.probabilities(ranking[start:end], best, instances), whole[start:end])


def test_many_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    best = -np.sort(-rng.uniform(0, 0.5, (20, 32)))
    best[3, 5:] = -np.inf  # a gallery of five
    instances, read = rng.integers(1, 10**6, 20), rng.uniform(0, 1, 20)
    together = CALIBRATION.probabilities(best[:, :10], best, instances, read=read)
    for i in range(20):
        held = best[i][np.isfinite(best[i])]
        alone = CALIBRATION.probabilities(held[:10], held, int(instances[i]), read=float(read[i]))
        assert np.allclose(together[i, : len(alone)], alone)
    assert (together[3, 5:] == 0).all()


def test_the_same_scores_mean_less_in_a_larger_gallery() -> None:
    best = [0.3, 0.25, 0.2]
    chances = [float(CALIBRATION.anything_fits(best, size)) for size in (10, 1000, 100_000)]
    assert chances[0] > 0.9 > 0.5 > chances[2]
    assert not CALIBRATION.no_match(best, 10)
    assert CALIBRATION.no_match(best, 1_000_000)


def test_near_hits_share_the_chance_below_the_clear_score_and_not_above() -> None:
    low, high = [0.2] * 10, [0.45] * 10
    # Ten equal hits: far below the clear score each has a tenth; far above it each stands for itself.
    anything = float(CALIBRATION.anything_fits(low, 50))
    assert CALIBRATION.probabilities(low[:1], low, 50)[0] == pytest.approx(anything / 10, rel=0.01)
    assert CALIBRATION.probabilities(high[:1], high, 50)[0] > 0.9
    # One hit that stands out from the rest is not held back by them.
    assert CALIBRATION.probabilities([0.45], [0.45, *low], 50)[0] > 0.95


def test_words_that_were_not_read_count_against_every_hit() -> None:
    best = [0.45, 0.3]
    whole = CALIBRATION.probabilities(best, best, 100)
    assert np.allclose(CALIBRATION.probabilities(best, best, 100, read=0.25), whole / 4)
    assert not CALIBRATION.no_match(best, 100)
    assert CALIBRATION.no_match(best, 100, read=0.25)
    assert CALIBRATION.no_match([0.99], 1, read=0.0)


def test_in_an_empty_gallery_nothing_fits() -> None:
    assert CALIBRATION.no_match([], 0)
    assert CALIBRATION.probabilities([], [], 0).shape == (0,)


def test_scores_far_from_each_other_stay_finite() -> None:
    logits = replace(CALIBRATION, score=3.0, contrast=5.0, clear_score=100.0)
    found = logits.probabilities([500.0, 0.0, -500.0], [500.0, 0.0, -500.0], 10)
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(1.0)


def test_saved_and_loaded(tmp_path) -> None:
    path = tmp_path / "calibration.json"
    CALIBRATION.save(path)
    loaded = Calibration.load(path)
    assert loaded == CALIBRATION
    assert loaded.made == {"queries": 12}
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.json"]
    typed: CalibrationProtocol = loaded
    assert typed.depth == 32


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"score": -1.0}, {"threshold": 2}, {"contrast": "high"}, {"size": math.nan}, {"depth": 0}],
)
def test_what_is_no_calibration_is_refused(tmp_path, change) -> None:
    path = tmp_path / "calibration.json"
    CALIBRATION.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CalibrationError, match=r"calibration\.json is not a calibration"):
        Calibration.load(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}'])
def test_a_damaged_file_is_named(tmp_path, content) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(CalibrationError, match=r"calibration\.json"):
        Calibration.load(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    with pytest.raises(CalibrationError, match="--out"):
        CALIBRATION.save(tmp_path / "missing" / "calibration.json")
