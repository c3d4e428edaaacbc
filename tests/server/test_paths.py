"""Tricks with paths: whatever a client or the disk says, nothing outside the gallery is shown or indexed."""

import http.client
import io
import json
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reir import Gallery
from reir.imaging import SUFFIXES, decode_picture
from reir.server import ServiceSettings, create_app
from reir.server.files import GalleryFiles, NoPictureNameError, PictureMissingError, RefusedPathError, safe_name
from reir.store import FileFacts, ImageRow, Index
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import paint
from tests.server.serving import ADMINISTRATOR, finished, index_all, key_file, serving
from tests.serving import running

SECRET = (255, 0, 255)
"""The colour of the one picture outside the gallery; no picture inside has it."""


def secret(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), SECRET).save(path)
    return path


def is_secret(content: bytes) -> bool:
    red, green, blue = Image.open(io.BytesIO(content)).convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return bool(red > 200 and green < 60 and blue > 200)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A gallery, a picture beside it, and links of every kind from the one to the other."""
    root = tmp_path / "photos"
    paint(root / "in.png", ("red", "green", "blue", "yellow"))
    paint(root / "folder" / "deep.png", ("green", "red", "blue", "yellow"))
    secret(tmp_path / "outside" / "secret.png")
    secret(tmp_path / "photos-of-others" / "secret.png")
    secret(root / ".hidden" / "secret.png")
    index_all(root)
    (root / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "folder" / "up").symlink_to(tmp_path)
    (root / "relative.png").symlink_to("../outside/secret.png")
    (root / "loop.png").symlink_to("loop.png")
    (root / "dangling.png").symlink_to("nothing.png")
    (root / "inner.png").symlink_to("folder/deep.png")
    (root / "inner").symlink_to("folder")
    os.mkfifo(root / "pipe.png")
    return root


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with serving(root) as client:
        client.headers.update(ADMINISTRATOR)
        yield client


def everything(client: TestClient) -> dict[str, bytes]:
    """The thumbnail of every picture that the service knows, by path."""
    found = {}
    for number in range(1, 40):
        picture = client.get(f"/v1/images/{number}")
        if picture.status_code == 200:
            found[picture.json()["path"]] = client.get(f"/v1/images/{number}/thumbnail").content
    return found


def tricks(root: Path) -> list[str]:
    """Paths that lead out, around, or to what is no picture; neither are they indexed nor is anything written there."""
    outside = root.parent / "outside" / "secret.png"
    return [
        *("..", "../", "../outside", "../outside/secret.png", "folder/../../outside/secret.png", "folder/../in.png"),
        *("./in.png", "folder//deep.png", "in.png/", "/", "//", "", ".", "folder/.", "folder/..", "folder/"),
        *(str(outside), str(root / "in.png"), f"/{outside}", f"file://{outside}", str(root), "//host/share.png"),
        *("../photos-of-others/secret.png", "in.png/../../outside/secret.png", "in.png/x.png", "..\0/secret.png"),
        *("in.png\0", "in.png\0.jpg", "\0", "../outside/secret.png\0.png", "folder\0/deep.png", "\ud800.png"),
        *("link.png", "relative.png", "linked", "linked/secret.png", "folder/up/outside/secret.png", "folder/up"),
        *("inner/deep.png", "inner", "loop.png", "loop.png/x", "dangling.png", "dangling.png/x.png", "pipe.png"),
        *(".hidden", ".hidden/secret.png", ".reir", ".reir/index.json", "folder/.x.png", "...", "http://127.0.0.1/x"),
        *("a" * 300 + ".png", "a/" * 5000 + "x.png", "../" * 300 + "etc/passwd"),
    ]


NAMES_OF_NOTHING = [
    *("%2e%2e/outside/secret.png", "%2e%2e%2foutside%2fsecret.png", "..%2foutside/secret.png"),
    *("%252e%252e%252foutside%252fsecret.png", "%c0%ae%c0%ae/outside/secret.png", "x%00/secret.png"),
    *("folder\\..\\..\\outside\\secret.png", "C:\\secret.png", "\\\\host\\secret.png", "~/secret.png", "~root/x.png"),
    *("IN.PNG", "\uff0e\uff0e/outside/secret.png", "\u2025/outside/secret.png", "in\u200b.png", "in.png\n", " in.png"),
    *("<script>.png", "$(id).png", "con.png", "*", "*.png", "**/*", "x/" * 100 + "x.png"),
]
"""Odd, and yet plain names, which no file of the gallery has: nothing in them is decoded, expanded or corrected."""


def test_no_trick_gets_a_file_outside_into_the_index(client: TestClient, root: Path) -> None:
    before = everything(client)
    assert set(before) == {"in.png", "folder/deep.png"}
    assert not any(is_secret(thumbnail) for thumbnail in before.values())
    for path in tricks(root) + NAMES_OF_NOTHING:
        for paths in ([path], ["in.png", path]):
            # Escaped, because some are no text that UTF-8 could carry.
            body = json.dumps({"paths": paths})
            answer = client.post("/v1/images", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422), path
            assert answer.json()["error"]["code"] in ("bad_request", "invalid_request")
            assert str(root.parent) not in answer.text or str(root.parent) in path
    assert client.get("/v1/jobs").json() == {"jobs": []}
    assert everything(client) == before


def test_a_folder_is_indexed_without_what_its_links_lead_to(client: TestClient, root: Path) -> None:
    job = finished(client, client.post("/v1/images", json={"paths": ["folder"]}).json())
    assert (job["state"], job["counts"]["new"]) == ("done", 0)
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery:
        gallery.add([root], workers=0)
    known = everything(client)
    assert set(known) == {"in.png", "folder/deep.png", "inner.png"}
    assert not any(is_secret(thumbnail) for thumbnail in known.values())


def test_no_trick_gets_an_upload_out_of_the_gallery(client: TestClient, root: Path) -> None:
    def listing() -> set[str]:
        return {str(path.relative_to(root.parent)) for path in root.parent.rglob("*") if "/.reir" not in str(path)}

    before = listing()
    content = (root / "in.png").read_bytes()
    for folder in tricks(root):
        if "\ud800" in folder:  # No form could carry it.
            continue
        answer = client.post("/v1/images", data={"folder": folder}, files={"images": ("x.png", content)})
        assert answer.status_code in (400, 422), folder
        assert listing() == before, folder
    for folder in ("%2e%2e/outside", "\u2025/outside"):
        job = finished(
            client, client.post("/v1/images", data={"folder": folder}, files={"images": ("x.png", content)}).json()
        )
        assert job["pictures"][0]["path"] == f"{folder}/x.png"
        assert (root / folder / "x.png").read_bytes() == content
    assert {path for path in listing() - before if not path.startswith("photos/")} == set()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../outside/evil.png", "evil.png"),
        ("..\\..\\evil.png", "evil.png"),
        ("/etc/evil.PNG", "evil.png"),
        ("C:\\photos\\evil.png", "evil.png"),
        ("..  .png", "picture.png"),
        (".hidden.png", "hidden.png"),
        ("-rf.png", "rf.png"),
        ("a\nb\r\x1b[31m.png", "a_b_31m.png"),
        ("<script>alert(1)</script>.png", "script.png"),
        ("x<img src=a onerror=b>.png", "x_img_src_a_onerror_b.png"),
        ("$(touch x);`y`.png", "(touch_x)_y.png"),
        ("con.png", "con.png"),
        ("Grüße aus 東京.png", "Grüße_aus_東京.png"),
        (unicodedata.normalize("NFD", "é.png"), "é.png"),
        ("\u202egnp.exe.png", "gnp.exe.png"),
        ("a" * 5000 + ".png", "a" * 80 + ".png"),
        ("東" * 200 + ".png", "東" * 26 + ".png"),
    ],
)
def test_names_of_uploads_are_made_safe(name: str, kept: str) -> None:
    assert "".join(safe_name(name)) == kept


@pytest.mark.parametrize(
    "name", ["", "x", "x.txt", "x.png.exe", "x.svg", "x.html", "png", ".png", "x.png ", "x.png\0", "x.png/", "....png"]
)
def test_names_that_do_not_end_like_a_picture_are_refused(name: str) -> None:
    with pytest.raises(NoPictureNameError):
        safe_name(name)


@given(st.text(max_size=300), st.sampled_from(sorted(SUFFIXES)))
def test_any_name_becomes_one_that_is_safe(name: str, suffix: str) -> None:
    stem, kept = (
        safe_name(name + suffix) if not name.endswith(("/", "\\")) and name.strip(".") else safe_name("x" + suffix)
    )
    assert kept == suffix
    assert stem
    assert stem[0] not in ".-_"
    assert all(character.isalnum() or character in "._()+-" or character == "_" for character in stem)
    assert len((stem + kept).encode()) <= 100
    assert Path(stem + kept).name == stem + kept


def test_odd_names_inside_the_gallery_are_served_and_never_become_markup(client: TestClient, root: Path) -> None:
    names = [
        "line\nbreak.png",
        "<script>alert(1)</script>.png",
        "a b & ü.png",
        "back\\slash.png",
        "%2e%2e.png",
        "'\".png",
    ]
    # The slash in the markup is a folder, as everywhere.
    for name in names:
        paint(root / name, ("red", "green", "blue", "yellow"))
    job = finished(client, client.post("/v1/images", json={"paths": names}).json())
    assert job["state"] == "done", job
    assert {picture["path"] for picture in job["pictures"]} == set(names)
    for picture in job["pictures"]:
        answer = client.get(f"/v1/images/{picture['image_id']}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["path"] == picture["path"]
        thumbnail = client.get(f"/v1/images/{picture['image_id']}/thumbnail")
        assert thumbnail.status_code == 200
        assert thumbnail.headers["content-type"] == "image/jpeg"


def test_names_are_taken_as_they_are_written_on_disk(client: TestClient, root: Path) -> None:
    composed, decomposed = "é.png", unicodedata.normalize("NFD", "é.png")
    paint(root / decomposed, ("red", "green", "blue", "yellow"))
    if (root / composed).exists():
        pytest.skip("this file system takes both spellings for one name")
    assert client.post("/v1/images", json={"paths": [composed]}).status_code == 400
    job = finished(client, client.post("/v1/images", json={"paths": [decomposed]}).json())
    assert job["pictures"][0]["path"] == decomposed


def test_a_link_within_the_gallery_is_a_picture_of_its_own(client: TestClient) -> None:
    job = finished(client, client.post("/v1/images", json={"paths": ["inner.png"]}).json())
    assert job["pictures"][0]["status"] == "indexed"
    number = job["pictures"][0]["image_id"]
    assert client.get(f"/v1/images/{number}/thumbnail").status_code == 200


def row_at(root: Path, path: str) -> ImageRow:
    """A row that leads somewhere else, with the facts of the file there: as if the disk had changed under the index."""
    with Gallery.open(root / ".reir", model=GridColourModel()) as gallery, gallery.reading() as snapshot:
        row = snapshot.images([1])[1]
    try:
        facts = (root / path).stat()
    except (OSError, ValueError):
        return replace(row, path=path)
    return replace(row, path=path, size=facts.st_size, mtime_ns=facts.st_mtime_ns)


def test_a_row_of_the_index_that_leads_out_is_not_followed(root: Path) -> None:
    files = GalleryFiles(root, root / ".reir")
    outside = ["../outside/secret.png", str(root.parent / "outside" / "secret.png"), "link.png", "linked/secret.png"]
    outside += [
        "relative.png",
        "folder/up/outside/secret.png",
        "folder/../../outside/secret.png",
        "loop.png",
        "pipe.png",
    ]
    outside += ["dangling.png", "folder", "", ".", "..", "in.png\0", "a" * 300, "../photos-of-others/secret.png", "/"]
    for path in outside:
        with pytest.raises(PictureMissingError):
            files.check(row_at(root, path))
    for path in ("in.png", "folder/deep.png", "inner.png", "inner/deep.png", "folder/../in.png"):
        files.check(row_at(root, path))


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_link_laid_after_indexing_shows_nothing(client: TestClient, root: Path, swapped: str) -> None:
    deep = next(number for number in (1, 2) if client.get(f"/v1/images/{number}").json()["path"] == "folder/deep.png")
    instance = client.get(f"/v1/images/{deep}").json()["instances"][0]["instance_id"]
    facts = (root / "folder" / "deep.png").stat()
    target = secret(root.parent / "outside" / "deep.png")
    # Even one of the same size and time is not shown.
    with target.open("r+b") as file:
        file.truncate(facts.st_size)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    if swapped == "file":
        (root / "folder" / "deep.png").unlink()
        (root / "folder" / "deep.png").symlink_to(target)
    else:
        (root / "folder").rename(root / "was")
        (root / "folder").symlink_to(root.parent / "outside")
    for url in (f"images/{deep}/thumbnail", f"images/{deep}/annotated", f"instances/{instance}/crop"):
        answer = client.get(f"/v1/{url}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_row_written_by_somebody_else_is_not_followed(root: Path) -> None:
    outside = root.parent / "outside" / "secret.png"
    facts = outside.stat()
    picture = GridColourModel()
    index = Index.open(root / ".reir")
    with index.writer() as writer:
        decoded = decode_picture(outside).picture
        file = FileFacts(
            "../outside/secret.png", facts.st_size, facts.st_mtime_ns, "hash", decoded.width, decoded.height
        )
        number = writer.add(file, picture.extract([decoded])[0])
        writer.commit()
    with serving(root, keys=False) as client:
        assert client.get(f"/v1/images/{number}").json()["path"] == "../outside/secret.png"
        for kind in ("thumbnail", "annotated"):
            assert client.get(f"/v1/images/{number}/{kind}").status_code == 404


IN_THE_ADDRESS = [
    *(
        "..",
        "../",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    ),
    *("%252e%252e%252f%252e%252e%252fetc%252fpasswd", "..\\..\\etc\\passwd", "..%5c..%5cetc%5cpasswd", "/etc/passwd"),
    *(
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "1/../../../../etc/passwd",
        "1%00.png",
        "%00",
        "..;/..;/etc/passwd",
        "....//....//etc/passwd",
    ),
    *("%c0%ae%c0%ae/etc/passwd", "%uff0e%uff0e/etc/passwd", "in.png", "a" * 5000, "app.js/../../../../pyproject.toml"),
    *(
        "..%2fapp.py",
        "../app.py",
        "../settings.py",
        "%2e%2e/app.py",
        "app.js%00.css",
        "<script>",
        "%0d%0aX-Evil:%20yes",
    ),
]


def test_nothing_but_ids_and_known_names_is_found_in_the_address(root: Path) -> None:
    settings = ServiceSettings(api_key_file=key_file(root.parent))
    with (
        Gallery.open(root / ".reir", model=GridColourModel()) as gallery,
        running(create_app(settings, gallery=gallery)) as here,
    ):
        for trick in IN_THE_ADDRESS:
            for place in (
                "v1/images/{}",
                "v1/images/{}/thumbnail",
                "v1/instances/{}/crop",
                "v1/jobs/{}",
                "static/{}",
                "{}",
            ):
                address = f"/{place.format(trick)}"
                # By hand, because clients tidy addresses up before they send them.
                connection = http.client.HTTPConnection(here.removeprefix("http://"), timeout=10)
                connection.putrequest("GET", quote(address, safe="/%\\.;:"))
                connection.putheader("Authorization", ADMINISTRATOR["Authorization"])
                connection.endheaders()
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status in (307, 400, 404, 422), (address, answer.status)
                # Only from one address of this service to another, without a final slash.
                assert answer.getheader("Location", f"{here}/").startswith(f"{here}/")
                assert b"root:" not in body
                assert b"create_app" not in body
                assert answer.getheader("X-Evil") is None
                connection.close()


def test_the_upload_folder_is_never_the_index(root: Path) -> None:
    outside_db = root / "index-of-mine"
    with Gallery.create(root, db=outside_db, model=GridColourModel()):
        files = GalleryFiles(root, outside_db)
        for path in ("index-of-mine", "index-of-mine/segments", "index-of-mine/x.png"):
            with pytest.raises(RefusedPathError, match="belongs to the index"):
                files.folder(path)
            with pytest.raises(RefusedPathError, match="belongs to the index"):
                files.indexable(path)


def test_keys_are_not_in_the_gallery_by_mistake(root: Path) -> None:
    path = key_file(root)
    files = GalleryFiles(root, root / ".reir")
    with pytest.raises(RefusedPathError, match="ending"):
        files.indexable(path.name)
