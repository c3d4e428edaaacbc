"""A picture as the question: chosen, dropped or pasted, whole or a part of it."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.imaging.orientations import STORED_AS, with_orientation
from tests.server.page.doing import Json, ask, tiles

GIVE = """([kind, name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  const data = new DataTransfer()
  data.items.add(new File([bytes], name, { type }))
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
  document.body.dispatchEvent(event)
}"""


@pytest.fixture
def cow(page: Page, db: Path) -> tuple[Path, Json]:
    """The file with the red cow, and the hit that says where it is."""
    hit = ask(page)["hits"][0]
    page.locator("#query").fill("")
    return db.parent / hit["path"], hit


def give(page: Page, kind: str, file: Path, media_type: str = "image/jpeg") -> None:
    page.evaluate(GIVE, [kind, file.name, media_type, base64.b64encode(file.read_bytes()).decode()])


def drag_over(page: Page, hit: Json) -> None:
    """Draw a rectangle round the hit on the picture that is to be cropped."""
    frame = page.locator("#crop-frame").bounding_box()
    assert frame is not None
    scale = frame["width"] / hit["width"]
    x0, y0, x1, y1 = (value * scale for value in hit["box"])
    page.mouse.move(frame["x"] + x0, frame["y"] + y0)
    page.mouse.down()
    page.mouse.move(frame["x"] + (x0 + x1) / 2, frame["y"] + y1)
    page.mouse.move(frame["x"] + x1, frame["y"] + y1)
    page.mouse.up()


def note_bodies(page: Page) -> list[bytes]:
    """The bodies of the searches that the page sends from now on, as they come."""
    bodies: list[bytes] = []

    def handle(route: Route) -> None:
        bodies.append(route.request.post_data_buffer or b"")
        route.continue_()

    page.route("**/v1/search", handle)
    return bodies


def sent_picture(body: bytes) -> Image.Image:
    match = re.search(rb"Content-Type: image/jpeg\r\n\r\n(.*?)\r\n--", body, re.DOTALL)
    assert match is not None
    return Image.open(io.BytesIO(match[1]))


def test_a_part_of_a_chosen_picture_is_searched_with(page: Page, cow: tuple[Path, Json]) -> None:
    file, hit = cow
    page.set_input_files("#file", file)
    dialog = page.get_by_role("dialog", name="Search with this picture")
    expect(dialog).to_be_visible()
    drag_over(page, hit)
    bodies = note_bodies(page)
    with page.expect_response("**/v1/search") as response:
        dialog.get_by_role("button", name="Search with this part").click()
    sent = sent_picture(bodies[0])
    wanted = Image.open(file).convert("RGB").crop(tuple(round(value) for value in hit["box"]))
    assert sent.size == pytest.approx(wanted.size, abs=2)
    difference = np.abs(np.asarray(sent.resize(wanted.size), float) - np.asarray(wanted, float))
    assert difference.mean() < 12, "what was sent is not what the box encloses"
    best = response.value.json()["hits"][0]
    expect(dialog).to_be_hidden()
    expect(page.locator("#example")).to_contain_text("Your picture")
    expect(tiles(page).first).to_contain_text(best["path"])
    page.get_by_role("button", name="Remove the example").click()
    expect(page.get_by_role("heading", name="Find the thing you describe")).to_be_visible()


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(page: Page, cow: tuple[Path, Json], kind: str) -> None:
    give(page, kind, cow[0])
    dialog = page.get_by_role("dialog", name="Search with this picture")
    with page.expect_response("**/v1/search") as response:
        dialog.get_by_role("button", name="Search with the whole picture").click()
    assert response.value.status == 200
    expect(tiles(page)).not_to_have_count(0)


def test_dragging_a_file_over_the_page_says_what_will_happen(page: Page, cow: tuple[Path, Json]) -> None:
    give(page, "dragenter", cow[0])
    expect(page.get_by_text("Drop the picture to search with it")).to_be_visible()
    give(page, "dragleave", cow[0])
    expect(page.get_by_text("Drop the picture to search with it")).to_be_hidden()


def test_what_is_not_a_picture_is_refused(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    give(page, "drop", tmp_path / "notes.txt", "text/plain")
    expect(page.get_by_text("That is not a picture.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_neither_browser_nor_service_can_read_is_said(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    give(page, "drop", tmp_path / "broken.jpg")
    expect(page.get_by_role("heading", name="That did not work")).to_be_visible()


def test_the_part_that_is_sent_is_upright_and_no_larger_than_of_use(page: Page, tmp_path: Path) -> None:
    upright = Image.new("RGB", (3000, 1500), "white")
    upright.paste((255, 0, 0), (0, 0, 1500, 1500))
    stored = upright.transpose(STORED_AS[6])
    stored.save(tmp_path / "turned.jpg", exif=with_orientation(6))
    page.set_input_files("#file", tmp_path / "turned.jpg")
    bodies = note_bodies(page)
    page.get_by_role("button", name="Search with the whole picture").click()
    expect(tiles(page)).not_to_have_count(0)
    picture = sent_picture(bodies[0])
    assert picture.size == (1024, 512)
    left, right = picture.getpixel((100, 250)), picture.getpixel((900, 250))
    assert left[0] > 240 > 15 > left[1], left
    assert min(right) > 240, right


def test_the_part_can_be_chosen_with_the_keyboard(page: Page, cow: tuple[Path, Json]) -> None:
    page.set_input_files("#file", cow[0])
    area = page.get_by_role("group", name="The part to search with")
    area.focus()
    area.press("ArrowRight")
    area.press("Shift+ArrowUp")
    expect(page.get_by_role("button", name="Search with this part")).to_be_visible()
    frame, chosen = page.locator("#crop-frame").bounding_box(), area.bounding_box()
    assert frame is not None
    assert chosen is not None
    assert (chosen["x"] - frame["x"]) / frame["width"] == pytest.approx(0.22, abs=0.01)
    assert chosen["height"] / frame["height"] == pytest.approx(0.58, abs=0.01)
    page.get_by_role("button", name="Whole picture", exact=True).click()
    expect(page.get_by_role("button", name="Search with the whole picture")).to_be_visible()


def test_more_pages_follow_an_example(page: Page, cow: tuple[Path, Json]) -> None:
    page.set_viewport_size({"width": 400, "height": 400})
    page.set_input_files("#file", cow[0])
    page.get_by_role("button", name="Search with the whole picture").click()
    expect(tiles(page)).not_to_have_count(0)
    before = tiles(page).count()
    tiles(page).last.scroll_into_view_if_needed()
    expect(tiles(page).nth(before)).to_be_attached()


def test_an_example_does_not_outlive_the_page(page: Page, cow: tuple[Path, Json]) -> None:
    page.set_input_files("#file", cow[0])
    page.get_by_role("button", name="Search with the whole picture").click()
    expect(tiles(page)).not_to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="The example is gone")).to_be_visible()
