import numpy as np
import pytest

from reir.metrics import Ranks, intervals, outcomes, shares


@pytest.fixture
def ranks():
    return Ranks(
        official=np.array([0, 3, 10, 0]),
        top_iou=np.array([0.95, 0.6, 0.8, 0.3]),
        any=np.array([[0, 0], [3, 10], [9, 9], [1, 2]]),
        image=np.array([0, 1, 5, 0]),
        ious=(0.5, 0.9),
        depth=10,
    )


def test_shares_by_hand(ranks):
    assert shares(outcomes(ranks, ks=(1, 5))) == {
        "official": {"box_recall": {"0.5": {"1": 0.25, "5": 0.5}, "0.9": {"1": 0.25, "5": 0.25}}},
        "any": {"box_recall": {"0.5": {"1": 0.25, "5": 0.75}, "0.9": {"1": 0.25, "5": 0.5}}},
        "image_recall": {"1": 0.5, "5": 0.75},
        "precision_at_0.5": 0.75,
    }


def test_one_protocol_alone(ranks):
    right = outcomes(ranks, ks=(10,), protocols=("any",))
    assert set(shares(right)) == {"any", "image_recall", "precision_at_0.5"}
    assert shares(right)["any"]["box_recall"]["0.5"] == {"10": 1.0}


def test_of_chosen_queries(ranks):
    chosen = np.array([True, False, False, True])
    assert shares(outcomes(ranks, ks=(1,)), chosen)["precision_at_0.5"] == 0.5
    with pytest.raises(ValueError, match="no queries"):
        shares(outcomes(ranks, ks=(1,)), np.zeros(4, bool))


def test_intervals_have_the_shape_of_the_shares(ranks):
    right = outcomes(ranks, ks=(1, 5))
    bounds = intervals(right)
    assert bounds["image_recall"]["1"] == [0.0, 1.0]
    low, high = bounds["any"]["box_recall"]["0.5"]["5"]
    assert 0 <= low < 0.75 <= high <= 1
    assert intervals(right, np.array([True, False, False, False]))["precision_at_0.5"] == [1.0, 1.0]
