import os
from pathlib import Path

import pytest

from reir.indexer.walk import Walk


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def walked(root: Path, start: str = "", **options: object) -> list[str]:
    return [file.path for file in Walk(root, **options).files(start)]  # type: ignore[arg-type]


def test_pictures_by_their_ending_in_sorted_order(root: Path) -> None:
    touch(root, "b.JPG", "a.png", "words.txt", "c.heic", "noending", ".jpg", "z/a.webp", "d/b.gif", "d/e/a.tif")
    assert walked(root) == ["a.png", "b.JPG", "c.heic", "d/b.gif", "d/e/a.tif", "z/a.webp"]


def test_size_and_time_are_those_of_the_file(root: Path) -> None:
    touch(root, "a.png")
    os.utime(root / "a.png", ns=(5, 1234567890123456789))
    (file,) = Walk(root).files()
    assert (file.size, file.mtime_ns) == (1, 1234567890123456789)


def test_hidden_system_and_excluded_folders_are_skipped(root: Path) -> None:
    touch(root, "a.png", ".hidden/a.png", ".hidden.png", ".reir/a.png", "@eaDir/a.png", "__MACOSX/a.png")
    touch(root, "trash/a.png", "keep/trash/a.png", "keep/no/a.png", "other/no/a.png", "index/a.png")
    assert walked(root, exclude_dirs=["trash", "keep/no/"], index_folder=root / "index") == ["a.png", "other/no/a.png"]


def test_links(root: Path, tmp_path: Path) -> None:
    touch(root, "real/a.png")
    touch(tmp_path, "outside/b.png")
    (root / "inside.png").symlink_to(root / "real/a.png")
    (root / "out.png").symlink_to(tmp_path / "outside/b.png")
    (root / "nowhere.png").symlink_to(root / "none.png")
    (root / "itself.png").symlink_to(root / "itself.png")
    (root / "folder").symlink_to(root / "real")
    (root / "circle").symlink_to(root)
    (root / "outfolder").symlink_to(tmp_path / "outside")
    assert walked(root) == ["inside.png", "real/a.png"]


def test_a_folder_or_a_file_to_begin_with(root: Path) -> None:
    touch(root, "a.png", "d/b.png", "d/e/c.png", "f/g.png", "d.png")
    assert walked(root, "d") == ["d/b.png", "d/e/c.png"]
    assert walked(root, "d/e/c.png") == ["d/e/c.png"]
    assert walked(root, "gone") == []


def test_names_that_are_no_text_are_told(root: Path) -> None:
    try:
        (root / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    touch(root, "café.jpg", "写真.png")
    walk = Walk(root)
    assert [file.path for file in walk.files()] == ["café.jpg", "写真.png"]
    assert walk.unnameable == ["caf\\xe9.jpg"]


def test_special_files_are_no_pictures(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    touch(root, "folder.jpg/a.jpg")
    assert walked(root) == ["folder.jpg/a.jpg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_folders_that_may_not_be_listed_are_told(root: Path) -> None:
    touch(root, "open/a.png", "shut/b.png")
    (root / "shut").chmod(0)
    walk = Walk(root)
    try:
        assert [file.path for file in walk.files()] == ["open/a.png"]
    finally:
        (root / "shut").chmod(0o700)
    assert walk.unreadable == ["shut"]
