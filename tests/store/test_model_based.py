"""Random operations on an index against a plain dictionary that does the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reir.store import Index, Snapshot, Writer
from tests.store.gallery import MODEL, facts, some_instances

PATHS = st.sampled_from(["a", "b", "c/d", "c/e", "f"])
CONTENTS = st.integers(0, 5)


def instances_of_content(content: int) -> list[list[float]]:
    """A picture's instances follow from its content, as they do from a real model; content 0 has none."""
    vectors: list[list[float]] = some_instances(content, seed=content).vectors.tolist()
    return vectors


@dataclass
class Known:
    """What the dictionary knows of a picture."""

    content: int | None
    image_id: int


@dataclass
class Held:
    """A snapshot that a reader keeps, and what it showed at first."""

    snapshot: Snapshot
    pictures: dict[str, int | None] = field(default_factory=dict)


class IndexMachine(RuleBasedStateMachine):
    """The dictionary ``now`` is changed as the index is; ``published`` is a copy as of the last commit."""

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.index = Index.create(self.folder, db=self.folder / ".reir", model=MODEL)
        self.writer: Writer = self.index.writer()
        self.now: dict[str, Known] = {}
        self.published: dict[str, Known] = {}
        self.held: list[Held] = []

    @rule(path=PATHS, content=CONTENTS)
    def put(self, path: str, content: int) -> None:
        source = self.writer.source_of(str(content))
        alive = any(known.content == content for known in self.now.values())
        assert (source is not None) == alive
        if source is None:
            image_id = self.writer.add(facts(path, str(content)), some_instances(content, seed=content))
        else:
            image_id = self.writer.add_duplicate(facts(path, str(content)), source)
        self._expect(path, content, image_id)

    @rule(path=PATHS)
    def fail(self, path: str) -> None:
        self._expect(path, None, self.writer.fail(facts(path), "cause"))

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        assert self.writer.delete([path]) == (path in self.now)
        self.now.pop(path, None)

    @rule(path=PATHS, to=PATHS)
    def move(self, path: str, to: str) -> None:
        known = self.now.get(path)
        if known is not None and known.content is not None:
            self.writer.move(known.image_id, facts(to, str(known.content)))
            del self.now[path]
            self.now[to] = known

    @rule()
    def commit(self) -> None:
        before = self.index.latest()
        assert self.writer.commit() in (before, before + 1)
        self.published = dict(self.now)

    @rule(repair=st.booleans())
    def tidy(self, repair: bool) -> None:
        self.writer.close()
        if repair:
            assert self.index.repair() == []
        else:
            self.index.compact()
        self._reopen()

    @rule()
    def crash(self) -> None:
        self.writer.close()
        self._reopen()

    @rule()
    def hold(self) -> None:
        if len(self.held) < 3:
            pictures = {path: known.content for path, known in self.published.items()}
            self.held.append(Held(self.index.snapshot(), pictures))

    @rule()
    def let_go(self) -> None:
        if self.held:
            self.held.pop(0).snapshot.close()

    @invariant()
    def readers_see_what_they_opened(self) -> None:
        for held in self.held:
            self._compare(held.snapshot, held.pictures)

    @invariant()
    def the_newest_snapshot_is_what_was_committed(self) -> None:
        with self.index.snapshot() as snapshot:
            self._compare(snapshot, {path: known.content for path, known in self.published.items()})
        assert {path: known.image_id for path, known in self.writer.known_files().items()} == {
            path: known.image_id for path, known in self.now.items()
        }

    def teardown(self) -> None:
        if hasattr(self, "index"):
            for held in self.held:
                held.snapshot.close()
            self.writer.close()
            assert self.index.check() == []
            self.index.close()
            shutil.rmtree(self.folder)

    def _reopen(self) -> None:
        self.writer = self.index.writer()
        self.now = dict(self.published)

    def _expect(self, path: str, content: int | None, image_id: int) -> None:
        if path in self.now:
            assert image_id == self.now[path].image_id
        else:
            assert image_id not in {known.image_id for known in self.now.values()}
        self.now[path] = Known(content, image_id)

    def _compare(self, snapshot: Snapshot, pictures: dict[str, int | None]) -> None:
        rows = {row.path: row for row in snapshot.all_images()}
        assert rows.keys() == pictures.keys()
        contents = sorted({content for content in pictures.values() if content is not None})
        for path, content in pictures.items():
            found = snapshot.instances_of(rows[path].image_id).vectors.tolist()
            assert found == ([] if content is None else instances_of_content(content))
        wanted = [vector for content in contents for vector in instances_of_content(content)]
        _, ids = snapshot.search(some_instances(1).vectors, len(wanted) + 3)
        live = ids[0][ids[0] >= 0]
        assert sorted(snapshot.instances(live).vectors.tolist()) == sorted(wanted)
        assert snapshot.instance_count == len(wanted)
        assert snapshot.image_count == sum(content is not None for content in pictures.values())
        resolved = snapshot.resolve(np.unique(snapshot.instances(live).image_ids))
        assert all(pictures[row.path] == int(row.content_hash or -1) for row in resolved.values())


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)


@pytest.mark.slow
def test_many_more_operations() -> None:
    run_state_machine_as_test(IndexMachine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
