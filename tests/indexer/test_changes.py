"""What a run makes of files that are new, changed, moved, copied, gone or broken."""

import os
import shutil
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import Base

from reir.errors import IndexLockedError, ModelMismatchError, RootMismatchError, UsageError
from reir.indexer import IndexOptions, IndexReport, ProgressState, run_index
from reir.store import Index
from tests.grid_colour_model import GridColourModel
from tests.indexer.conftest import Update
from tests.indexer.galleries import contents, fill, paint


def counts(report: IndexReport) -> dict[str, int]:
    """The numbers of a report that are not zero."""
    names = ("new", "changed", "moved", "duplicates", "deleted", "unchanged", "failed_before")
    found = {name: getattr(report, name) for name in names} | {"failed": len(report.failed)}
    return {name: number for name, number in found.items() if number}


def image_id(index: Index, path: str) -> int:
    with index.snapshot() as snapshot:
        row = snapshot.image_by_path(path)
    assert row is not None
    return row.image_id


def test_new_then_nothing_changed(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 9)
    fill(root, 3, folder="sub/deep", first=20)
    first = update()
    assert counts(first) == {"new": 12}
    assert first.instances == 48
    assert model.extracted == 12
    assert len(contents(index)) == 12
    second = update()
    assert counts(second) == {"unchanged": 12}
    assert second.snapshot == first.snapshot
    assert model.extracted == 12


def test_no_model_is_asked_for_when_no_file_has_to_be_opened(root: Path, index: Index, update: Update) -> None:
    fill(root, 3)
    update()

    def no_model() -> GridColourModel:
        raise AssertionError("the model was asked for")

    assert counts(run_index(index, no_model, IndexOptions(workers=0))) == {"unchanged": 3}


def test_instances_are_those_of_the_model(root: Path, index: Index, update: Update) -> None:
    Image.new("RGB", (64, 32), (255, 0, 0)).save(root / "red.png")
    Image.new("RGB", (64, 32), (0, 0, 255)).save(root / "blue.png")
    update()
    model = GridColourModel()
    with index.snapshot() as snapshot:
        _, ids = snapshot.search(model.encode(["blue"]), 1)
        hit = snapshot.instances(ids[0])
        assert snapshot.images(hit.image_ids.tolist())[int(hit.image_ids[0])].path == "blue.png"
        assert hit.boxes[0].tolist() in [[0, 0, 32, 16], [32, 0, 64, 16], [0, 16, 32, 32], [32, 16, 64, 32]]


def test_file_facts_are_kept(root: Path, index: Index, update: Update) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    exif[Base.DateTime] = "2021:05:03 10:20:30"
    Image.new("RGB", (64, 32), "red").save(root / "turned.jpg", exif=exif)
    update()
    with index.snapshot() as snapshot:
        row = snapshot.image_by_path("turned.jpg")
    assert row is not None
    assert (row.width, row.height, row.orientation) == (32, 64, 6)
    assert row.taken_at == datetime(2021, 5, 3, 10, 20, 30)
    assert row.size == (root / "turned.jpg").stat().st_size
    assert row.content_hash


def test_a_changed_picture_keeps_its_id(root: Path, index: Index, update: Update) -> None:
    fill(root, 3)
    update()
    before, number = contents(index), image_id(index, "0001.png")
    paint(root / "0001.png", 77, width=64)
    assert counts(update()) == {"changed": 1, "unchanged": 2}
    after = contents(index)
    assert after["0001.png"] != before["0001.png"]
    assert after["0000.png"] == before["0000.png"]
    assert image_id(index, "0001.png") == number


def test_a_new_time_alone_is_no_change(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 2)
    update()
    os.utime(root / "0000.png", (1, 1))
    assert counts(update()) == {"unchanged": 2}
    assert model.extracted == 2
    with index.snapshot() as snapshot:
        row = snapshot.image_by_path("0000.png")
    assert row is not None
    assert row.mtime_ns == 10**9
    assert row.width == 48
    # Noted, so that the next run need not open it.
    assert update().images_per_second == 0


