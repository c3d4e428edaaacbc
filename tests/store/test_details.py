"""What a model knows of an instance beside box and vector stays with it through everything that moves rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from reir.errors import InstanceGoneError
from reir.store import Index, Snapshot
from reir.store.details import Details
from reir.types import Instances
from tests.store.gallery import facts, some_instances


def with_details(count: int, seed: int, *known: Mapping[str, Any]) -> Instances:
    return dataclasses.replace(some_instances(count, seed), details=known)


def told(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    return {
        row.path: snapshot.details(snapshot.instances_of(row.image_id).instance_ids)
        for row in snapshot.all_images("indexed")
    }


MASK = {"mask": {"size": [4, 5], "counts": "44k0"}}
CAPTION = {"caption": "ein Hündchen 🐶", "phrases": ["a dog", "a cat"], "phrase_cosines": [0.25, -0.5]}


@pytest.fixture
def filled(index: Index) -> Index:
    with index.writer() as writer:
        writer.add(facts("a.jpg"), with_details(2, 1, MASK, CAPTION))
        writer.add(facts("gone.jpg"), with_details(1, 2, MASK))
        writer.commit()
        writer.add(facts("plain.jpg"), some_instances(2, 3))
        writer.commit()
        writer.add(facts("b.jpg"), with_details(3, 4, {}, CAPTION, {}))
        writer.add(facts("also_plain.jpg"), some_instances(1, 5))
        writer.delete(["gone.jpg"])
        writer.commit()
    return index


EXPECTED = {"a.jpg": [MASK, CAPTION], "plain.jpg": [{}, {}], "b.jpg": [{}, CAPTION, {}], "also_plain.jpg": [{}]}


def test_details_are_read_by_instance_id(filled: Index) -> None:
    with filled.snapshot() as snapshot:
        assert told(snapshot) == EXPECTED
        assert snapshot.details([]) == []
        with pytest.raises(InstanceGoneError):
            snapshot.details([77 << 32])


def test_compaction_keeps_them_and_understands_old_ids(filled: Index) -> None:
    with filled.snapshot() as snapshot:
        ids = np.concatenate([block.instance_ids for block in snapshot.blocks()])
        before = snapshot.details(ids)
    filled.compact()
    with filled.snapshot() as snapshot:
        assert told(snapshot) == EXPECTED
        assert snapshot.details(ids) == before
    assert filled.check() == []


@pytest.mark.parametrize("name", ["detail_ends.npy", "detail_text.npy", "instances.parquet"])
def test_a_damaged_file_is_found_and_made_again(filled: Index, name: str) -> None:
    path = min((filled.db / "segments").glob(f"*/{name}"))
    path.write_bytes(path.read_bytes()[:-3])
    assert any(name in finding.path for finding in filled.check())
    filled.repair()
    assert filled.check() == []
    with filled.snapshot() as snapshot:
        assert told(snapshot) == EXPECTED


def test_they_are_exported_as_json(filled: Index, tmp_path: Path) -> None:
    with filled.snapshot() as snapshot:
        snapshot.export(tmp_path / "out.parquet")
    rows = pq.read_table(tmp_path / "out.parquet", columns=["path", "details"]).to_pylist()
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["path"], []).append(json.loads(row["details"]) if row["details"] else {})
    assert found == EXPECTED


def test_what_is_not_json_is_refused_before_anything_is_stored(index: Index) -> None:
    with index.writer() as writer:
        for wrong in ({"mask": object()}, {"score": float("nan")}):
            with pytest.raises(ValueError, match="JSON"):
                writer.add(facts("a.jpg"), with_details(1, 1, wrong))
        assert writer.known_files() == {}


def test_rows_are_taken_and_joined_in_order() -> None:
    details = Details.of([{"a": 1}, {}, {"b": "ü"}])
    assert details.take(np.array([2, 0, 0])).json_text(0) == json.dumps({"b": "ü"})
    joined = Details.concatenate([details, Details.none(2), details])
    assert [joined.json_object(row) for row in range(8)] == [{"a": 1}, {}, {"b": "ü"}, {}, {}, {"a": 1}, {}, {"b": "ü"}]
