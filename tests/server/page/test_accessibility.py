"""The page for everybody: with the keyboard alone, on a phone, with less motion, and as axe sees it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from tests.server.page.doing import ask, open_tile, rating, refuse, tiles

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"color_scheme": "dark", **PHONE}, id="phone"),
]


def assert_accessible(page: Page) -> None:
    # Contrast is judged as it is once things have come to rest.
    page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity)"
        ".map(a => a.finished.catch(() => {})))"
    )
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()


def show_results(page: Page) -> None:
    ask(page)


def show_no_match(page: Page) -> None:
    ask(page, "a zeppelin")


def show_large_view(page: Page) -> None:
    ask(page)
    open_tile(page)


def show_filters(page: Page) -> None:
    page.goto(f"{page.url}?q=cow&path=holidays/&show=boxes")
    page.get_by_role("button", name="Filters").click()
    expect(tiles(page)).not_to_have_count(0)


def show_failure(page: Page) -> None:
    refuse(page, "v1/search", 500, "internal", "the service could not answer")
    page.locator("#query").fill("cow")
    expect(page.locator("#failure")).to_be_visible()


def show_crop(page: Page) -> None:
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": _dot()})
    expect(page.locator("#crop")).to_be_visible()


def show_keys(page: Page) -> None:
    page.get_by_role("button", name="Keys").click()


def show_key_form(page: Page) -> None:
    refuse(page, "v1/stats", 401, "unauthorized", "a key is needed")
    page.reload()
    expect(page.locator("#key")).to_be_visible()


def _dot() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (120, 80), "teal").save(file, "PNG")
    return file.getvalue()


OTHERS = [show_filters, show_failure, show_crop, show_keys, show_key_form]


@pytest.mark.parametrize("context", LOOKS, indirect=True)
def test_axe_finds_nothing_on_what_is_seen_most(page: Page) -> None:
    expect(page.locator(".sample img").first).to_have_class("loaded")
    assert_accessible(page)
    show_no_match(page)
    assert_accessible(page)
    show_results(page)
    assert_accessible(page)
    open_tile(page)
    assert_accessible(page)


@pytest.mark.parametrize(
    "show",
    [show_no_match, show_filters, show_failure, show_crop, show_keys, show_key_form],
    ids=lambda show: show.__name__,
)
@pytest.mark.parametrize("context", LOOKS[:2], indirect=True)
def test_axe_finds_nothing_in_the_other_states(page: Page, show: Callable[[Page], None]) -> None:
    show(page)
    assert_accessible(page)


@pytest.mark.parametrize("context", [PHONE], indirect=True)
@pytest.mark.parametrize(
    "show",
    [lambda page: None, show_results, show_large_view, show_filters, show_crop, show_keys],
    ids=["welcome", "results", "large-view", "filters", "crop", "keys"],
)
def test_nothing_is_wider_than_a_phone(page: Page, show: Callable[[Page], None]) -> None:
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = """() => [...document.querySelectorAll('button, input, a')].filter((node) => node.checkVisibility()
      && !node.matches('.skip, [type=radio]')).filter((node) => {
        const { left, right } = node.getBoundingClientRect()
        return left < 0 || right > innerWidth
      }).map((node) => node.outerHTML)"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_a_swipe_turns_the_picture(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    title = dialog.get_by_role("heading", level=2).inner_text()
    page.locator("#stage").evaluate("""(stage) => {
      const touch = (clientX) => new Touch({ identifier: 1, target: stage, clientX, clientY: 200 })
      const send = (type, x) => stage.dispatchEvent(new TouchEvent(type, {
        touches: type === 'touchstart' ? [touch(x)] : [], changedTouches: [touch(x)], bubbles: true }))
      send('touchstart', 300)
      send('touchend', 120)
    }""")
    expect(dialog.get_by_role("heading", level=2)).not_to_have_text(title)


def test_everything_can_be_done_with_the_keyboard_alone(page: Page) -> None:
    keyboard = page.keyboard
    expect(page.locator("#query")).to_be_focused()
    keyboard.type("the red cow")
    expect(tiles(page)).not_to_have_count(0)
    keyboard.press("ArrowDown")
    expect(tiles(page).first).to_be_focused()
    keyboard.press("ArrowRight")
    expect(tiles(page).nth(1)).to_be_focused()
    assert page.locator('.tile[tabindex="0"]').count() == 1
    keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert below > tiles(page).first.bounding_box()["y"]  # type: ignore[index]
    keyboard.press("ArrowUp")
    keyboard.press("ArrowUp")
    expect(page.locator("#query")).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    with page.expect_response("**/v1/search") as response:
        keyboard.press("m")
    assert "instance_id" in response.value.request.post_data_json
    expect(page.locator("#example")).to_be_visible()
    expect(page.locator("#query")).to_be_focused()
    keyboard.press("Backspace")
    expect(page.locator("#welcome")).to_be_visible()
    page.locator(".brand a").focus()
    keyboard.press("f")
    expect(page.get_by_label("Path begins with")).to_be_focused()
    page.get_by_role("button", name="Filters").focus()
    keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("button", name="Filters")).to_be_focused()
    keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()


def test_what_has_the_focus_can_be_seen(page: Page) -> None:
    ask(page)
    page.keyboard.press("ArrowDown")
    outline = tiles(page).first.evaluate(
        "tile => getComputedStyle(tile).outlineStyle + getComputedStyle(tile).outlineWidth"
    )
    assert outline == "solid2px"


def test_places_are_told_in_words(page: Page) -> None:
    hit = ask(page)["hits"][0]
    x0, y0, x1, y1 = hit["box"]
    column = ("left", "centre", "right")[int((x0 + x1) / 2 / hit["width"] * 3)]
    row = ("upper", "middle", "lower")[int((y0 + y1) / 2 / hit["height"] * 3)]
    expect(tiles(page).first.get_by_role("img")).to_have_accessible_name(f"Match at the {row} {column}")
    path = hit["path"].replace("/", "/ ")  # the folder and the name are elements of their own
    expect(tiles(page).first).to_have_accessible_name(f"Match at the {row} {column} {path} {rating(hit)}")


@pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}], indirect=True)
def test_less_motion_is_respected(page: Page) -> None:
    ask(page)
    moving = """() => [...document.querySelectorAll('*')].filter((node) => {
      const style = getComputedStyle(node)
      return style.transitionDuration.split(', ').some((time) => time !== '0s') && style.transitionProperty !== 'none'
    }).length"""
    assert page.evaluate(moving) == 0
