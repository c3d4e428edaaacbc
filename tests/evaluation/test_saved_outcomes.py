"""Two systems on the same queries: saved, read again and compared pair by pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reir.errors import DatasetError, UsageError
from reir.evaluation import OneStage, SavedOutcomes, compare, evaluate_system, format_comparison
from reir.metrics import Ranks
from tests.evaluation.gallery import make_index, write_dataset
from tests.grid_colour_model import GridColourModel

IOUS, DEPTH = (0.5, 0.7), 5


def saved(official, top_iou, *, system="first", task="reir", **changes):
    """Outcomes whose ranks of picture and box are ``official``."""
    ranks = np.array(official)
    overlaps = np.array(top_iou, dtype=float)
    found = np.where(overlaps[:, None] > np.array(IOUS), ranks[:, None], DEPTH)
    names = [f"{i}" for i in range(len(ranks))]
    one = SavedOutcomes("set", system, task, names, names, Ranks(ranks, overlaps, found, ranks, IOUS, DEPTH))
    return replace(one, **changes)


def test_differences_by_hand():
    first = saved([0, 0, 3, 1], [0.9, 0.6, 0.9, 0.4])
    other = saved([0, 5, 0, 1], [0.9, 0.9, 0.4, 0.4], system="second")
    found = compare(first, other, ks=(1, 5))
    # At 0.5 and k = 1 the first is right on 0 and 1, the second on 0; at k = 5 on 0, 1, 2 against 0.
    assert found.differences["official"]["box_recall"]["0.5"] == {"1": 0.25, "5": 0.5}
    assert found.differences["official"]["box_recall"]["0.7"] == {"1": 0.0, "5": 0.25}
    assert found.differences["any"] == found.differences["official"]
    assert found.differences["image_recall"] == {"1": 0.0, "5": 0.25}
    assert found.differences["precision_at_0.5"] == 0.25
    low, high = found.intervals["official"]["box_recall"]["0.5"]["5"]
    assert low <= 0.5 <= high
    back = compare(other, first, ks=(1, 5))
    assert back.differences["precision_at_0.5"] == -0.25
    assert back.intervals["precision_at_0.5"] == pytest.approx(
        [-bound for bound in reversed(found.intervals["precision_at_0.5"])], abs=0.26
    )


def test_pairing_tells_apart_what_two_intervals_do_not():
    """The second is right wherever the first is, and on twelve queries more."""
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.5
    more = right.copy()
    more[np.flatnonzero(~right)[:12]] = True
    one, two = (saved(np.where(ok, 0, DEPTH), np.full(200, 0.9)) for ok in (more, right))
    found = compare(one, two, ks=(1,))
    low, high = found.intervals["official"]["box_recall"]["0.5"]["1"]
    assert 0 < low < 0.06 < high < 0.12
    text = format_comparison(found)
    assert "official box recall 0.5 1" in text
    assert "better" in text
    assert "not resolved" in text  # the precision inside the picture is the same
    assert "worse" in format_comparison(compare(two, one, ks=(1,)))


def test_mean_iou_is_compared_too():
    found = compare(saved([0, 0], [0.9, 0.5], task="rec"), saved([0, 0], [0.7, 0.5], task="rec"), ks=(1,))
    assert found.differences["mean_iou"] == pytest.approx(0.1)
    assert set(found.differences) == {"precision_at_0.5", "precision_at_0.7", "mean_iou"}


def test_what_is_saved_is_read_again(tmp_path):
    model = GridColourModel()
    data = write_dataset(tmp_path)
    with make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as snapshot:
        evaluation = evaluate_system(OneStage(snapshot, model), data)
    path = tmp_path / "new" / "outcomes.parquet"
    evaluation.outcomes.save(path)
    again = SavedOutcomes.load(path)
    assert again.expressions == [query.text for query in data.queries]
    assert (again.dataset, again.system, again.task) == ("painted", evaluation.system, "reir")
    found = compare(again, evaluation.outcomes, ks=(1, 5))
    leaves = found.differences["official"]["box_recall"]["0.9"]
    assert leaves == {"1": 0.0, "5": 0.0}
    assert again.ranks.depth == 10
    np.testing.assert_array_equal(again.ranks.any, evaluation.outcomes.ranks.any)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "tir"}, "at the task tir"),
        ({"expressions": ["a", "b"]}, "answered other queries"),
        ({"file_names": ["a", "b"]}, "answered other queries"),
        (
            {"ranks": Ranks(np.zeros(2), np.zeros(2), np.zeros((2, 1)), np.zeros(2), (0.9,), DEPTH)},
            "nothing to compare",
        ),
    ],
)
def test_what_cannot_be_compared(changes, message):
    with pytest.raises(UsageError, match=message):
        compare(saved([0, 0], [0.9, 0.9]), saved([0, 0], [0.9, 0.9], **changes), ks=(1,))


def test_a_file_of_another_kind(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no parquet")
    for name in ("a.parquet", "b.parquet", "nowhere.parquet"):
        with pytest.raises(DatasetError, match="--save-outcomes"):
            SavedOutcomes.load(tmp_path / name)


def test_what_a_task_does_not_count_does_not_stop_a_comparison():
    ranks = Ranks(np.zeros(2), np.full(2, 0.9), np.zeros((2, 1)), np.zeros(2), (0.9,), 1)
    boxes = compare(saved([0, 0], [0.9, 0.9], task="rec"), saved([0, 0], [0.9, 0.9], task="rec", ranks=ranks), ks=(5,))
    assert boxes.differences["precision_at_0.5"] == 0
    pictures = compare(saved([0, 0], [1, 1], task="tir"), saved([0, 0], [1, 1], task="tir", ranks=ranks), ks=(1,))
    assert pictures.differences == {"image_recall": {"1": 0.0}}


def test_other_queries_are_refused_before_anything_is_measured(tmp_path):
    data = write_dataset(tmp_path)
    texts, names = [query.text for query in data.queries], [query.file_name for query in data.queries]
    count = len(data.queries)
    same = saved([0] * count, [0.9] * count, expressions=texts, file_names=names)
    same.require_queries_of(data, "reir")
    with pytest.raises(UsageError, match="at the task reir"):
        same.require_queries_of(data, "rec")
    with pytest.raises(UsageError, match="answered other queries"):
        replace(same, expressions=texts[::-1]).require_queries_of(data, "reir")
