import os
from pathlib import Path

import pytest

from reir.errors import IndexNotFoundError, RootMismatchError, UsageError
from reir.indexer import IndexOptions, find_index, open_existing, open_or_create, run_index
from reir.indexer.location import data_folder, file_system, new_location
from tests.grid_colour_model import GridColourModel
from tests.indexer.galleries import fill


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data home"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


def test_a_gallery_that_can_be_written_holds_its_index(root: Path) -> None:
    assert new_location(root).db == root / ".reir"
    assert new_location(root).message is None


def test_a_read_only_gallery_has_its_index_in_the_data_folder(
    root: Path, data_home: Path, model: GridColourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, 2)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != root and allowed(path, mode))
    location = new_location(root)
    assert location.db.is_relative_to(data_home)
    assert location.db == data_folder(root)
    assert location.db != data_folder(root / "other")
    assert location.message is not None
    assert "read-only" in location.message
    assert str(location.db) in location.message
    index = open_or_create(root, model)
    report = run_index(index, model, IndexOptions(workers=0))
    assert report.new == 2
    assert not (root / ".reir").exists()
    assert find_index(root) == index.db
    assert open_or_create(root, model).db == index.db


def test_a_network_file_system_is_told_by_the_mount_table(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
        "40 22 0:35 / /mnt/my\\040photos rw shared:9 - nfs4 server:/photos rw,vers=4.2\n"
        "41 40 0:36 / /mnt/my\\040photos/local rw - xfs /dev/vdb rw\n"
    )
    assert file_system(Path("/mnt/my photos/2020"), table) == "nfs4"
    assert file_system(Path("/mnt/my photos/local/x"), table) == "xfs"
    assert file_system(Path("/mnt/my photos2"), table) == "ext4"
    assert file_system(Path("/"), tmp_path / "none") is None


def test_a_network_gallery_has_its_index_in_the_data_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reir.indexer.location.file_system", lambda path: "nfs4")
    location = new_location(root)
    assert location.db == data_folder(root)
    assert location.message is not None
    assert "network file system (nfs4)" in location.message


def test_the_index_is_found_from_below(root: Path, model: GridColourModel, monkeypatch: pytest.MonkeyPatch) -> None:
    index = open_or_create(root, model)
    below = root / "a/b"
    below.mkdir(parents=True)
    assert find_index(below) == index.db
    monkeypatch.chdir(below)
    assert find_index() == index.db
    assert find_index(db=root / ".reir") == index.db
    with pytest.raises(IndexNotFoundError, match="elsewhere"):
        find_index(db=root / "elsewhere")


def test_no_index_anywhere(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="reir index"):
        find_index(tmp_path)
    assert open_existing(tmp_path) is None


def test_a_sub_path_opens_the_index_of_its_gallery(root: Path, model: GridColourModel) -> None:
    index = open_or_create(root, model)
    (root / "sub").mkdir()
    below = open_or_create(root / "sub", model)
    assert (below.db, below.info.root) == (index.db, root)
    (root / "picture.png").touch()
    assert open_or_create(root / "picture.png", model).db == index.db


def test_an_index_elsewhere_belongs_to_one_root(root: Path, tmp_path: Path, model: GridColourModel) -> None:
    db = tmp_path / "index"
    open_or_create(root, model, db=db)
    assert open_or_create(root, model, db=db).info.root == root
    with pytest.raises(RootMismatchError, match="outside"):
        open_or_create(tmp_path, model, db=db)


def test_what_is_no_folder_gets_no_index(tmp_path: Path, model: GridColourModel) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        open_or_create(tmp_path / "none", model)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no folder"):
        open_or_create(tmp_path / "file", model)


def test_an_existing_index_needs_no_model(root: Path, model: GridColourModel) -> None:
    open_or_create(root, model)

    def none() -> GridColourModel:
        raise AssertionError("the model was asked for")

    assert open_or_create(root, none).info.model == model.identity


def test_the_index_of_a_folder_that_is_not_there_now_can_be_opened(
    root: Path, tmp_path: Path, model: GridColourModel
) -> None:
    open_or_create(root, model, db=tmp_path / "index")
    root.rmdir()
    assert open_or_create(root, model, db=tmp_path / "index").info.root == root


def test_an_index_inside_the_gallery_is_not_walked(root: Path, model: GridColourModel) -> None:
    fill(root, 2)
    index = open_or_create(root, model, db=root / "visible index")
    fill(root / "visible index", 1, first=9)
    assert run_index(index, model, IndexOptions(workers=0)).new == 2
