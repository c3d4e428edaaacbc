"""The tables: migrations and definitions agree, statements use the indexes, unknown schemas are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

import reir.migrations
from reir.errors import IndexDamagedError, ModelMismatchError, RootMismatchError, UsageError
from reir.store import Index, SchemaError, writer
from reir.store.publication import LIVE
from reir.store.tables import REVISION, images, metadata, visible
from reir.types import ModelIdentity
from tests.store.gallery import MODEL, facts, some_instances


def test_migrations_make_the_tables_that_are_defined(shared_index: Index) -> None:
    with shared_index._database.read() as connection:
        made = MigrationContext.configure(connection, opts={"include_name": lambda name, *_: name != "images_ended"})
        differences = compare_metadata(made, metadata)
    assert differences == []
    versions = sorted(Path(reir.migrations.__path__[0]).joinpath("versions").glob("v*.py"))
    assert [path.name[1:5] for path in versions][-1] == REVISION


@pytest.mark.parametrize(
    "query",
    [
        writer._BY_PATH,
        writer._BY_ID,
        writer._BY_CONTENT,
        writer._BY_SOURCE,
        select(images.c.source_image_id).where(LIVE, images.c.source_image_id.in_([1, 2])),
        select(images).where(visible(images, 5), images.c.image_id.in_([1, 2])),
        select(images).where(visible(images, 5), images.c.path == "x", images.c.status != "deleted"),
        select(images).where(visible(images, 5), images.c.path >= "x", images.c.path < "y"),
        select(images).where(visible(images, 5), images.c.external_id.in_(["x"])),
    ],
    ids=str,
)
def test_no_statement_reads_all_current_rows(index: Index, query: object) -> None:
    # valid_to is the same in all current rows: an index that begins with it is as good as none.
    sql = query.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    with index._database.read() as connection:
        statement = "EXPLAIN QUERY PLAN " + str(sql)
        plan = [row[-1] for row in connection.exec_driver_sql(statement, ("1",) * str(sql).count("?"))]
    assert any("SEARCH images USING INDEX images_" in line for line in plan), plan
    assert not any("(valid_to" in line or "SCAN" in line for line in plan), plan


def test_a_newer_schema_is_refused_by_name(shared_index: Index) -> None:
    with shared_index._database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    url = shared_index._database.engine.url
    database_url = None if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=False)
    with pytest.raises(SchemaError, match=r"has the schema 9999, and this reir knows .* pip install --upgrade reir"):
        Index.open(shared_index.db, database_url=database_url)


def test_a_current_schema_is_opened_without_a_migration(index: Index) -> None:
    with patch("reir.store.database.Database.upgrade", side_effect=AssertionError("not needed")):
        Index.open(index.db)


def test_creating_again_gives_the_same_index_or_says_what_differs(tmp_path: Path, index: Index) -> None:
    root = tmp_path / "photos"
    with index.writer() as held:
        held.add(facts("a.jpg"), some_instances(1))
        held.commit()
        again = Index.create(root, db=index.db, model=MODEL)
    assert (again.latest(), again.info) == (1, index.info)
    assert index.info.root == root
    with pytest.raises(ModelMismatchError, match=rf"made by test \(finger.* anew: reir index {root} --rebuild$"):
        Index.create(root, db=index.db, model=ModelIdentity("test", "fingerprint-2", 6))
    with pytest.raises(RootMismatchError, match=r"belongs to .*photos, and .*elsewhere"):
        Index.create(tmp_path / "elsewhere", db=index.db, model=MODEL)
    with pytest.raises(UsageError, match="max_instances"):
        Index.create(root, db=index.db, model=MODEL, settings={"max_instances": 3})
    index.info.require(MODEL)
    with pytest.raises(
        ModelMismatchError, match=rf"by test .* not by other .*--model test,.* {root} --model other --reb"
    ):
        index.info.require(ModelIdentity("other", "f", 6))


def test_an_index_inside_its_gallery_moves_with_it(tmp_path: Path, index: Index) -> None:
    with index.writer() as writer:
        writer.add(facts("a.jpg"), some_instances(1))
        writer.commit()
    index.close()
    (tmp_path / "photos").rename(tmp_path / "pictures")
    moved = Index.open(tmp_path / "pictures" / ".reir")
    assert moved.info.root == tmp_path / "pictures"
    with moved.snapshot() as snapshot:
        assert snapshot.image_count == 1


def test_a_creation_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    with (
        patch("reir.store.index.sync", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        Index.create(tmp_path, db=tmp_path / ".reir", model=MODEL)
    other = ModelIdentity("other", "f", 4)
    assert Index.create(tmp_path, db=tmp_path / ".reir", model=other).info.model == other


def test_two_indexes_do_not_share_a_database(tmp_path: Path, postgres: Callable[[], str]) -> None:
    url = postgres()
    first = Index.create(tmp_path, db=tmp_path / "first", model=MODEL, database_url=url)
    with pytest.raises(UsageError, match="already holds an index"):
        Index.create(tmp_path, db=tmp_path / "second", model=MODEL, database_url=url)
    with pytest.raises(UsageError, match="Set REIR_DATABASE_URL"):
        Index.open(first.db)
    Index.create(tmp_path, db=tmp_path / "third", model=MODEL, database_url=postgres())
    with pytest.raises(IndexDamagedError, match="tables of another index"):
        Index.open(tmp_path / "third", database_url=url)


def test_the_folder_says_what_it_is(index: Index) -> None:
    marker = json.loads((index.db / "index.json").read_text())
    assert marker["about"].startswith("Index of reir")
    assert (marker["database"], marker["uid"]) == ("sqlite", index.info.uid)
