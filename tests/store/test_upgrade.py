"""Indexes of every former schema are opened, brought up to date, and used."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

import reir.migrations
from reir.errors import IndexLockedError
from reir.store import Index
from reir.store.tables import REVISION
from tests.store.gallery import MODEL, contents, facts, some_instances
from tests.store.old_indexes import FOLDER

ARCHIVES = sorted(FOLDER.glob("*.tar.gz"))


def test_an_index_is_kept_for_every_schema() -> None:
    versions = sorted(Path(reir.migrations.__path__[0]).joinpath("versions").glob("v*.py"))
    assert [path.name[:4] for path in ARCHIVES] == [path.name[1:5] for path in versions]
    assert len(versions) >= 1


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_an_old_index_is_read_searched_and_written(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    index = Index.open(tmp_path / "photos" / ".reir")
    assert index.check() == []
    index.info.require(MODEL)
    assert index.info.root == tmp_path / "photos"
    expected = {
        "a/1.jpg": ("indexed", some_instances(4, seed=3).vectors.tolist()),
        "b/copy.jpg": ("indexed", some_instances(2, seed=2).vectors.tolist()),
        "bad.jpg": ("failed", []),
    }
    with index.snapshot() as snapshot:
        assert (snapshot.number, contents(snapshot)) == (3, expected)
        row = snapshot.image_by_path("a/1.jpg")
        assert row is not None
        assert (row.image_id, row.external_id) == (1, "one")
        assert snapshot.search(some_instances(4, seed=3).vectors[2:3], 1)[1][0][0] >> 32 == 2
    with index.writer() as writer:
        writer.add(facts("new.jpg"), some_instances(2, seed=9))
        assert writer.commit() == 4
    assert index.compact() == 5
    assert index.check() == []


def test_a_new_migration_is_run_once_when_an_index_is_opened(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index.writer() as writer:
        writer.add(facts("a.jpg"), some_instances(2))
        writer.commit()
    folder = tmp_path / "migrations"
    shutil.copytree(reir.migrations.__path__[0], folder)
    (folder / "versions" / "v9000_note.py").write_text(
        f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9000", "{REVISION}", None, None


def upgrade():
    op.add_column("images", sa.Column("note", sa.Text))
    op.execute("UPDATE images SET note = 'upgraded'")
'''
    )
    monkeypatch.setattr(reir.migrations, "__path__", [str(folder)])
    monkeypatch.setattr("reir.store.index.REVISION", "9000")
    with index.writer(), pytest.raises(IndexLockedError):
        Index.open(index.db)
    upgraded = Index.open(index.db)
    assert upgraded._database.revision() == "9000"
    with upgraded._database.read() as connection:
        assert connection.exec_driver_sql("SELECT note FROM images").all() == [("upgraded",)]
    with upgraded.snapshot() as snapshot:
        assert snapshot.instance_count == 2


def test_a_migration_that_fails_changes_nothing(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(reir.migrations.__path__[0], folder)
    (folder / "versions" / "v9000_broken.py").write_text(
        f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9000", "{REVISION}", None, None


def upgrade():
    op.add_column("images", sa.Column("note", sa.Text))
    raise RuntimeError("half way")
'''
    )
    with monkeypatch.context() as patch:
        patch.setattr(reir.migrations, "__path__", [str(folder)])
        patch.setattr("reir.store.index.REVISION", "9000")
        with pytest.raises(RuntimeError, match="half way"):
            Index.open(index.db)
    again = Index.open(index.db)
    with again._database.read() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(images)")]
    assert "note" not in columns
