"""What the page says when there is nothing to show yet, nothing that fits, or something is wrong."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from reir import Gallery
from reir.server import ServiceSettings, create_app
from tests.server.page.doing import ask, refuse, tiles
from tests.server.page.site import PICTURES
from tests.serving import running


def test_a_first_visit_says_what_this_is_and_offers_sentences_with_what_they_find(page: Page) -> None:
    expect(page.get_by_role("heading", name="Find the thing you describe")).to_be_visible()
    expect(page.locator("#welcome-counts")).to_contain_text(f"in {PICTURES + 3} pictures")
    samples = page.locator(".sample")
    expect(samples).to_have_count(6)
    expect(samples.first.locator("img")).to_have_class("loaded")
    sentence = samples.first.inner_text()
    samples.first.click()
    expect(page.locator("#query")).to_have_value(sentence)
    expect(tiles(page)).not_to_have_count(0)
    expect(page.get_by_role("heading", name="Find the thing you describe")).to_be_hidden()


def test_the_demo_models_warning_cannot_be_missed(page: Page) -> None:
    notice = page.get_by_role("note")
    expect(notice).to_contain_text("clare-tiny knows only emoji scenes")
    ask(page)
    expect(notice).to_be_visible()
    # Once is enough: the answers repeat it.
    expect(page.locator("#warnings")).to_be_hidden()


def test_words_that_the_model_does_not_know_are_named(page: Page) -> None:
    ask(page, "a zeppelin")
    expect(page.locator("#warnings")).to_contain_text("zeppelin")


def test_no_match_is_said_and_the_nearest_are_dimmed(page: Page) -> None:
    assert ask(page, "a zeppelin")["no_match"] is True
    expect(page.get_by_role("status").first).to_have_text("Nothing here seems to fit. The nearest are:")
    opacity = "picture => Number(getComputedStyle(picture).opacity)"
    assert page.locator(".tile .picture").nth(3).evaluate(opacity) < 1
    assert ask(page)["no_match"] is False
    page.mouse.move(0, 0)
    expect(page.locator("#grid.dim")).to_have_count(0)
    assert page.locator(".divider").count() == 1


def test_what_is_likely_is_parted_from_what_comes_next(page: Page) -> None:
    answer = ask(page)
    best = {hit["image_id"]: hit["probability"] for hit in reversed(answer["hits"])}
    likely = sum(chance >= 0.05 for chance in best.values())
    assert 0 < likely < len(best)
    expect(page.get_by_role("status").first).to_have_text(f"{likely} likely picture{'s' * (likely > 1)}")
    tops = [page.locator(f'[data-index="{at}"]').bounding_box() for at in (0, likely - 1, likely)]
    line = page.get_by_text("Less likely").bounding_box()
    assert line is not None
    assert tops[1]["y"] < line["y"] < tops[2]["y"]  # type: ignore[index]


def test_an_error_is_shown_with_its_message_and_can_be_tried_again(page: Page) -> None:
    refuse(page, "v1/search", 500, "internal", "the service could not answer", times=1)
    page.locator("#query").fill("the red cow")
    expect(page.get_by_role("heading", name="That did not work")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="the service could not answer")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(tiles(page)).not_to_have_count(0)
    expect(page.locator("#failure")).to_be_hidden()


def test_a_busy_service_is_asked_again_after_the_time_it_names(page: Page) -> None:
    refuse(page, "v1/search", 503, "overloaded", "the service is busy", times=1, Retry_After="1")
    began = time.monotonic()
    page.locator("#query").fill("the red cow")
    expect(page.get_by_role("heading", name="The service is busy")).to_be_visible()
    expect(tiles(page)).not_to_have_count(0)
    assert time.monotonic() - began >= 1


def test_a_service_that_does_not_answer_is_said_not_to(page: Page) -> None:
    page.route("**/v1/search", lambda route: route.abort())
    page.locator("#query").fill("the red cow")
    expect(page.get_by_role("heading", name="No answer")).to_be_visible()


def test_loading_shows_only_when_it_takes_a_while(page: Page) -> None:
    held: list[Route] = []
    page.wait_for_load_state("networkidle")
    page.route("**/v1/search", lambda route: held.append(route))
    page.evaluate("""() => {
      window.skeletons = []
      new MutationObserver(() => {
        if (document.querySelector('.skeleton')) window.skeletons.push(performance.now() - window.asked)
      }).observe(document.getElementById('grid'), { childList: true })
      const send = window.fetch
      window.fetch = (...all) => { window.asked = performance.now(); return send(...all) }
    }""")
    page.locator("#query").fill("the red cow")
    expect(page.locator(".skeleton").first).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("Searching…")
    assert page.evaluate("window.skeletons[0]") >= 140
    held[0].continue_()
    expect(tiles(page)).not_to_have_count(0)
    expect(page.locator(".skeleton")).to_have_count(0)
    page.unroute("**/v1/search")
    page.evaluate("window.skeletons.length = 0")
    ask(page, "a yellow cake")
    assert page.evaluate("window.skeletons.length") == 0


def test_an_empty_gallery_says_how_to_fill_it(browser: Browser, tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    with Gallery.create(root, model="clare-tiny") as gallery:
        db = gallery.db
    with running(create_app(ServiceSettings(db=db))) as address, closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{address}/")
        expect(page.get_by_text("Index a folder with: reir index FOLDER")).to_be_visible()
        expect(page.locator(".sample")).to_have_count(0)
        page.locator("#query").fill("a cow")
        expect(page.get_by_role("heading", name="No pictures")).to_be_visible()


@pytest.mark.parametrize("context", [{"color_scheme": "dark"}], indirect=True)
def test_the_theme_follows_the_system_until_it_is_chosen_and_the_choice_is_kept(page: Page) -> None:
    dark = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(dark) == "rgb(15, 16, 17)"
    toggle = page.get_by_role("button", name="Theme")
    expect(toggle).to_have_accessible_name("Theme: system. Change to light")
    toggle.click()
    assert page.evaluate(dark) == "rgb(251, 251, 250)"
    page.reload()
    assert page.evaluate(dark) == "rgb(251, 251, 250)"
    toggle.click()
    expect(toggle).to_have_accessible_name("Theme: dark. Change to system")
    assert page.evaluate(dark) == "rgb(15, 16, 17)"
