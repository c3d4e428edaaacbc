"""A gallery that changes picture by picture: what a reader holds open, and what is left of segments that emptied."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from reir.errors import InstanceGoneError
from reir.store import Index
from tests.store.gallery import MODEL, facts, some_instances


def open_handles() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a folder that changes while it is listed)


def segment_folders(index: Index) -> int:
    return sum(1 for _ in (index.db / "segments").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="counts the entries of /proc/self/fd")
def test_small_segments_hold_no_handles(index: Index) -> None:
    for number in range(40):
        with index.writer() as writer:
            writer.add(facts(f"{number}.jpg", str(number)), some_instances(3, seed=number))
            writer.commit()
    before = open_handles()
    with ExitStack() as stack:
        for _ in range(5):
            snapshot = stack.enter_context(index.snapshot())
            _, ids = snapshot.search(np.ones((1, MODEL.dimension), np.float32), 120)
            assert len(snapshot.instances(ids[0])) == 120
        assert open_handles() - before <= 2 * 5, "a pin each, and a connection"


def test_a_segment_of_which_nothing_is_left_goes(index: Index) -> None:
    with index.writer() as writer:
        writer.add(facts("stays.jpg", "stays"), some_instances(2))
        writer.commit()
    with index.snapshot() as snapshot:
        kept = snapshot.search(np.ones((1, MODEL.dimension), np.float32), 2)[1]
    for number in range(3):
        with index.writer() as writer:
            writer.add(facts("passes.jpg", f"passing {number}"), some_instances(2, seed=number + 1))
            writer.commit()
        with index.snapshot() as snapshot:
            ids = snapshot.search(np.ones((1, MODEL.dimension), np.float32), 4)[1][0]
            (passing,) = {int(number) >> 32 for number in ids} - {int(number) >> 32 for number in kept[0]}
            with index.writer() as writer:
                writer.delete(["passes.jpg"])
                writer.commit()
            assert len(snapshot.instances(ids)) == 4, "who reads an older snapshot still has it"
        with index.snapshot() as snapshot:
            assert snapshot.instance_count == 2
            np.testing.assert_array_equal(snapshot.search(np.ones((1, MODEL.dimension), np.float32), 2)[1], kept)
            with pytest.raises(InstanceGoneError):
                snapshot.instances(np.array([passing << 32]))
    with index.writer() as writer:
        writer.add(facts("last.jpg", "last"), some_instances(1))
        writer.commit()
    assert segment_folders(index) == 2
    assert index.check() == []
