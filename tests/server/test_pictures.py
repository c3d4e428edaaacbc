import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from reir import Gallery
from reir.errors import ImageUnreadableError
from reir.imaging.decode import MAX_PIXELS
from reir.server.errors import ServiceError
from reir.server.files import GalleryFiles, PictureChangedError, PictureMissingError
from reir.server.pictures import Pictures, Side, View, _decode_side
from reir.store import ImageRow
from tests.grid_colour_model import GridColourModel
from tests.imaging.orientations import STORED_AS, with_orientation
from tests.search.galleries import COLOURS, paint
from tests.server.serving import index_all, serving

QUADRANTS = ("red", "green", "blue", "yellow")


def photo(path: Path, orientation: int = 1, size: tuple[int, int] = (800, 600)) -> Path:
    """A JPEG of four coloured quadrants that is stored as a camera held that way stores it."""
    upright = Image.open(paint(path.with_suffix(".png"), QUADRANTS, size))
    stored = upright.transpose(STORED_AS[orientation]) if orientation in STORED_AS else upright
    stored.save(path, quality=95, exif=with_orientation(orientation))
    path.with_suffix(".png").unlink()
    return path


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def looks(pixel: np.ndarray, colour: str) -> bool:
    return bool(np.abs(pixel - np.array(COLOURS[colour])).max() < 40)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@contextmanager
