#!/usr/bin/env python
"""Writes the pictures of the page that the documentation shows: docs/images/page-*.jpg.

    .venv/bin/python scripts/screenshots.py [FOLDER]

Needs Debian's package chromium (scripts/setup-system.sh chromium) and the development extra. Indexes the demo gallery.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from reir import Gallery
from reir.server import ServiceSettings, create_app

LARGEST = 200_000
"""Bytes of one picture: they are kept in the repository."""


@dataclass(frozen=True)
class Shot:
    """One picture: what is asked, how large the window is, and whether a picture or the filters are opened."""

    name: str
    address: str
    width: int
    height: int
    theme: str
    opened: bool = False
    filters: bool = False
    phone: bool = False


SHOTS = [
    Shot("page-light", "?q=the+red+cow", 1280, 800, "light"),
    Shot("page-dark", "?q=the+red+cow", 1280, 800, "dark", opened=True),
    Shot(
        "page-stages",
        "?q=the+third+from+the+left+of+the+three+pine+trees&rerank=rectifier",
        1280,
        800,
        "light",
        filters=True,
    ),
    Shot("page-phone", "?q=a+yellow+cake", 390, 844, "light", phone=True),
]


def main() -> None:
    """Index, serve, and take every picture."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images")
    root = Path(str(resources.files("reir.data") / "demo" / "images"))
    with TemporaryDirectory() as folder:
        with Gallery.create(root, db=Path(folder) / "index", model="clare-tiny") as gallery:
            gallery.add([root], workers=0)
            db = gallery.db
        with serving(db) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), chromium_sandbox=False)
            for shot in SHOTS:
                size = save(take(browser, address, shot), target / f"{shot.name}.jpg")
                print(f"{target / shot.name}.jpg  {size:,} bytes")
            browser.close()


@contextmanager
def serving(db: Path) -> Iterator[str]:
    """The address of a service on the index."""
    config = uvicorn.Config(create_app(ServiceSettings(db=db)), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


def take(browser: Browser, address: str, shot: Shot) -> Image.Image:
    """The page as that window shows it."""
    page: Page = browser.new_page(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=2 if shot.phone else 1,
        is_mobile=shot.phone,
        has_touch=shot.phone,
        color_scheme="dark" if shot.theme == "dark" else "light",
    )
    page.goto(address + shot.address)
    page.wait_for_load_state("networkidle")
    if shot.opened:
        page.locator(".tile").first.click()
        page.wait_for_load_state("networkidle")
    if shot.filters:
        page.get_by_role("button", name="Filters").click()
    page.mouse.move(4, 4)
    page.wait_for_timeout(400)  # until pictures have faded in
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return image


def save(image: Image.Image, path: Path) -> int:
    """The size in bytes of the JPEG, at the best quality that is small enough."""
    for quality in (88, 80, 72, 64):
        image.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size < LARGEST:
            return path.stat().st_size
    raise SystemExit(f"{path} is larger than {LARGEST:,} bytes")


if __name__ == "__main__":
    main()
