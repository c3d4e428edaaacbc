"""Which pictures a step sees."""

from __future__ import annotations

from collections import Counter

import numpy as np

from reir.training.photos.mixture import Mixture


def test_every_picture_of_a_source_once_an_epoch_wide_with_wide() -> None:
    wide = np.array([True] * 7 + [False] * 4)
    mixture = Mixture([wide], [1.0], pictures=3, seed=0, steps=50)
    for epoch in range(4):
        batches = [mixture.rows(step) for step in range(epoch * 5, epoch * 5 + 5)]
        assert set(np.concatenate(batches).tolist()) == set(range(11))
        assert all(len(set(batch.tolist())) == 3 and len(set(wide[batch])) == 1 for batch in batches)
    assert not np.array_equal(mixture.rows(0), mixture.rows(5))


def test_fewer_pictures_than_a_batch_are_a_smaller_batch() -> None:
    mixture = Mixture([np.array([True, True])], [1.0], pictures=4, seed=0, steps=3)
    assert sorted(mixture.rows(2).tolist()) == [0, 1]


def test_sources_are_drawn_by_weight_and_a_longer_run_begins_alike() -> None:
    wide = [np.ones(10, dtype=bool), np.ones(50, dtype=bool)]
    mixture = Mixture(wide, [1.0, 3.0], pictures=2, seed=4, steps=4000)
    share = Counter(mixture.sources.tolist())[1] / 4000
    assert abs(share - 0.75) < 0.03
    longer = Mixture(wide, [1.0, 3.0], pictures=2, seed=4, steps=9000)
    assert np.array_equal(longer.sources[:4000], mixture.sources)
    assert all(np.array_equal(longer.rows(i), mixture.rows(i)) for i in (3999, 5, 1200))
