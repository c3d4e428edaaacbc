"""One stage over hits: time, order, and what becomes of hits that it cannot look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reir.protocols import Model
from reir.rerank import Kind, Look, SnapshotLook, run_stage
from reir.rerank.chain import noted
from reir.search import Searcher
from reir.store import Snapshot
from reir.types import Hit
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import make_index, paint


class Reversing:
    """Scores hits by their place, the last one best; each batch takes a second of its clock."""

    name = "reversing"
    needs_expression = False
    hits_at_once = 2

    def __init__(self, kind: Kind = "rerank", *, needs_pixels: bool = False) -> None:
        self.kind: Kind = kind
        self.needs_pixels = needs_pixels
        self.now = 0.0
        self.batches: list[int] = []

    def clock(self) -> float:
        return self.now

    def check(self, model: Model) -> None:
        """Any model will do."""

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        self.now += 1
        self.batches.append(len(hits))
        return [noted(hit, self.name, {"said": expression}, score=float(hit.rank)) for hit in hits]


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Snapshot]:
    pictures = {f"{number}.png": ("red", "green", "dark", "blue") for number in range(3)}
    with make_index(tmp_path, pictures).snapshot() as snapshot:
        yield snapshot


@pytest.fixture
def hits(snapshot: Snapshot) -> list[Hit]:
    found = Searcher(snapshot, GridColourModel()).search("red", top=7, flat=True).hits
    return [replace(hit, probability=0.5) for hit in found]


@pytest.fixture
def look(snapshot: Snapshot) -> Look:
    return SnapshotLook(snapshot, GridColourModel())


def ranks(hits: Sequence[Hit]) -> list[int]:
    return [hit.rank for hit in hits]


def test_a_rerank_stage_gives_a_new_order_and_says_how_it_moved(hits: list[Hit], look: Look) -> None:
    stage = Reversing()
    outcome = run_stage(stage, "red", hits, look, seconds=60, clock=stage.clock)
    assert ranks(outcome.hits) == [7, 6, 5, 4, 3, 2, 1]
    assert stage.batches == [2, 2, 2, 1]
    assert outcome.hits[0].stages == {"reversing": {"said": "red", "place_before": 7, "place": 1}}
    assert {hit.probability for hit in outcome.hits} == {None}
    assert outcome.milliseconds == 4000
    assert outcome.warnings == ()


def test_a_stage_stops_when_its_time_is_over(hits: list[Hit], look: Look) -> None:
    stage = Reversing()
    outcome = run_stage(stage, "red", hits, look, seconds=1.5, clock=stage.clock)
    assert ranks(outcome.hits) == [4, 3, 2, 1, 5, 6, 7]
    assert outcome.warnings == ("reversing ran out of time after 1.5 s: it looked at 4 of 7 hits",)
    assert outcome.hits[-1].stages["reversing"] == {"place_before": 7, "place": 7}
    assert outcome.hits[-1].probability == 0.5


def test_one_batch_is_always_looked_at(hits: list[Hit], look: Look) -> None:
    stage = Reversing()
    assert ranks(run_stage(stage, "red", hits, look, seconds=1e-9, clock=stage.clock).hits) == [2, 1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", ["refine", "mask"])
def test_other_stages_leave_the_order(hits: list[Hit], look: Look, kind: Kind) -> None:
    stage = Reversing(kind)
    outcome = run_stage(stage, None, hits, look, seconds=1.5, clock=stage.clock)
    assert ranks(outcome.hits) == [1, 2, 3, 4, 5, 6, 7]
    assert [hit.score for hit in outcome.hits[:4]] == [1, 2, 3, 4]
    assert outcome.hits[0].stages == {"reversing": {"said": ""}}
    assert outcome.hits[6] == hits[6]


def test_hits_of_lost_and_changed_pictures_stand_below_and_say_why(
    hits: list[Hit], look: Look, snapshot: Snapshot
) -> None:
    root = Path(snapshot.info.root)
    lost, changed = hits[0].path, next(hit.path for hit in hits if hit.path != hits[0].path)
    (root / lost).unlink()
    paint(root / changed, ("blue", "blue", "red", "red"))  # of the same size
    stage = Reversing(needs_pixels=True)
    outcome = run_stage(stage, "red", hits, look, seconds=60, clock=stage.clock)
    told = {hit.path: hit.stages["reversing"].get("error") for hit in outcome.hits}
    assert told[lost] == "No such file or directory"
    assert told[changed] == "it has changed since it was indexed"
    unread = [hit for hit in outcome.hits if "error" in hit.stages["reversing"]]
    assert list(outcome.hits[-len(unread) :]) == unread
    assert outcome.warnings == (f"reversing could not read the pictures of {len(unread)} of 7 hits",)


def test_no_hits_are_no_work(look: Look) -> None:
    stage = Reversing()
    assert run_stage(stage, "red", [], look, seconds=1, clock=stage.clock).hits == ()
    assert stage.batches == []


def test_a_stage_that_goes_step_by_step_is_told_when_its_time_is_over(hits: list[Hit], look: Look) -> None:
    asked: list[bool] = []

    class Stepping(Reversing):
        def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
            while not look.out_of_time():
                asked.append(False)
                self.now += 1
            return list(hits)

    stage = Stepping("refine")
    run_stage(stage, "red", hits, look, seconds=3, clock=stage.clock)
    assert len(asked) == 3


def test_neighbours_are_all_instances_of_each_hits_picture(hits: list[Hit], look: Look, snapshot: Snapshot) -> None:
    around = look.neighbours(hits)
    assert len(around) == len(hits)
    for hit, neighbours in zip(hits, around, strict=True):
        assert hit.instance_id in neighbours.instance_ids
        plain = snapshot.instances_of(hit.image_id)
        np.testing.assert_array_equal(neighbours.instance_ids, plain.instance_ids)
        np.testing.assert_array_equal(neighbours.vectors, plain.vectors)
    assert look.neighbours([]) == []


def test_a_stage_that_ended_early_within_its_last_batch_is_told(hits: list[Hit], look: Look) -> None:
    class Stepping(Reversing):
        hits_at_once = 7

        def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
            self.now += 2
            return list(hits) if look.out_of_time() else super().look(expression, hits, look)

    stage = Stepping("refine")
    outcome = run_stage(stage, "red", hits, look, seconds=1, clock=stage.clock)
    assert outcome.warnings == ("reversing ran out of time after 1 s: it ended with what it had",)
    assert run_stage(stage, "red", hits, look, seconds=9, clock=stage.clock).warnings == ()


def test_a_stage_with_networks_gets_pictures_as_large_as_it_wants(hits: list[Hit], look: Look) -> None:
    sides: list[int] = []

    class Sharp(Reversing):
        decode_side = 72

        def prepare(self) -> None:
            """Nothing to load."""

        def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
            sides.extend(max(look.picture(hit).pixels.shape) for hit in hits)
            return super().look(expression, hits, look)

    assert GridColourModel().decode_side == 64
    run_stage(Sharp(needs_pixels=True), "red", hits[:1], look, seconds=9)
    run_stage(Reversing(needs_pixels=True), "red", hits[:1], look, seconds=9)
    assert (sides, max(look.picture(hits[0]).pixels.shape)) == ([72], 64)