def test_a_change_that_keeps_size_and_time_is_found_by_verify(root: Path, index: Index, update: Update) -> None:
    bitmap = root / "picture.bmp"
    paint(bitmap, 1)
    update()
    before, facts = contents(index), bitmap.stat()
    paint(bitmap, 2)
    os.utime(bitmap, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert counts(update()) == {"unchanged": 1}
    assert contents(index) == before
    assert counts(update(verify=True)) == {"changed": 1}
    assert contents(index) != before


def test_moves_keep_ids_and_are_not_extracted(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 6, folder="old")
    update()
    before = {path: image_id(index, path) for path in contents(index)}
    (root / "old").rename(root / "new")
    assert counts(update()) == {"moved": 6}
    assert model.extracted == 6
    assert {path.replace("old", "new"): number for path, number in before.items()} == {
        path: image_id(index, path) for path in contents(index)
    }


def test_of_equal_pictures_that_moved_each_takes_the_one_of_its_name(root: Path, index: Index, update: Update) -> None:
    for name in ("b.png", "a.png"):
        paint(root / "old" / name, 5)
    update()
    before = {name: image_id(index, f"old/{name}") for name in ("a.png", "b.png")}
    (root / "old").rename(root / "new")
    assert counts(update()) == {"moved": 2}
    assert {name: image_id(index, f"new/{name}") for name in ("a.png", "b.png")} == before


def test_copies_share_instances(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 2)
    shutil.copyfile(root / "0000.png", root / "copy.png")
    assert counts(update()) == {"new": 2, "duplicates": 1}
    assert model.extracted == 2
    shutil.copyfile(root / "0000.png", root / "later.png")
    assert counts(update()) == {"duplicates": 1, "unchanged": 3}
    assert model.extracted == 2
    known = contents(index)
    assert known["copy.png"] == known["later.png"] == known["0000.png"]
    assert known["later.png"][:2] == (48, 32)
    with index.snapshot() as snapshot:
        assert snapshot.instance_count == 8


def test_a_copy_outlives_its_original(root: Path, index: Index, update: Update) -> None:
    fill(root, 4)
    shutil.copyfile(root / "0000.png", root / "copy.png")
    update()
    before = contents(index)
    (root / "0000.png").unlink()
    assert counts(update()) == {"deleted": 1, "unchanged": 4}
    assert contents(index) == {path: facts for path, facts in before.items() if path != "0000.png"}


def test_two_pictures_that_change_places(root: Path, index: Index, update: Update) -> None:
    paint(root / "a.png", 1)
    paint(root / "b.png", 2)
    update()
    before = contents(index)
    (root / "a.png").rename(root / "c")
    (root / "b.png").rename(root / "a.png")
    (root / "c").rename(root / "b.png")
    os.utime(root / "a.png", (5, 5))
    os.utime(root / "b.png", (6, 6))
    update()
    assert contents(index) == {"a.png": before["b.png"], "b.png": before["a.png"]}


def test_an_edit_that_keeps_the_original_under_another_name(root: Path, index: Index, update: Update) -> None:
    paint(root / "picture.bmp", 1)
    update()
    before = contents(index)
    (root / "picture.bmp").rename(root / "picture_original.bmp")
    paint(root / "picture.bmp", 2)
    update()
    after = contents(index)
    assert after["picture_original.bmp"] == before["picture.bmp"]
    assert after["picture.bmp"] != before["picture.bmp"]


def test_deleted_pictures_go(root: Path, index: Index, update: Update) -> None:
    fill(root, 5)
    update()
    (root / "0003.png").unlink()
    report = update()
    assert counts(report) == {"deleted": 1, "unchanged": 4}
    assert "0003.png" not in contents(index)
    assert not report.messages


def test_when_most_have_vanished_nothing_is_deleted_without_prune(root: Path, index: Index, update: Update) -> None:
    pictures = fill(root, 5)
    update()
    before = contents(index)
    for picture in pictures[:3]:
        picture.unlink()
    report = update()
    assert counts(report) == {"unchanged": 5}
    assert "3 of 5 known files" in report.messages[0]
    assert "--prune" in report.messages[0]
    assert contents(index) == before
    assert counts(update(prune=True)) == {"deleted": 3, "unchanged": 2}
    assert len(contents(index)) == 2


def test_exactly_half_may_go(root: Path, update: Update) -> None:
    pictures = fill(root, 4)
    update()
    for picture in pictures[:2]:
        picture.unlink()
    assert counts(update()) == {"deleted": 2, "unchanged": 2}


def test_a_missing_root_changes_nothing_without_prune(tmp_path: Path, model: GridColourModel) -> None:
    from reir.indexer import open_or_create

    root = tmp_path / "disk"
    fill(root, 3)
    index = open_or_create(root, model, db=tmp_path / "index")
    run_index(index, model, IndexOptions(workers=0))
    root.rename(tmp_path / "elsewhere")
    report = run_index(index, model, IndexOptions(workers=0))
    assert counts(report) == {"unchanged": 3}
    assert str(root) in report.messages[0]
    assert "not there" in report.messages[0]
    assert len(contents(index)) == 3
    assert counts(run_index(index, model, IndexOptions(prune=True))) == {"deleted": 3}
    assert contents(index) == {}


def test_broken_pictures_are_kept_with_their_cause_and_not_tried_again(
    root: Path, index: Index, model: GridColourModel, update: Update
) -> None:
    whole = paint(root / "whole.png", 1, width=400, height=300)
    (root / "cut.png").write_bytes(whole.read_bytes()[:-60])
    (root / "empty.jpg").touch()
    (root / "words.jpg").write_text("no picture at all")
    report = update()
    assert counts(report) == {"new": 1, "failed": 3}
    assert report.failed == [
        ("cut.png", "cut off: the file ends before the picture does"),
        ("empty.jpg", "the file is empty"),
        ("words.jpg", "not a picture, or its header is damaged"),
    ]
    assert contents(index)["empty.jpg"] == ("failed", "the file is empty")
    again = update()
    assert counts(again) == {"unchanged": 1, "failed_before": 3}
    assert again.images_per_second == 0
    os.utime(root / "words.jpg", (9, 9))
    assert counts(update()) == {"unchanged": 1, "failed_before": 3}
    shutil.copyfile(whole, root / "empty.jpg")
    paint(root / "words.jpg", 9)
    assert counts(update()) == {"unchanged": 1, "failed_before": 1, "changed": 1, "duplicates": 1}
    assert model.extracted == 2


def test_a_picture_that_breaks_leaves_the_index(root: Path, index: Index, update: Update) -> None:
    fill(root, 2)
    update()
    (root / "0000.png").write_bytes(b"broken")
    assert counts(update()) == {"unchanged": 1, "failed": 1}
    with index.snapshot() as snapshot:
        assert snapshot.instance_count == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_tried_again(root: Path, update: Update) -> None:
    picture = paint(root / "mine.png", 1)
    picture.chmod(0)
    assert update().failed == [("mine.png", "no permission to read it")]
    picture.chmod(0o600)
    assert counts(update()) == {"changed": 1}


def test_a_failure_without_a_hash_is_tried_again(root: Path, index: Index, update: Update) -> None:
    from reir.store import FileFacts

    picture = paint(root / "picture.png", 1)
    facts = picture.stat()
    with index.writer() as writer:
        writer.fail(FileFacts("picture.png", facts.st_size, facts.st_mtime_ns), "no permission to read it")
        writer.commit()
    assert counts(update()) == {"changed": 1}


def test_a_sub_path_updates_that_subtree_only(root: Path, index: Index, update: Update) -> None:
    fill(root, 4, folder="a")
    fill(root, 4, folder="b", first=10)
    assert counts(update(paths=[root / "a"])) == {"new": 4}
    fill(root, 1, folder="a", first=50)
    (root / "a/0000.png").unlink()
    assert counts(update(paths=[root / "a"])) == {"new": 1, "deleted": 1, "unchanged": 3}
    update()
    (root / "b/0010.png").unlink()
    assert counts(update(paths=[root / "a"])) == {"unchanged": 4}
    assert "b/0010.png" in contents(index)
    single = paint(root / "b/single.png", 99)
    assert counts(update(paths=[single])) == {"new": 1}
    single.unlink()
    assert counts(update(paths=[single, root / "b"])) == {"deleted": 2, "unchanged": 3}


def test_many_paths_are_the_same_as_one_after_the_other(root: Path, index: Index, update: Update) -> None:
    fill(root, 40, folder="a")
    fill(root, 4, folder="b", first=50)
    every = sorted(path for path in root.rglob("*.png"))
    listed = [*every[:36], root / "b"]
    assert counts(update(paths=listed)) == {"new": 40}
    assert counts(update(paths=listed)) == {"unchanged": 40}
    assert counts(update(paths=[root, *listed])) == {"new": 4, "unchanged": 40}
    every[0].unlink()
    every[-1].unlink()
    assert counts(update(paths=listed)) == {"deleted": 2, "unchanged": 38}
    assert len(contents(index)) == 42


def test_paths_that_cannot_be(root: Path, tmp_path: Path, update: Update) -> None:
    with pytest.raises(RootMismatchError, match="outside"):
        update(paths=[tmp_path])
    with pytest.raises(UsageError, match="no such file"):
        update(paths=[root / "nowhere"])
    (root / ".hidden").mkdir()
    with pytest.raises(UsageError, match="hidden"):
        update(paths=[root / ".hidden"])


def test_external_ids(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 3)
    update(external_ids={"0000.png": "asset-0"})
    update(external_ids={"0001.png": "asset-1"})
    (root / "0000.png").rename(root / "moved.png")
    paint(root / "0001.png", 44)
    update()
    with index.snapshot() as snapshot:
        assert {row.path: row.external_id for row in snapshot.all_images("indexed")} == {
            "moved.png": "asset-0",
            "0001.png": "asset-1",
            "0002.png": None,
        }
    assert model.extracted == 4


def test_a_dry_run_reports_the_same_and_writes_nothing(root: Path, index: Index, update: Update) -> None:
    fill(root, 8)
    shutil.copyfile(root / "0000.png", root / "copy.png")
    assert counts(update(dry_run=True)) == {"new": 8, "duplicates": 1}
    assert contents(index) == {}
    update()
    before = contents(index)
    (root / "0001.png").rename(root / "moved.png")
    (root / "0002.png").unlink()
    paint(root / "0003.png", 55)
    os.utime(root / "0004.png", (3, 3))
    shutil.copyfile(root / "0005.png", root / "copy2.png")
    paint(root / "new.png", 66)
    planned = update(dry_run=True)
    assert contents(index) == before
    assert counts(planned) == {"new": 1, "changed": 1, "moved": 1, "duplicates": 1, "deleted": 1, "unchanged": 6}
    assert counts(planned) == counts(update())


def test_rebuild_looks_at_everything_again(root: Path, index: Index, model: GridColourModel, update: Update) -> None:
    fill(root, 5)
    shutil.copyfile(root / "0000.png", root / "copy.png")
    update()
    before, number = contents(index), image_id(index, "0002.png")
    paint(root / "0003.png", 55)
    assert counts(update(rebuild=True)) == {"changed": 5, "duplicates": 1}
    assert model.extracted == 10
    after = contents(index)
    assert after.pop("0003.png") != before.pop("0003.png")
    assert after == before
    assert image_id(index, "0002.png") == number


def test_max_instances_keeps_the_best_and_belongs_to_the_index(root: Path) -> None:
    from reir.indexer import open_or_create

    fill(root, 2)
    model = GridColourModel(cells=4)
    index = open_or_create(root, model, max_instances=3)
    report = run_index(index, model, IndexOptions(workers=0))
    assert report.instances == 6
    with index.snapshot() as snapshot:
        kept = snapshot.instances_of(image_id(index, "0000.png"))
    from reir.imaging import decode_picture

    expected = model.extract([decode_picture(root / "0000.png").picture])[0].objectness[:3]
    assert sorted(kept.objectness.tolist(), reverse=True) == pytest.approx(expected.tolist())
    with pytest.raises(UsageError, match="keeps 3 instances a picture, not 30"):
        run_index(index, model, IndexOptions(max_instances=30))


def test_another_model_is_refused(root: Path, index: Index) -> None:
    fill(root, 1)
    other = GridColourModel(fingerprint="other")
    with pytest.raises(ModelMismatchError, match="grid-colour"):
        run_index(index, other)
    with pytest.raises(ModelMismatchError, match="grid-colour"):
        run_index(index, lambda: other)


def test_a_second_writer_is_refused(index: Index, update: Update) -> None:
    with index.writer(), pytest.raises(IndexLockedError):
        update()


def test_progress_is_told_up_to_the_end(root: Path, index: Index, model: GridColourModel) -> None:
    fill(root, 6)
    (root / "broken.png").write_bytes(b"x")
    states: list[ProgressState] = []
    run_index(index, model, IndexOptions(workers=0), progress=states.append)
    assert [states[0].phase, states[-1].phase] == ["looking", "saving"]
    assert (states[-1].done, states[-1].total, states[-1].failed) == (7, 7, 1)
    assert all(old.done <= new.done for old, new in pairwise(states) if old.phase == new.phase)


def test_an_empty_gallery(update: Update) -> None:
    assert counts(update()) == {}


def test_pictures_without_instances(root: Path, index: Index) -> None:
    import numpy as np

    from reir.types import Instances, Picture

    class Blind(GridColourModel):
        def extract(self, pictures: list[Picture]) -> list[Instances]:  # type: ignore[override]
            none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
            return [Instances(*none) for _ in pictures]

    fill(root, 2)
    assert counts(run_index(index, Blind(), IndexOptions(workers=0))) == {"new": 2}
    assert counts(run_index(index, Blind(), IndexOptions(workers=0))) == {"unchanged": 2}
