"""The door for other software, on real galleries: search, add, remove, several threads at once."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reir
from reir import Gallery, Picture, ReirError
from reir.errors import (
    ImageUnreadableError,
    IndexNotFoundError,
    InstanceGoneError,
    ModelMismatchError,
    RootMismatchError,
    SnapshotGoneError,
    UsageError,
)
from reir.indexer import ProgressState
from reir.models import load_model
from reir.search import Cursor, SearchRequest
from reir.store import Index
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index, paint

PICTURES: dict[str, Quadrants] = {
    "a/red.png": ("red", "green", "blue", "dark"),
    "a/yellow.png": ("yellow", "green", "blue", "blue"),
    "b/no-red.png": ("green", "blue", "green", "blue"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, quadrants in PICTURES.items():
        paint(tmp_path / "gallery" / path, quadrants)
    return tmp_path / "gallery"


@pytest.fixture
def gallery(root: Path) -> Iterator[Gallery]:
    index = make_index(root, PICTURES)
    index.close()
    with Gallery.open(root / ".reir", model=GridColourModel()) as opened:
        yield opened


def paths(result: reir.SearchResult) -> list[str]:
    return list(dict.fromkeys(hit.path for hit in result.hits))


def test_create_add_search_and_open_again(root: Path) -> None:
    with Gallery.create(root, model=GridColourModel()) as gallery:
        assert gallery.search("red").hits == ()
        report = gallery.add(["."], workers=0)
        assert (report.new, report.failed) == (3, [])
        assert paths(gallery.search("red", top=2)) == ["a/red.png", "a/yellow.png"]
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery:
        assert gallery.root == root
        assert gallery.db == root / ".reir"
        assert paths(gallery.search("red", top=1)) == ["a/red.png"]
        info = gallery.info()
        assert (info.images, info.instances, info.failed, info.snapshot) == (3, 12, 0, 1)
        assert info.model.name == "grid-colour"
        assert info.bytes > 1000
        assert info.to_json()["root"] == str(root)


def test_every_filter_reaches_the_search(gallery: Gallery) -> None:
    gallery.add(["b"], external_ids={"b/no-red.png": "asset-9"})
    assert paths(gallery.search("red", path_prefix="b/")) == ["b/no-red.png"]
    assert paths(gallery.search("red", external_ids=["asset-9"])) == ["b/no-red.png"]
    assert gallery.search("red", external_ids=["asset-9"]).hits[0].external_id == "asset-9"
    assert paths(gallery.search("red", image_ids=[2])) == ["a/yellow.png"]
    assert paths(gallery.search("red", min_score=0.9)) == ["a/red.png"]
    assert len(gallery.search("red", top=5, flat=True).hits) == 5
    assert gallery.search("red", image_ids=[]).hits == ()


def test_an_example_may_be_a_file_a_pillow_image_or_a_picture(gallery: Gallery, tmp_path: Path) -> None:
    crop = paint(tmp_path / "crop.png", ("yellow",) * 4, (20, 20))
    image = Image.open(crop)
    picture = Picture(np.asarray(image.convert("RGB")), 20, 20)
    answers = [gallery.search(image=example).hits for example in (crop, str(crop), image, picture)]
    assert answers[0][0].path == "a/yellow.png"
    assert all(hits == answers[0] for hits in answers)


def test_a_pillow_example_is_read_as_its_file_is(gallery: Gallery, tmp_path: Path) -> None:
    """Half transparent, and stored sideways."""
    image = Image.new("RGBA", (20, 10), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "clear.png", exif=exif)
    opened = Image.open(tmp_path / "clear.png")
    assert gallery.search(image=opened).hits == gallery.search(image=tmp_path / "clear.png").hits


def test_copies_share_their_objects_and_are_found_once(gallery: Gallery, root: Path) -> None:
    shutil.copy(root / "a/red.png", root / "b/copy.png")
    # Read as a copy only if the index knows the real content of the original.
    gallery.remove(["a/red.png"])
    assert gallery.add(["a/red.png", "b/copy.png"], workers=0).duplicates == 1
    hits = gallery.search("red", flat=True).hits
    assert [hit.path for hit in hits if hit.score > 0.9] == ["a/red.png"]
    (copy,) = [hit for hit in gallery.search("red", path_prefix="b/", flat=True).hits if hit.score > 0.9]
    assert (copy.path, copy.box) == ("b/copy.png", (0, 0, 40, 30))
    gallery.remove(["a/red.png"])
    assert gallery.search("red").hits[0].path == "b/copy.png"


def test_exactly_one_query(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="exactly one"):
        gallery.search()
    with pytest.raises(UsageError, match="exactly one"):
        gallery.search("red", vector=np.zeros(3, dtype=np.float32))


def test_a_broken_example_is_told(gallery: Gallery, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(ImageUnreadableError, match=r"broken\.jpg"):
        gallery.search(image=broken)


def test_like_finds_the_instance_itself_and_its_like(gallery: Gallery) -> None:
    red = gallery.search("red", flat=True).hits[0]
    alike = gallery.like(red.instance_id, flat=True, top=2)
    assert [hit.path for hit in alike.hits] == ["a/red.png", "a/yellow.png"]
    assert alike.hits[0].instance_id == red.instance_id
    assert alike.expression is None
    assert paths(gallery.like(red.instance_id, path_prefix="b/")) == ["b/no-red.png"]


def test_like_an_instance_that_is_gone(gallery: Gallery) -> None:
    red = gallery.search("red").hits[0]
    gallery.remove([red.path])
    with pytest.raises(InstanceGoneError, match=str(red.instance_id)):
        gallery.like(red.instance_id)
    with pytest.raises(InstanceGoneError):
        gallery.like(987654321)


def test_add_one_file_with_an_id_of_yours(gallery: Gallery, root: Path) -> None:
    paint(root / "c/new.png", ("red",) * 4)
    paint(root / "c/other.png", ("red",) * 4, (90, 60))
    states: list[ProgressState] = []
    report = gallery.add(["c/new.png"], external_ids={"c/new.png": "asset-1"}, progress=states.append)
    assert (report.new, report.unchanged) == (1, 0)
    assert states[-1].done == 1
    assert [hit.external_id for hit in gallery.search("red", path_prefix="c/").hits] == ["asset-1"] * 4


def test_paths_may_be_absolute_relative_to_the_root_or_to_the_working_folder(
    gallery: Gallery, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "a")
    paint(root / "a/here.png", ("red",) * 4)
    assert gallery.add(["here.png"], workers=0).new == 1
    assert gallery.remove(["here.png"]) == 1
    assert gallery.remove(["a/red.png"]) == 1
    assert gallery.remove([root / "a/yellow.png"]) == 1
    assert paths(gallery.search("red")) == ["b/no-red.png"]


def test_remove_a_folder_and_nothing_else(gallery: Gallery, root: Path) -> None:
    paint(root / "ab.png", ("red",) * 4)
    paint(root / "a b/c.png", ("red",) * 4, (90, 60))
    gallery.add([root], workers=0)
    assert gallery.remove(["a"]) == 2
    assert sorted(paths(gallery.search("red"))) == ["a b/c.png", "ab.png", "b/no-red.png"]
    assert gallery.remove(["a"]) == 0
    assert (root / "a/red.png").exists()
    assert gallery.remove([root]) == 3


def test_a_path_outside_the_root_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    outside = paint(tmp_path / "outside.png", ("red",) * 4)
    with pytest.raises(RootMismatchError, match="outside"):
        gallery.add([outside], workers=0)
    with pytest.raises(RootMismatchError):
        gallery.remove(["../outside.png"])


def test_another_process_commits_and_the_next_search_sees_it(gallery: Gallery, root: Path) -> None:
    with Gallery.open(gallery.db, model=GridColourModel()) as other:
        paint(root / "z.png", ("red",) * 4)
        other.add(["z.png"], workers=0)
    assert "z.png" in paths(gallery.search("red"))


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="reir index"):
        Gallery.open(tmp_path)


def test_another_model_is_refused_at_once(gallery: Gallery) -> None:
    with pytest.raises(ModelMismatchError, match="grid-colour"):
        Gallery.open(gallery.db, model=GridColourModel(fingerprint="other"))


def test_the_model_is_not_needed_to_look_after_an_index(gallery: Gallery) -> None:
    """The index names a model that no registry knows; only searching asks for it."""
    with Gallery.open(gallery.db) as unloaded:
        assert unloaded.info().images == 3
        assert unloaded.remove(["a/red.png"]) == 1
        with pytest.raises(ReirError, match="grid-colour"):
            unloaded.search("red")


def test_a_closed_gallery_says_so(root: Path) -> None:
    gallery = Gallery.create(root, model=GridColourModel())
    gallery.close()
    gallery.close()
    with pytest.raises(ValueError, match="closed"):
        gallery.search("red")


class Noticed(GridColourModel):
    @property
    def notice(self) -> str:
        return "this model knows five colours"


def test_the_models_notice_comes_first_among_the_warnings(root: Path) -> None:
    with Gallery.create(root, model=Noticed()) as gallery:
        result = gallery.search("red zeppelin")
    assert result.warnings == ("this model knows five colours", "words this model does not know: zeppelin")
    assert result.to_json()["warnings"] == list(result.warnings)


def test_json_contract(gallery: Gallery) -> None:
    record = gallery.search("red", top=1).to_json()
    keys = ["expression", "model", "snapshot", "no_match", "next_cursor", "timings_ms", "warnings", "hits"]
    assert list(record) == keys
    assert set(record["hits"][0]) == {
        *("rank", "score", "probability", "image_id", "external_id", "path", "width", "height", "box"),
        *("objectness", "instance_id", "mask", "stages"),
    }
    assert record["hits"][0]["box"] == [0.0, 0.0, 40.0, 30.0]


def test_searches_run_beside_additions_and_removals(tmp_path: Path) -> None:
    """Every answer is whole: it is that of some snapshot, however many threads add and remove meanwhile."""
    root = tmp_path / "gallery"
    index = make_index(root, {f"{n:02d}.png": ("red", "dark", "dark", "dark") for n in range(4)})
    index.close()
    added = [f"new-{n}.png" for n in range(6)]
    for name in added:
        paint(root / name, ("red", "red", "red", "red"), (80 + 2 * int(name[4]), 60))
    wrong: list[str] = []
    done = threading.Event()
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery:
        seen: set[int] = set()

        def search() -> None:
            last = 0
            while not done.is_set():
                result = gallery.search("red", top=100, flat=True)
                boxes = {path: sum(hit.path == path for hit in result.hits) for path in paths(result)}
                if any(count != 4 for count in boxes.values()) or len(boxes) < 4:
                    wrong.append(f"snapshot {result.snapshot}: {boxes}")
                if result.snapshot < last:
                    wrong.append(f"snapshot {result.snapshot} after {last}")
                last = result.snapshot
                seen.add(result.snapshot)

        with ThreadPoolExecutor(4) as pool:
            searches = [pool.submit(search) for _ in range(3)]
            writers = [pool.submit(lambda name=name: gallery.add([name], workers=0)) for name in added]
            for writer in writers:
                writer.result()
            assert gallery.remove(added[:2]) == 2
            done.set()
            for running in searches:
                running.result()
        assert wrong == []
        assert len(seen) > 1
        final = gallery.search("red", top=100, flat=True)
        assert sorted(paths(final)) == sorted([f"{n:02d}.png" for n in range(4)] + added[2:])


def test_a_gallery_lets_go_of_old_snapshots(gallery: Gallery, root: Path) -> None:
    """Superseded files must not stay because a long-lived service once looked at them."""
    for number in range(3):
        paint(root / f"{number}.png", ("red",) * 4, (80 + 2 * number, 60))
        gallery.add([f"{number}.png"], workers=0)
    assert len(gallery._current._held) == 1


def test_a_gallery_follows_its_index_to_another_model(root: Path, tmp_path: Path) -> None:
    """Another process may rebuild the index with other weights while this one answers."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(Path(reir.__file__).parent / "models/weights/clare-tiny", folder)
    config = json.loads((folder / "config.json").read_text())
    config["serving"]["min_objectness"] = 0.01
    (folder / "config.json").write_text(json.dumps(config))
    with Gallery.create(root, model="clare-tiny", device="cpu") as maker:
        db = maker.db
    with Gallery.open(db, device="cpu", keep_snapshots=60) as gallery, Gallery.open(db, model="clare-tiny") as stubborn:
        assert gallery.search("red").model == "clare-tiny"
        cursor = Cursor(0, SearchRequest("red").conditions, 1, 0.5, 1, gallery.model.encode(["red"])[0]).encode()
        other = load_model(f"clare:{folder}", device="cpu")
        Index.create(root, db=db, model=other.identity, settings={"max_instances": 30}, replace=True).close()
        found = gallery.search("red")
        assert found.model == other.identity.name
        assert gallery.model.identity == other.identity == gallery.info().model
        with pytest.raises(SnapshotGoneError):
            gallery.search(cursor=cursor)
        with pytest.raises(ModelMismatchError):
            stubborn.search("red")
