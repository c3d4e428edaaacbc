"""Choosing stages on the page, and seeing what they did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from reir import Gallery
from reir.geometry.masks import decode_rle, encode_rle
from reir.server import ServiceSettings, create_app
from tests.colour_crop_model import ColourCropModel
from tests.search.galleries import paint
from tests.server.page.doing import ask, edit_answers, open_tile, tiles
from tests.serving import running

ALL = "rerank=templates&refine=box-search&mask=stored"
ALPHA = """canvas => {
    const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const row = (y) => Array.from({ length: width }, (_, x) => data[4 * (y * width + x) + 3])
    return Array.from({ length: height }, (_, y) => row(y))
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose model's index every stage without weights can look at."""
    root = tmp_path_factory.mktemp("colours")
    for number, colours in enumerate(list(permutations(("red", "green", "blue", "yellow", "dark"), 4))[::9]):
        paint(root / f"{number:02}.png", colours, (300, 180))
    with Gallery.create(root, model=ColourCropModel()) as gallery:
        gallery.add([root], workers=0)
        with running(create_app(ServiceSettings(), gallery=gallery)) as url:
            yield url


def searched(page: Page, address: str, parameters: str) -> dict[str, Any]:
    # Not the examples of the welcome; and asked once more, for the browser may have let go of the answer's body by now.
    with page.expect_request(
        lambda sent: sent.url.endswith("/v1/search") and '"red"' in (sent.post_data or "")
    ) as request:
        page.goto(f"{address}/?q=red&{parameters}")
    asked = json.loads(request.value.post_data or "")
    answer: dict[str, Any] = page.request.post(request.value.url, data=asked).json()
    expect(tiles(page)).to_have_count(len({hit["rank"] for hit in answer["hits"]}))
    return answer


def first_hits(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [hit for hit in answer["hits"] if hit["rank"] == 1]


def centre(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_stages_are_chosen_and_taken_back(page: Page) -> None:
    ask(page, "red")
    page.get_by_role("button", name="Filters").click()
    assert page.get_by_role("combobox", name="Boxes").locator("option").all_inner_texts() == ["as found", "box-search"]
    assert "stored" in page.get_by_role("combobox", name="Masks").locator("option").all_inner_texts()
    with page.expect_request("**/v1/search") as request:
        page.get_by_role("group", name="Rank anew").get_by_label("templates").check()
    assert json.loads(request.value.post_data or "")["rerank"] == ["templates"]
    expect(page.locator("#timing")).to_contain_text("templates")
    with page.expect_response("**/v1/search") as response:
        page.get_by_role("combobox", name="Masks").select_option("stored")
    sent = json.loads(response.value.request.post_data or "")
    assert (sent["rerank"], sent["refine"], sent["mask"]) == (["templates"], None, "stored")
    expect(page.locator("#timing")).to_contain_text("stored")
    assert "rerank=templates" in page.url
    assert "mask=stored" in page.url
    expect(page.get_by_role("button", name="Filters, 2 active")).to_be_visible()
    with page.expect_request("**/v1/search") as request:
        page.get_by_role("button", name="Remove the filter: rank anew: templates").click()
    assert json.loads(request.value.post_data or "")["rerank"] == []
    page.get_by_role("button", name="Remove the filter: masks: stored").click()
    expect(page.locator("#chips")).to_be_hidden()
    expect(page.get_by_role("combobox", name="Masks")).to_have_value("")


def test_the_address_says_the_stages_and_the_grid_shows_what_they_did(page: Page, address: str) -> None:
    answer = searched(page, address, ALL)
    best: dict[int, dict[str, Any]] = {}
    for hit in answer["hits"]:
        best.setdefault(hit["rank"], hit)
    moves = [hit["stages"]["templates"]["place_before"] - hit["stages"]["templates"]["place"] for hit in best.values()]
    assert any(moves)
    for tile, rise in zip(tiles(page).all(), moves, strict=True):
        told = f"{'↑' if rise > 0 else '↓'}{abs(rise)}"
        assert tile.locator(".moved [aria-hidden]").all_inner_texts() == ([told] if rise else [])
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("combobox", name="Boxes")).to_have_value("box-search")
    expect(page.get_by_role("group", name="Rank anew").get_by_label("templates")).to_be_checked()


def test_masks_lie_over_the_picture_where_they_are(page: Page, address: str) -> None:
    hits = first_hits(searched(page, address, "mask=stored"))
    masks = tiles(page).first.locator("canvas.mask")
    expect(masks).to_have_count(len(hits))
    painted = np.array(masks.last.evaluate(ALPHA)) > 0  # the best one is drawn last
    assert painted.shape == (180, 300)
    assert (painted == decode_rle(hits[0]["mask"])).all()
    over = masks.last.bounding_box()
    image = tiles(page).first.locator("img").bounding_box()
    assert over == pytest.approx(image, abs=1)


def test_any_run_lengths_are_read_as_coco_writes_them(page: Page, address: str) -> None:
    """Rings and speckles: run lengths of every size, larger and smaller than the last but one."""
    rows, columns = np.mgrid[:180, :300]
    ring = np.abs(np.hypot(rows - 90, (columns - 150) / 2) - 50) < 12
    mask = ring ^ (np.random.default_rng(7).random((180, 300)) < 0.01)

    def change(answer: dict[str, Any]) -> None:
        answer["hits"][0]["mask"] = encode_rle(mask)

    edit_answers(page, change)
    searched(page, address, "")
    assert (np.array(tiles(page).first.locator("canvas.mask").evaluate(ALPHA)) > 0).tolist() == mask.tolist()


def test_the_large_view_tells_what_each_stage_did(page: Page, address: str) -> None:
    hits = first_hits(searched(page, address, ALL))
    dialog = open_tile(page)
    note = hits[0]["stages"]["templates"]
    moved = f"place {note['place_before']} → {note['place']}"
    if note["place_before"] == note["place"]:
        moved = f"place {note['place']} kept"
    told = f"templates: {moved} · box-search: box fitted · stored: mask found"
    expect(dialog.locator("#view-hits .told").first).to_have_text(told)
    expect(dialog.locator("canvas.mask")).to_have_count(len(hits))


def test_an_ellipse_is_where_the_stage_drew_it(page: Page, address: str) -> None:
    drawn = {"centre": [200.0, 60.0], "axes": [60.0, 20.0], "angle": 0.5}

    def change(answer: dict[str, Any]) -> None:
        answer["hits"][0]["stages"] = {"ellipse": {"ellipse": drawn}}

    edit_answers(page, change)
    searched(page, address, "")
    frame = tiles(page).first.locator(".frame").bounding_box()
    ellipse = tiles(page).first.locator(".ellipse")
    assert frame is not None
    scale = frame["width"] / 300
    x, y = centre(ellipse)
    assert (x - frame["x"], y - frame["y"]) == pytest.approx((200 * scale, 60 * scale), abs=1.5)
    assert "rotate(0.5rad)" in (ellipse.get_attribute("style") or "")
    sizes = ellipse.evaluate("node => [node.offsetWidth, node.offsetHeight]")
    assert sizes == pytest.approx([120 * scale, 40 * scale], abs=1.5)


def test_a_fitted_box_lies_right_in_the_part_that_the_service_cuts_out(page: Page, address: str) -> None:
    (hit, *_) = searched(page, address, "refine=box-search&show=boxes")["hits"]
    stored, fitted = hit["stages"]["box-search"]["box_before"], hit["box"]
    left, right = max(stored[0] - (stored[2] - stored[0]) / 2, 0), min(stored[2] + (stored[2] - stored[0]) / 2, 300)
    frame = tiles(page).first.locator(".frame").bounding_box()
    mark = tiles(page).first.locator(".box").bounding_box()
    assert frame is not None
    assert mark is not None
    assert (mark["x"] - frame["x"]) / frame["width"] == pytest.approx((fitted[0] - left) / (right - left), abs=0.02)


def test_a_picture_as_the_question_goes_without_stages_that_need_words(page: Page, address: str) -> None:
    searched(page, address, ALL)
    dialog = open_tile(page)
    with page.expect_request("**/v1/search") as request:
        dialog.get_by_role("button", name="More like this").first.click()
    sent = json.loads(request.value.post_data or "")
    assert (sent["rerank"], sent["refine"], sent["mask"]) == ([], None, "stored")
    expect(tiles(page)).not_to_have_count(0)


def test_a_stage_that_is_not_offered_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=red&mask=sam")
    expect(page.get_by_role("alert").first).to_contain_text("no mask stage named 'sam'")
