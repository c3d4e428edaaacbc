"""The exported table holds every instance of every live picture, copies under their own path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from reir.store import Index
from tests.store.gallery import facts, some_instances


def test_every_instance_of_every_picture_is_exported(index: Index, tmp_path: Path) -> None:
    with index.writer() as writer:
        writer.add(facts("a.jpg", external_id="x"), some_instances(3, seed=1))
        writer.add(facts("gone.jpg"), some_instances(3, seed=2))
        writer.commit()
        writer.add(facts("b.jpg", "same"), some_instances(2, seed=3))
        writer.add_duplicate(facts("copy.jpg", "same"), writer.source_of("same") or 0)
        writer.add(facts("none.jpg"), some_instances(0))
        writer.fail(facts("bad.jpg"), "cause")
        writer.delete(["gone.jpg"])
        writer.commit()
    target = tmp_path / "out.parquet"
    with index.snapshot() as snapshot:
        assert snapshot.export(target) == 3 + 2 + 2
        table = pq.read_table(target)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out.parquet"]
        assert table.column_names == [
            "path", "image_id", "external_id", "instance_id", "x0", "y0", "x1", "y1", "objectness", "vector", "details",
        ]  # fmt: skip
        rows = table.to_pylist()
        assert [row["path"] for row in rows] == ["a.jpg"] * 3 + ["b.jpg", "copy.jpg"] * 2
        assert {row["external_id"] for row in rows} == {"x", None}
        for row in rows:
            kept = snapshot.instances([row["instance_id"]])
            np.testing.assert_array_equal(kept.boxes[0], [row[name] for name in ("x0", "y0", "x1", "y1")])
            np.testing.assert_array_equal(kept.vectors[0], np.array(row["vector"], np.float32))
            assert kept.objectness[0] == np.float32(row["objectness"])


def test_an_empty_index_gives_an_empty_table(index: Index, tmp_path: Path) -> None:
    with index.snapshot() as snapshot:
        assert snapshot.export(tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_failed_export_leaves_nothing(index: Index, tmp_path: Path) -> None:
    with index.snapshot() as snapshot, pytest.raises(FileNotFoundError):
        snapshot.export(tmp_path / "missing" / "out.parquet")
    assert not (tmp_path / "missing").exists()
