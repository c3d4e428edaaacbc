"""One browser, one gallery and one service for all tests of the page; a fresh context for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from reir.server import ServiceSettings, create_app
from tests.conftest import lacking
from tests.server.page.site import make_gallery
from tests.serving import running

ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="package")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("site") / "gallery")


@pytest.fixture(scope="package")
def address(db: Path) -> Iterator[str]:
    """Where the service answers."""
    with running(create_app(ServiceSettings(db=db))) as address:
        yield address


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        lacking("needs Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """Notes what a page must never do: errors, breaches of its policy, requests to anywhere else.

    A request that a test lets fail shows on the console as well; that one line is not the page's fault.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.problems: list[str] = []
        self._origin = urlsplit(origin).netloc
        context.add_init_script(WATCH_POLICY)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"exception: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._origin:
            self.problems.append(f"request to {request.url}")


@pytest.fixture
def context(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A fresh browser profile; options by ``@pytest.mark.parametrize("context", [{...}], indirect=True)``."""
    options = {"viewport": DESKTOP, "color_scheme": "light", **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    watch = Watch(context, address)
    yield context
    for page in context.pages:
        page.unroute_all(behavior="ignoreErrors")
    context.close()
    assert watch.problems == []


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    """The page as a first visit shows it."""
    page = context.new_page()
    page.goto(f"{address}/")
    return page
