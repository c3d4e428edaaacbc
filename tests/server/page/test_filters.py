"""Narrowing a search, and seeing what narrows it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.server.page.doing import ask, tiles
from tests.server.page.site import HOLIDAYS


def test_a_path_limits_the_pictures_and_shows_as_a_chip_that_takes_it_back(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Path begins with").fill("holidays/")
    expect(tiles(page)).to_have_count(HOLIDAYS)
    for tile in tiles(page).all():
        expect(tile).to_contain_text("holidays/")
    assert "path=holidays%2F" in page.url
    page.get_by_role("button", name="Remove the filter: path holidays/…").click()
    expect(tiles(page)).not_to_have_count(HOLIDAYS)
    expect(page.locator("#chips")).to_be_hidden()
    expect(page.get_by_role("button", name="Filters")).to_be_focused()


def test_dates_limit_the_pictures(page: Page) -> None:
    ask(page)
    page.keyboard.press("Escape")
    ask(page, "a cow")
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Taken from").fill("2024-07-14")
    expect(tiles(page)).to_have_count(HOLIDAYS)
    page.get_by_label("Taken before").fill("2024-07-14")
    expect(page.get_by_role("heading", name="No pictures")).to_be_visible()
    page.get_by_role("button", name="Remove the filters").click()
    expect(tiles(page)).not_to_have_count(0)
    expect(page.get_by_label("Taken from")).to_have_value("")


def test_a_minimum_score_leaves_out_what_is_below(page: Page) -> None:
    hits = ask(page)["hits"]
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Minimum score").fill("0.3")
    expect(tiles(page)).to_have_count(len({hit["image_id"] for hit in hits if hit["score"] >= 0.3}))
    expect(page.get_by_role("button", name="Filters, 1 active")).to_be_visible()


def test_single_boxes_are_shown_closely(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Filters").click()
    with page.expect_response("**/v1/search") as response:
        page.get_by_text("Single boxes").click()
    hits = response.value.json()["hits"]
    expect(page.get_by_role("status").first).to_contain_text("likely box")
    expect(tiles(page)).to_have_count(len(hits))
    first = tiles(page).first
    expect(first.locator("img")).to_have_class("loaded")
    x0, y0, x1, y1 = hits[0]["box"]
    box = first.locator(".box").bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - (x1 - x0) / (y1 - y0)) < 0.05
    natural = first.locator("img").evaluate("image => image.naturalWidth / image.naturalHeight")
    shown = first.locator("img").bounding_box()
    assert shown is not None
    assert abs(shown["width"] / shown["height"] - natural) < 0.1


def test_filters_come_from_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=a+cow&path=holidays/&min=-1")
    expect(tiles(page)).to_have_count(HOLIDAYS)
    expect(page.locator("#chips li")).to_have_count(2)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("Path begins with")).to_have_value("holidays/")
