"""The example back end keeps its users apart, and answers with what both it and reir know."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reir import Gallery
from reir.server import create_app
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index
from tests.serving import running

EXAMPLE = Path(__file__).parents[2] / "examples" / "photo_backend"
PICTURES: dict[str, Quadrants] = {
    "0.png": ("red", "red", "blue", "blue"),
    "1.png": ("red", "green", "green", "dark"),
    "2.png": ("yellow", "red", "dark", "green"),
    "3.png": ("blue", "blue", "green", "green"),
}


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, httpx.Client]]:
    """Clients of the running example by user: alice has pictures 0 and 2, bob 1 and 3; and one of nobody's."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import backend  # type: ignore[import-not-found]
    import library  # type: ignore[import-not-found]

    photos = [
        library.Photo(f"asset-{n}", path, "alice" if n % 2 == 0 else "bob", "garden" if n < 2 else "kitchen", n == 2)
        for n, path in enumerate(PICTURES)
    ]
    make_index(tmp_path, PICTURES, external_ids={photo.path: photo.asset_id for photo in photos}).close()
    held = library.Library(tmp_path / "library.sqlite")
    tokens = {name: held.add_user(name) for name in ("alice", "bob")}
    held.add(photos)
    settings, key = main_module().keyed_settings(tmp_path / "keys")
    with (
        Gallery.open(tmp_path / ".reir", model=GridColourModel()) as gallery,
        running(backend.create_backend(held, create_app(settings, gallery=gallery), key)) as url,
    ):
        clients = {
            name: httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})
            for name, token in (tokens | {"nobody": "x", "operator": key}).items()
        }
        yield clients
        for client in clients.values():
            client.close()


def main_module() -> Any:
    """The module that starts the example, not run."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("photo_backend_main", EXAMPLE / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(client: httpx.Client, **parameters: str) -> list[dict[str, Any]]:
    answer = client.get("/search", params=parameters)
    assert answer.status_code == 200, answer.text
    photos: list[dict[str, Any]] = answer.json()["photos"]
    return photos


def test_everybody_finds_their_own_photos_only(users: dict[str, httpx.Client]) -> None:
    assert {photo["asset_id"] for photo in found(users["alice"], q="red")} == {"asset-0", "asset-2"}
    assert {photo["asset_id"] for photo in found(users["bob"], q="red")} == {"asset-1", "asset-3"}
    assert users["nobody"].get("/search", params={"q": "red"}).status_code == 401


def test_hits_carry_what_both_know(users: dict[str, httpx.Client]) -> None:
    first = found(users["alice"], q="yellow")[0]
    assert first == first | {"asset_id": "asset-2", "album": "kitchen", "favourite": True, "width": 80}
    assert first["boxes"][0] == [0, 0, 40, 30]
    assert [photo["asset_id"] for photo in found(users["alice"], q="red", album="garden")] == ["asset-0"]
    assert [photo["asset_id"] for photo in found(users["alice"], q="red", favourites="1")] == ["asset-2"]
    assert found(users["bob"], q="red", favourites="1") == [], "no photo may answer, which is not: any photo"


def test_favourites_change_without_the_index(users: dict[str, httpx.Client]) -> None:
    assert users["bob"].put("/photos/asset-1/favourite").status_code == 204
    assert [photo["asset_id"] for photo in found(users["bob"], q="red", favourites="1")] == ["asset-1"]
    assert users["bob"].delete("/photos/asset-1/favourite").status_code == 204
    assert found(users["bob"], q="red", favourites="1") == []
    assert users["bob"].put("/photos/asset-0/favourite").status_code == 404
    assert users["alice"].get("/albums").json() == {"garden": 1, "kitchen": 1}


def test_thumbnails_of_others_are_not_there(users: dict[str, httpx.Client]) -> None:
    mine = users["alice"].get(found(users["alice"], q="red")[0]["thumbnail"])
    assert (mine.status_code, mine.headers["content-type"]) == (200, "image/jpeg")
    theirs = found(users["bob"], q="red")[0]["thumbnail"]
    assert users["alice"].get(theirs).status_code == 404
    assert users["alice"].get("/thumbnails/999").status_code == 404
    assert users["nobody"].get(theirs).status_code == 401


def test_what_is_mounted_asks_for_its_own_key(users: dict[str, httpx.Client]) -> None:
    assert users["operator"].get("/objects/v1/stats").json()["images"] == 4
    for name in ("alice", "nobody"):
        assert users[name].get("/objects/v1/stats").status_code == 401
        assert users[name].get("/objects/v1/images/1/thumbnail").status_code == 401
    assert users["operator"].get("/objects/").status_code == 200


def test_errors_are_passed_on(users: dict[str, httpx.Client]) -> None:
    answer = users["alice"].get("/search", params={"q": " "})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.slow
def test_the_command_of_its_readme(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(EXAMPLE), "--data", str(tmp_path / "data"), "--port", str(port), "--photos", "12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(5)]
            token = said[0].rpartition(" ")[2].strip()
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {token}"},
                transport=httpx.HTTPTransport(retries=20),
            ) as alice:
                photos = found(alice, q="a red car")
                assert {photo["asset_id"] for photo in photos} == {f"asset-{n:04d}" for n in range(0, 12, 2)}
                assert alice.get(photos[0]["thumbnail"]).content[:2] == b"\xff\xd8"
        finally:
            process.terminate()
