"""The page of a gallery that needs a key, under a path of another application, and how its files are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from reir.server import ServiceSettings, create_app, lifespan
from tests.server.page.conftest import Watch
from tests.server.page.doing import ask, open_tile, tiles
from tests.server.serving import READ_KEY, key_file
from tests.serving import running


@pytest.fixture(scope="module")
def mounted(db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that needs a key, under a path of another application."""
    keys = key_file(tmp_path_factory.mktemp("keys"))
    inner = create_app(ServiceSettings(db=db, api_key_file=keys))

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        async with lifespan(inner):
            yield

    with running(Starlette(routes=[Mount("/photos/search", inner)], lifespan=opened)) as address:
        yield f"{address}/photos/search/"


@pytest.fixture
def locked(browser: Browser, mounted: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    watch = Watch(context, mounted)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(mounted)
    yield page
    context.close()
    assert watch.problems == []
    assert [url for url in asked if url.startswith("http") and not url.startswith(mounted)] == []


def test_a_key_opens_the_gallery_and_signing_out_closes_it(locked: Page) -> None:
    form = locked.get_by_role("dialog", name="This gallery needs a key")
    expect(form).to_be_visible()
    locked.keyboard.press("Escape")
    expect(form).to_be_visible()
    form.get_by_label("API key").fill("not-a-key-of-this-gallery")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_have_text("This key is not known here.")
    form.get_by_label("API key").fill(READ_KEY)
    form.get_by_label("API key").press("Enter")
    expect(form).to_be_hidden()
    expect(locked.locator(".sample img").first).to_have_class("loaded")
    assert READ_KEY not in locked.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")
    locked.reload()
    expect(locked.locator("#welcome-counts")).to_contain_text("pictures")
    locked.get_by_role("button", name="Sign out").click()
    expect(form).to_be_visible()


def test_all_of_it_works_under_a_path(locked: Page, mounted: str) -> None:
    locked.get_by_label("API key").fill(READ_KEY)
    locked.get_by_label("API key").press("Enter")
    expect(locked.get_by_role("dialog")).to_be_hidden()
    ask(locked)
    expect(tiles(locked).first.locator("img")).to_have_class("loaded")
    assert locked.url == f"{mounted}?q=the+red+cow"
    dialog = open_tile(locked)
    expect(dialog.locator(".thing img").first).to_have_class("loaded")
    with locked.expect_download() as download:
        dialog.get_by_role("link", name="Save the picture with its boxes").click()
    assert download.value.url.startswith(f"{mounted}v1/images/")
    locked.keyboard.press("Escape")
    locked.get_by_role("link", name="reir").click()
    expect(locked).to_have_url(mounted)


def test_the_page_has_a_strict_policy_and_its_files_are_sent_once(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
        for name, media_type in (("app.js", "text/javascript"), ("style.css", "text/css")):
            link = page.text[page.text.index(f"static/{name}") :].partition('"')[0]
            file = client.get(f"/{link}")
            assert file.headers["content-type"].startswith(media_type)
            assert "immutable" in file.headers["cache-control"]
            plain = client.get(f"/static/{name}")
            assert plain.headers["cache-control"] == "no-cache"
            again = client.get(f"/static/{name}", headers={"If-None-Match": f'"x", W/{plain.headers["etag"]}'})
            assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["index.html", "..%2Findex.html", "..%2F..%2Fapp.py", "%2Fetc%2Fpasswd"])
def test_nothing_else_is_sent(address: str, name: str) -> None:
    answer = httpx.get(f"{address}/static/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
