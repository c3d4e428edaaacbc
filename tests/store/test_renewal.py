"""An index given to another model keeps its pictures' ids and undisturbed readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from reir.errors import IndexLockedError, ModelMismatchError
from reir.store import Index
from reir.types import ModelIdentity
from tests.store.gallery import MODEL, contents, facts, some_instances

OTHER = ModelIdentity("other", "fingerprint-9", 4)


def test_pictures_keep_their_ids_and_wait_to_be_read(shared_index: Index, tmp_path: Path) -> None:
    url = shared_index._database.engine.url
    database_url = None if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=False)

    def create(model: ModelIdentity, *, replace: bool) -> Index:
        root = tmp_path / "photos"
        return Index.create(root, db=shared_index.db, model=model, database_url=database_url, replace=replace)

    with shared_index.writer() as writer:
        image_id = writer.add(facts("a.jpg", external_id="mine", width=4, height=3), some_instances(3))
        writer.add(facts("gone.jpg"), some_instances(2))
        writer.fail(facts("bad.jpg"), "cause")
        writer.commit()
        writer.delete(["gone.jpg"])
        writer.commit()
        with pytest.raises(IndexLockedError):
            create(OTHER, replace=True)
    assert create(MODEL, replace=True).latest() == 2, "the same model: nothing to replace"
    with pytest.raises(ModelMismatchError):
        create(OTHER, replace=False)
    with shared_index.snapshot() as reader:
        before = contents(reader)
        old_id = reader.instances_of(image_id).instance_ids[0]
        renewed = create(OTHER, replace=True)
        assert (renewed.info.model, renewed.info.root, renewed.latest()) == (OTHER, shared_index.info.root, 3)
        assert renewed.check() == []
        with renewed.writer() as writer:
            known = writer.known_files()
            assert known.keys() == {"a.jpg", "bad.jpg"}
            assert (known["a.jpg"].mtime_ns, known["a.jpg"].content_hash) == (-1, None)
            assert writer.add(facts("a.jpg"), some_instances(2, dimension=4)) == image_id
            writer.commit()
        assert contents(reader) == before
        assert (reader.search(some_instances(1).vectors, 9)[1] >= 0).sum() == 3
    for stale in (shared_index.snapshot, shared_index.writer):
        with pytest.raises(ModelMismatchError, match=r"made by other .* not by test"):
            stale()
    with renewed.snapshot() as snapshot:
        row = snapshot.image_by_path("a.jpg")
        assert row is not None
        assert (row.external_id, row.instance_count, snapshot.failed_count) == ("mine", 2, 1)
        assert old_id not in snapshot.search(some_instances(1, dimension=4).vectors, 9)[1]
    renewed.writer().close()
    assert len(list((renewed.db / "segments").iterdir())) == 1