def served(root: Path) -> Iterator[TestClient]:
    photo(root / "a.jpg")
    paint(root / "small.png", QUADRANTS, (80, 60))
    index_all(root)
    with serving(root, keys=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For tests that only read."""
    with served(tmp_path_factory.mktemp("photos")) as client:
        yield client


@pytest.fixture
def changing(root: Path) -> Iterator[TestClient]:
    """For tests that change the files in ``root``."""
    with served(root) as client:
        yield client


@pytest.mark.parametrize("orientation", [1, *STORED_AS])
def test_pictures_are_upright_and_boxes_land_where_they_belong(root: Path, orientation: int) -> None:
    photo(root / "a.jpg", orientation)
    index_all(root)
    with serving(root, keys=False) as client:
        picture = client.get("/v1/images/1").json()
        assert (picture["width"], picture["height"]) == (800, 600)
        thumbnail = pixels(client.get("/v1/images/1/thumbnail?side=160").content)
        assert thumbnail.shape == (120, 160, 3)
        corners = (thumbnail[20, 20], thumbnail[20, 140], thumbnail[100, 20], thumbnail[100, 140])
        assert all(looks(pixel, colour) for pixel, colour in zip(corners, QUADRANTS, strict=True))
        for instance in picture["instances"]:
            x0, y0 = instance["box"][:2]
            colour = QUADRANTS[2 * (y0 >= 290) + (x0 >= 390)]
            crop = pixels(client.get(f"/v1/instances/{instance['instance_id']}/crop?side=160&margin=0").content)
            assert crop.shape == (120, 160, 3)
            assert looks(crop[60, 80], colour)
            url = f"/v1/images/1/annotated?side=320&instance_id={instance['instance_id']}"
            drawn = pixels(client.get(url).content)
            plain = pixels(client.get("/v1/images/1/thumbnail?side=320").content)
            rows, columns = np.nonzero(np.abs(drawn - plain).max(axis=2) > 60)
            extent = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 2.5
            assert np.abs(extent - instance["box"]).max() <= 10


def test_pictures_never_tell_where_they_were_taken(root: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (64, 48), "red").save(root / "a.jpg", exif=exif)
    index_all(root)
    with serving(root, keys=False) as client:
        assert not Image.open(io.BytesIO(client.get("/v1/images/1/thumbnail").content)).getexif()


@pytest.mark.parametrize("side", Side)
def test_each_side_is_kept_and_nothing_is_enlarged(client: TestClient, side: int) -> None:
    sizes = [pixels(client.get(f"/v1/images/{i}/thumbnail?side={side}").content).shape[:2] for i in (1, 2)]
    assert max(sizes[0]) == min(side, 800)
    assert sizes[1] == (60, 80)


@pytest.mark.parametrize("query", ["side=17", "side=0", "side=-1", "side=x", "side=", "side=1e9"])
def test_other_sides_are_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/images/1/thumbnail?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("margin", ["-0.1", "1.1", "nan", "inf", "x"])
def test_other_margins_are_refused(client: TestClient, margin: str) -> None:
    instance = client.get("/v1/images/1").json()["instances"][0]["instance_id"]
    assert client.get(f"/v1/instances/{instance}/crop?margin={margin}").status_code == 422


def test_a_margin_shows_what_is_around_and_ends_at_the_border(client: TestClient) -> None:
    instance = next(i for i in client.get("/v1/images/2").json()["instances"] if i["box"] == [0, 0, 40, 30])
    url = f"/v1/instances/{instance['instance_id']}/crop?margin="
    assert pixels(client.get(url + "0").content).shape == (30, 40, 3)
    assert pixels(client.get(url + "0.5").content).shape == (45, 60, 3)
    assert pixels(client.get(url + "1").content).shape == (60, 80, 3)


@pytest.mark.parametrize("path", ["/v1/images/{0}", "/v1/images/{0}/thumbnail", "/v1/images/{0}/annotated"])
@pytest.mark.parametrize(
    ("number", "status"), [(0, 404), (3, 404), (2**63 - 1, 404), (2**63, 422), (-1, 422), ("x", 422)]
)
def test_unknown_pictures(client: TestClient, path: str, number: object, status: int) -> None:
    answer = client.get(path.format(number))
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == {404: "not_found", 422: "invalid_request"}[status]


@pytest.mark.parametrize(
    "path", ["/v1/instances/{0}", "/v1/instances/{0}/crop", "/v1/images/1/annotated?instance_id={0}"]
)
@pytest.mark.parametrize(("number", "status"), [(0, 410), (2**63 - 1, 410), (2**32 + 8, 410), (2**63, 422), (-1, 422)])
def test_unknown_instances(client: TestClient, path: str, number: int, status: int) -> None:
    answer = client.get(path.format(number))
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == {410: "instance_gone", 422: "invalid_request"}[status]


def test_an_instance_of_another_picture_is_not_drawn(client: TestClient) -> None:
    other = client.get("/v1/images/2").json()["instances"][0]["instance_id"]
    assert client.get(f"/v1/images/1/annotated?instance_id={other}").status_code == 404


def test_an_instance_names_its_picture(client: TestClient) -> None:
    picture = client.get("/v1/images/2").json()
    instance = picture["instances"][0]
    answer = client.get(f"/v1/instances/{instance['instance_id']}").json()
    shared = ("image_id", "external_id", "path", "width", "height", "snapshot")
    assert answer == {**instance, **{name: picture[name] for name in shared}}


def test_entity_tags_stand_for_one_picture(client: TestClient) -> None:
    instances = [i["instance_id"] for i in client.get("/v1/images/1").json()["instances"]]
    urls = [
        *(f"/v1/images/{i}/{kind}" for i in (1, 2) for kind in ("thumbnail", "annotated")),
        *("/v1/images/1/thumbnail?side=640", f"/v1/images/1/annotated?instance_id={instances[0]}"),
        *(f"/v1/instances/{instance}/crop?margin={margin}" for instance in instances[:2] for margin in (0, 0.5)),
    ]
    answers = [client.get(url) for url in urls]
    assert len({answer.headers["etag"] for answer in answers}) == len(urls)
    for url, answer in zip(urls, answers, strict=True):
        etag = answer.headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = client.get(url, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert client.get(url, headers={"If-None-Match": '"other"'}).content == answer.content
        assert answer.headers["cache-control"].startswith("private, max-age=")


@pytest.mark.parametrize("url", ["/v1/images/1/thumbnail", "/v1/images/1/annotated"])
def test_a_changed_file_is_never_shown_with_what_was_known_of_the_old_one(
    changing: TestClient, root: Path, url: str
) -> None:
    instance = changing.get("/v1/images/1").json()["instances"][0]["instance_id"]
    urls = [url, f"/v1/instances/{instance}/crop"]
    etags = [changing.get(each).headers["etag"] for each in urls]  # now in the cache
    photo(root / "a.jpg", size=(600, 800))
    for each, etag in zip(urls, etags, strict=True):
        for headers in ({}, {"If-None-Match": etag}):
            answer = changing.get(each, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    index_all(root)
    answer = changing.get(url)
    assert answer.status_code == 200
    assert answer.headers["etag"] not in etags
    assert pixels(answer.content).shape[0] > pixels(answer.content).shape[1]
    assert changing.get(f"/v1/instances/{instance}/crop").status_code == 410


def test_a_touched_file_counts_as_changed(changing: TestClient, root: Path) -> None:
    os.utime(root / "a.jpg", ns=(0, 0))
    assert changing.get("/v1/images/1/thumbnail").status_code == 409


def test_a_vanished_file_is_not_shown_from_the_cache(changing: TestClient, root: Path) -> None:
    assert changing.get("/v1/images/1/thumbnail").status_code == 200
    (root / "a.jpg").unlink()
    answer = changing.get("/v1/images/1/thumbnail")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert str(root) not in answer.text


def test_a_picture_that_could_not_be_read_is_not_tried_again(root: Path) -> None:
    (root / "a.jpg").write_bytes(b"\xff\xd8 no picture")
    index_all(root)
    with serving(root, keys=False) as client:
        assert client.get("/v1/images/1").json()["status"] == "failed"
        for url in ("/v1/images/1/thumbnail", "/v1/images/1/annotated"):
            answer = client.get(url)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_image")
            assert str(root) not in answer.text


def test_a_file_that_was_damaged_without_a_trace_is_said_to_be_unreadable(changing: TestClient, root: Path) -> None:
    facts = (root / "a.jpg").stat()
    (root / "a.jpg").write_bytes(b"\xff\xd8".ljust(facts.st_size, b"x"))
    os.utime(root / "a.jpg", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    answer = changing.get("/v1/images/1/thumbnail")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_image")
    assert answer.json()["error"]["message"].startswith("a.jpg: ")


class GatedFiles(GalleryFiles):
    """Files that can be opened when the gate is; counts the openings."""

    def __init__(self, root: Path, db: Path) -> None:
        super().__init__(root, db)
        self.gate = threading.Event()
        self.opened = 0

    @contextmanager
    def open(self, facts: ImageRow) -> Iterator[BinaryIO]:
        self.opened += 1
        assert self.gate.wait(10)
        with super().open(facts) as file:
            yield file


@pytest.fixture
def rows(root: Path) -> list[ImageRow]:
    for number in range(4):
        paint(root / f"{number}.png", QUADRANTS, (80 + number, 60))
    index_all(root)
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery, gallery.reading() as snapshot:
        return list(snapshot.all_images())


def test_equal_requests_at_once_are_rendered_once(root: Path, rows: list[ImageRow]) -> None:
    files = GatedFiles(root, root / ".reir")
    pictures = Pictures(files)
    with ThreadPoolExecutor(16) as pool:
        futures = list(pool.map(lambda _: pictures.render(View(rows[0], Side.S160)), range(16)))
    files.gate.set()
    assert len({future.result(10).body for future in futures}) == 1
    assert files.opened == 1
    assert pictures.render(View(rows[0], Side.S160)).result(10) == futures[0].result()
    assert files.opened == 1
    pictures.close()


def test_too_many_requests_are_refused_and_the_others_are_answered(root: Path, rows: list[ImageRow]) -> None:
    files = GatedFiles(root, root / ".reir")
    pictures = Pictures(files, workers=1, queue=1)
    first = [pictures.render(View(row, Side.S160)) for row in rows[:2]]
    with pytest.raises(ServiceError) as refused:
        pictures.render(View(rows[2], Side.S160))
    assert (refused.value.status, refused.value.code) == (503, "overloaded")
    assert refused.value.headers is not None
    assert "Retry-After" in refused.value.headers
    files.gate.set()
    assert all(future.result(10).body for future in first)
    assert pictures.render(View(rows[2], Side.S160)).result(10).body
    pictures.close()


def test_the_cache_keeps_to_its_bytes(root: Path, rows: list[ImageRow]) -> None:
    files = GatedFiles(root, root / ".reir")
    files.gate.set()
    views = [View(row, Side.S160) for row in rows]
    size = len(Pictures(files).render(views[0]).result(10).body)
    pictures = Pictures(files, cache_bytes=2 * size + size // 2)
    for view in views:
        pictures.render(view).result(10)
    before = files.opened
    pictures.render(views[3]).result(10)
    assert files.opened == before
    pictures.render(views[0]).result(10)
    assert files.opened == before + 1
    none = Pictures(files, cache_bytes=0)
    assert none.render(views[0]).result(10) == none.render(views[0]).result(10)


def test_a_failure_is_not_kept(root: Path, rows: list[ImageRow]) -> None:
    pictures = Pictures(GalleryFiles(root, root / ".reir"))
    view = View(rows[0], Side.S160)
    (root / "0.png").rename(root / "elsewhere")
    with pytest.raises(PictureMissingError):
        pictures.render(view).result(10)
    (root / "elsewhere").rename(root / "0.png")
    assert pictures.render(view).result(10).body
    os.utime(root / "0.png")
    with pytest.raises(PictureChangedError):
        pictures.check(rows[0])


def test_a_file_that_changes_while_it_is_read_is_not_shown(root: Path, rows: list[ImageRow]) -> None:
    files = GalleryFiles(root, root / ".reir")
    opened = files.open(rows[0])
    assert opened.__enter__().read()
    with (root / "0.png").open("ab") as appended:
        appended.write(b"more")
    with pytest.raises(PictureChangedError):
        opened.__exit__(None, None, None)


def test_rows_of_failed_pictures_are_refused_before_their_file_is_opened(root: Path) -> None:
    (root / "a.png").write_bytes(b"")
    index_all(root)
    files = GatedFiles(root, root / ".reir")
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery, gallery.reading() as snapshot:
        (row,) = snapshot.all_images()
    with pytest.raises(ImageUnreadableError, match="empty"):
        Pictures(files).check(row)
    assert files.opened == 0


def test_crops_of_huge_pictures_never_decode_them_whole(rows: list[ImageRow]) -> None:
    huge = replace(rows[0], width=20_000, height=20_000)
    assert huge.width * huge.height > MAX_PIXELS
    assert _decode_side(View(huge, Side.S2048), 10.0) == 5_000
    assert _decode_side(View(replace(huge, width=4_000, height=3_000), Side.S320), 400.0) == 3_200
    assert _decode_side(View(replace(huge, width=4_000, height=3_000), Side.S320), 10.0) == 4_000
