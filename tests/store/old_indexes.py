"""Makes the index that is kept for every schema, so that later versions can prove that they still read it.

Run it once when a migration is added, before the schema changes: ``python -m tests.store.old_indexes``.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from reir.store import Index
from reir.store.tables import REVISION
from tests.store.gallery import MODEL, facts, some_instances

FOLDER = Path(__file__).with_name("old")


def make() -> Path:
    """The archive of an index with three commits at the present schema: ``old/REVISION.tar.gz``."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "photos"
        root.mkdir()
        index = Index.create(root, db=root / ".reir", model=MODEL, settings={"max_instances": 30})
        with index.writer() as writer:
            writer.add(facts("a/1.jpg", width=40, height=30, external_id="one"), some_instances(3, seed=1))
            writer.add(facts("a/2.jpg", "same"), some_instances(2, seed=2))
            writer.commit()
            writer.add(facts("a/1.jpg", "changed"), some_instances(4, seed=3))
            writer.add_duplicate(facts("b/copy.jpg", "same"), writer.source_of("same") or 0)
            writer.commit()
            writer.fail(facts("bad.jpg"), "truncated")
            writer.delete(["a/2.jpg"])
            writer.commit()
        index.close()
        FOLDER.mkdir(exist_ok=True)
        return Path(shutil.make_archive(str(FOLDER / REVISION), "gztar", root_dir=temporary, base_dir="photos"))


if __name__ == "__main__":
    print(make())
