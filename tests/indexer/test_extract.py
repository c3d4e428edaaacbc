"""Batches are as large as the model is quick."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from reir.indexer.extract import AT_FIRST, Extractor
from reir.types import Instances, Picture
from tests.grid_colour_model import GridColourModel


class Timed(GridColourModel):
    """Takes so many seconds a picture, and far longer the first time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.batches: list[int] = []

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        time.sleep(0.3 if not self.batches else self.seconds * len(pictures))
        self.batches.append(len(pictures))
        return super().extract(pictures)


def batches(model: Timed, *, most: int, seconds: float, count: int) -> list[int]:
    extractor = Extractor(model, max_instances=30, most_at_once=most, seconds_at_once=seconds)
    pictures = [Picture(np.full((8, 8, 3), 7, dtype=np.uint8), 8, 8)] * count
    done = 0
    while done < count:
        some = pictures[done : done + extractor.at_once]
        assert len(extractor.extract(some)) == len(some)
        done += len(some)
    return model.batches


def test_a_quick_model_gets_ever_larger_batches() -> None:
    assert batches(Timed(0.0), most=32, seconds=2.0, count=100)[:5] == [AT_FIRST, AT_FIRST, 8, 16, 32]


def test_a_slow_model_gets_single_pictures() -> None:
    found = batches(Timed(0.05), most=32, seconds=0.02, count=14)
    assert found[:4] == [4, 4, 2, 1]
    assert set(found[4:]) == {1}


def test_no_batch_is_larger_than_asked_for() -> None:
    assert max(batches(Timed(0.0), most=3, seconds=2.0, count=20)) == 3
