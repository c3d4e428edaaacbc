"""The large view of a picture: all its boxes, the way to others, and the way back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.server.page.doing import ask, images_of, open_tile, refuse, tiles


def test_it_shows_every_object_and_marks_those_that_were_found(page: Page) -> None:
    answer = ask(page)
    image_id = answer["hits"][0]["image_id"]
    with page.expect_response(f"**/v1/images/{image_id}") as response:
        dialog = open_tile(page)
    picture = response.value.json()
    found = {hit["instance_id"] for hit in answer["hits"] if hit["image_id"] == image_id}
    expect(dialog.get_by_role("heading", level=2)).to_have_text(picture["path"])
    expect(dialog).to_contain_text(f"{picture['width']} × {picture['height']}")
    expect(dialog.locator(".boxes .hit")).to_have_count(len(found))
    expect(dialog.locator(".boxes .other")).to_have_count(len(picture["instances"]) - len(found))
    image = dialog.locator("#view-image").bounding_box()
    assert image is not None
    for thing in picture["instances"]:
        box = dialog.locator(f'.boxes [data-instance="{thing["instance_id"]}"]').bounding_box()
        assert box is not None
        x0, y0, x1, y1 = thing["box"]
        scale = image["width"] / picture["width"]
        wanted = (image["x"] + x0 * scale, image["y"] + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale)
        assert (box["x"], box["y"], box["width"], box["height"]) == pytest.approx(wanted, abs=1)
    previews = dialog.locator(".thing img")
    expect(previews).to_have_count(len(picture["instances"]))
    for preview in previews.all():
        expect(preview).to_have_class("loaded")


def test_the_boxes_of_what_was_not_asked_for_can_be_hidden(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    expect(dialog.locator(".boxes .other").first).to_be_visible()
    dialog.get_by_role("checkbox", name="boxes").uncheck()
    expect(dialog.locator(".boxes .other").first).to_be_hidden()
    expect(dialog.locator(".boxes .hit").first).to_be_visible()


def test_arrow_keys_turn_to_the_next_picture_and_escape_returns_the_focus(page: Page) -> None:
    answer = ask(page)
    pictures = images_of(answer["hits"])
    dialog = open_tile(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    second = next(hit for hit in answer["hits"] if hit["image_id"] == pictures[1])
    expect(dialog.get_by_role("heading", level=2)).to_have_text(second["path"])
    assert page.url.endswith(f"image={pictures[1]}")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(tiles(page).nth(1)).to_be_focused()
    expect(page).not_to_have_url(f"*image={pictures[1]}")
    assert page.url.endswith("?q=the+red+cow")


def test_turning_past_the_last_picture_fetches_more(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 400})
    ask(page)
    count = tiles(page).count()
    tiles(page).nth(count - 1).evaluate("tile => tile.click()")
    dialog = page.get_by_role("dialog")
    title = dialog.get_by_role("heading", level=2).inner_text()
    dialog.get_by_role("button", name="Next picture").click()
    expect(dialog.get_by_role("heading", level=2)).not_to_have_text(title)
    assert tiles(page).count() > count


def test_the_back_button_closes_it(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(tiles(page)).not_to_have_count(0)
    page.go_forward()
    expect(dialog).to_be_visible()


def test_its_address_can_be_shared(page: Page, context: BrowserContext) -> None:
    ask(page)
    title = open_tile(page, 2).get_by_role("heading", level=2).inner_text()
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text(title)
    other.get_by_role("button", name="Close the large view").click()
    expect(tiles(other)).not_to_have_count(0)
    expect(other).not_to_have_url(re.compile("image="))


def test_more_like_this_on_a_box_that_was_not_found_searches_with_it(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    other = dialog.locator("#view-others .thing").first
    instance = int(other.get_attribute("data-instance") or 0)
    with page.expect_response("**/v1/search") as response:
        other.get_by_role("button", name="More like this").click()
    assert response.value.request.post_data_json["instance_id"] == instance
    expect(dialog).to_be_hidden()
    best = response.value.json()["hits"][0]
    assert best["instance_id"] == instance
    expect(tiles(page).first.locator(f'[data-instance="{instance}"]')).to_be_visible()
    expect(page.locator("#example")).to_contain_text("Like this")
    assert page.locator("#example-image").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.url.endswith(f"?like={instance}")
    page.reload()
    expect(tiles(page).first.locator(f'[data-instance="{instance}"]')).to_be_visible()


def test_a_box_on_the_picture_is_chosen_by_a_click_and_carries_the_way_on(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    mark = dialog.locator(".boxes .other").first
    instance = mark.get_attribute("data-instance")
    mark.click()
    expect(dialog.locator(f'.thing[data-instance="{instance}"]')).to_have_class(re.compile("chosen"))
    with page.expect_response("**/v1/search") as response:
        dialog.locator("#view-alike").click()
    assert str(response.value.request.post_data_json["instance_id"]) == instance


def test_a_box_that_is_gone_is_said_to_be_gone(page: Page) -> None:
    ask(page)
    dialog = open_tile(page)
    message = "instance 7 is gone: its picture was changed or removed"
    refuse(page, "v1/search", 410, "instance_gone", message)
    dialog.locator("#view-alike").click()
    expect(page.get_by_role("heading", name="That box is gone")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text=message)).to_be_visible()


def test_a_picture_that_is_gone_is_said_to_be_gone(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=cow&image=987654")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("987654")
    page.keyboard.press("Escape")
    expect(tiles(page)).not_to_have_count(0)
