"""The back end on the gallery that ships with reir, its photos shared out among two users. See README.md."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

import uvicorn
from backend import create_backend
from library import Library, Photo

from reir import Gallery
from reir.data.registry import find_dataset
from reir.server import ServiceSettings, create_app

USERS = ("alice", "bob")
ALBUMS = ("garden", "holidays", "kitchen")


def main() -> None:
    """Index, share out, serve."""
    options = argparse.ArgumentParser(prog="photo_backend", description=__doc__)
    options.add_argument("--data", type=Path, default=Path("photo_backend.data"), help="folder for index and tables")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--photos", type=int, help="only so many of them")
    given = options.parse_args()

    data: Path = given.data
    data.mkdir(parents=True, exist_ok=True)
    library = Library(data / "library.sqlite")
    tokens = {user: library.add_user(user) for user in USERS}
    pictures = find_dataset("demo").parent / "images"
    photos = share_out(sorted(path.name for path in pictures.iterdir())[: given.photos])
    library.add(photos)

    with Gallery.create(pictures, db=data / "index", model="clare-tiny") as gallery:
        gallery.add([photo.path for photo in photos], external_ids={photo.path: photo.asset_id for photo in photos})
        settings, key = keyed_settings(data / "api-keys")
        backend = create_backend(library, create_app(settings, gallery=gallery), key)
        for user, token in tokens.items():
            print(f"{user} signs in with: {token}")
        print(f"\ncurl -H 'Authorization: Bearer {tokens['alice']}' 'http://127.0.0.1:{given.port}/search?q=red+car'")
        print(f"The page of reir is at http://127.0.0.1:{given.port}/objects/ (key: {key})", flush=True)
        uvicorn.run(backend, port=given.port, log_level="warning")


def share_out(names: list[str]) -> list[Photo]:
    """A photo for each picture, its owner and album in turn."""
    return [
        Photo(f"asset-{number:04d}", name, USERS[number % 2], ALBUMS[number % 3], favourite=number % 5 == 0)
        for number, name in enumerate(names)
    ]


def keyed_settings(file: Path) -> tuple[ServiceSettings, str]:
    """Settings of a service that asks for a key, and the key; a new one at every start."""
    key = secrets.token_urlsafe(32)
    file.touch(mode=0o600)
    file.write_text(f"read {key}\n")
    return ServiceSettings(api_key_file=file), key


if __name__ == "__main__":
    main()
