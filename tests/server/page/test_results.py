"""Typing a sentence, and the grid that answers."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, FloatRect, Locator, Page, Route, expect

from tests.server.page.doing import SENTENCE, Json, ask, edit_answers, images_of, rating, refuse, tiles
from tests.server.page.site import PANORAMA, PICTURES, STRIP, TURNED


def rectangle(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


def assert_boxes_in_place(page: Page, hits: list[Json]) -> int:
    """Every box of the first hits lies over its picture where the service says; how many were looked at."""
    for hit in hits:
        tile = page.locator(f'.tile:has([data-instance="{hit["instance_id"]}"])')
        image, box = rectangle(tile.locator("img")), rectangle(tile.locator(f'[data-instance="{hit["instance_id"]}"]'))
        scale = image["width"] / hit["width"]
        assert image["height"] == pytest.approx(hit["height"] * scale, abs=1), hit["path"]
        x0, y0, x1, y1 = hit["box"]
        wanted = (image["x"] + x0 * scale, image["y"] + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale)
        assert (box["x"], box["y"], box["width"], box["height"]) == pytest.approx(wanted, abs=1), hit["path"]
    return len(hits)


def test_typing_answers_with_pictures_and_boxes_in_place_also_after_a_change_of_size(page: Page) -> None:
    answer = ask(page)
    best = answer["hits"][0]
    expect(tiles(page)).to_have_count(len(images_of(answer["hits"])))
    first = tiles(page).first
    expect(first).to_contain_text(best["path"].rpartition("/")[2])
    expect(first.locator(".rating")).to_have_text(rating(best))
    assert assert_boxes_in_place(page, answer["hits"][:12]) == 12
    page.set_viewport_size({"width": 700, "height": 800})
    assert_boxes_in_place(page, answer["hits"][:12])


@pytest.mark.parametrize("path", [TURNED, PANORAMA, STRIP])
def test_boxes_fit_pictures_that_are_turned_by_exif_or_of_extreme_shape(
    context: BrowserContext, address: str, path: str
) -> None:
    page = context.new_page()
    with page.expect_response("**/v1/search") as response:
        page.goto(f"{address}/?q=thing&path={path}")
    hits = response.value.json()["hits"]
    image = tiles(page).locator("img")
    expect(image).to_have_class("loaded")
    assert_boxes_in_place(page, hits)
    natural = image.evaluate("image => image.naturalWidth / image.naturalHeight")
    assert natural == pytest.approx(hits[0]["width"] / hits[0]["height"], rel=0.03)


def test_rows_are_of_equal_height_and_fill_the_width(page: Page) -> None:
    ask(page, "a zeppelin")
    pictures = [rectangle(found) for found in page.locator(".tile .picture").all()]
    tops = sorted({round(found["y"]) for found in pictures})
    assert len(tops) > 4
    grid = rectangle(page.locator("#grid"))
    for top in tops[:-1]:
        row = [found for found in pictures if round(found["y"]) == top]
        heights = [found["height"] for found in row]
        assert max(heights) - min(heights) <= 1.5
        assert max(found["x"] + found["width"] for found in row) == pytest.approx(grid["x"] + grid["width"], abs=1.5)


def test_the_layout_is_there_before_the_pixels(page: Page) -> None:
    held: list[Route] = []
    holding = True
    page.route("**/thumbnail*", lambda route: held.append(route) if holding else route.continue_())
    ask(page)
    before = [rectangle(tile) for tile in tiles(page).all()[:8]]
    page.wait_for_timeout(100)
    assert held
    holding = False
    for route in held:
        route.continue_()
    expect(tiles(page).nth(3).locator("img")).to_have_class("loaded")
    assert [rectangle(tile) for tile in tiles(page).all()[:8]] == before


def test_an_answer_that_is_out_of_date_is_given_up(page: Page) -> None:
    held: list[Route] = []
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.post_data or ""))

    def hold_the_first(route: Route) -> None:
        if '"blue telephone"' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/search", hold_the_first)
    page.locator("#query").fill("blue telephone")
    page.wait_for_timeout(300)
    assert len(held) == 1
    answer = ask(page)
    expect(tiles(page).first).to_contain_text(answer["hits"][0]["path"])
    assert any("blue telephone" in body for body in failed)


def test_typing_fast_asks_once(page: Page) -> None:
    bodies: list[str] = []
    page.on("request", lambda request: bodies.append(request.post_data or ""))
    page.locator("#query").evaluate("""async (box) => {
      for (let end = 1; end <= 'red bell'.length; end++) {
        box.value = 'red bell'.slice(0, end)
        box.dispatchEvent(new InputEvent('input', { bubbles: true }))
        await new Promise((done) => setTimeout(done))
      }
    }""")
    expect(tiles(page)).not_to_have_count(0)
    assert [body.partition(",")[0] for body in bodies if '"expression":"' in body] == ['{"expression":"red bell"']


def test_scrolling_brings_every_picture_exactly_once(page: Page) -> None:
    ask(page)
    for _ in range(12):
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(60)
    expect(tiles(page)).to_have_count(PICTURES + 3)
    addresses = [tile.get_attribute("href") for tile in tiles(page).all()]
    assert len(set(addresses)) == len(addresses)
    expect(page.locator("#end")).to_be_hidden()


def test_a_page_of_a_gallery_that_changed_says_so_and_searches_again(page: Page) -> None:
    page.set_viewport_size({"width": 500, "height": 500})
    ask(page)
    refuse(page, "v1/search", 410, "snapshot_gone", "the gallery changed", times=1)
    tiles(page).last.scroll_into_view_if_needed()
    expect(page.get_by_text("The gallery has changed since this search.")).to_be_visible()
    with page.expect_response("**/v1/search") as response:
        page.get_by_role("button", name="Search again").click()
    assert "expression" in (response.value.request.post_data or "")
    expect(page.get_by_text("The gallery has changed")).to_be_hidden()


def test_the_address_holds_the_search_and_going_back_returns_to_it(page: Page, context: BrowserContext) -> None:
    first = ask(page)
    assert page.url.endswith("?q=the+red+cow")
    page.locator("#query").press("Enter")
    second = ask(page, "a yellow cake")
    assert first["hits"][0]["path"] != second["hits"][0]["path"]
    page.go_back()
    expect(page.locator("#query")).to_have_value(SENTENCE)
    expect(tiles(page).first).to_contain_text(first["hits"][0]["path"])
    page.go_forward()
    expect(tiles(page).first).to_contain_text(second["hits"][0]["path"])
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator("#query")).to_have_value("a yellow cake")
    expect(tiles(other).first).to_contain_text(second["hits"][0]["path"])


def test_a_calibrated_answer_shows_the_chance_and_keeps_the_score_at_hand(page: Page) -> None:
    def calibrated(answer: Json) -> None:
        for hit, probability in zip(answer["hits"], (0.999, 0.934, 0.001), strict=False):
            hit["probability"] = probability
        answer["hits"] = answer["hits"][:3]

    edit_answers(page, calibrated)
    score = ask(page)["hits"][0]["score"]
    expect(page.locator(".rating").first).to_have_text(">99%")
    expect(page.locator(".rating").first).to_have_attribute("title", f"chance that this is it; score {score:.2f}")


def test_time_and_size_of_the_gallery_are_told(page: Page) -> None:
    ask(page)
    expect(page.locator("#timing")).to_contain_text(f"objects in {PICTURES + 3} pictures")
    expect(page.locator("#timing")).to_contain_text("ms")
