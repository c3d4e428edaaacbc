"""What people do on the page, and what they then see, in the words of the tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

Json = dict[str, Any]

SENTENCE = "the red cow"


def ask(page: Page, sentence: str = SENTENCE) -> Json:
    """Type a sentence; the answer that the service gave to it."""
    with page.expect_response(_answers(sentence)) as response:
        page.get_by_role("textbox", name="Describe one thing").fill(sentence)
    answer: Json = response.value.json()
    expect(tiles(page)).not_to_have_count(0)
    return answer


def _answers(sentence: str) -> Callable[[Any], bool]:
    def is_it(response: Any) -> bool:
        sent = response.request.post_data or ""
        return bool(response.url.endswith("v1/search") and f'"expression":"{sentence}"' in sent)

    return is_it


def tiles(page: Page) -> Locator:
    return page.locator("#grid .tile")


def open_tile(page: Page, at: int = 0) -> Locator:
    """The large view of one of the pictures found, with all that the service says of it."""
    with page.expect_response(re.compile(r"/v1/images/\d+$")):
        tiles(page).nth(at).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".thing").first).to_be_visible()
    return dialog


def edit_answers(page: Page, change: Callable[[Json], None]) -> None:
    """From now on, searches are answered by the service, and then changed."""

    def handle(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        if "hits" in answer:
            change(answer)
        route.fulfill(response=response, json=answer)

    page.route("**/v1/search", handle)


def refuse(page: Page, path: str, status: int, code: str, message: str, *, times: int = 1000, **headers: str) -> None:
    """From now on, or so many times, the service answers so on that path (not to the sentences of the first visit)."""
    body = {"error": {"code": code, "message": message, "details": None}}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    left = iter(range(times))

    def handle(route: Route) -> None:
        if '"expression":[' in (route.request.post_data or "") or next(left, None) is None:
            route.fallback()
        else:
            route.fulfill(status=status, json=body, headers=sent)

    page.route(f"**/{path}", handle)


def rating(hit: Json) -> str:
    """How well a hit fits, as a tile says it."""
    if hit["probability"] is None:
        return f"{hit['score']:.2f}"
    if hit["probability"] < 0.005:
        return "<1%"
    return ">99%" if hit["probability"] > 0.995 else f"{round(hit['probability'] * 100)}%"


def images_of(hits: list[Json]) -> list[int]:
    """The different pictures of the hits, in their order."""
    return list(dict.fromkeys(hit["image_id"] for hit in hits))
