"""The stages in searches of a real gallery: orders, boxes, masks, pages, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir import Gallery
from reir.errors import UsageError, WeightsMissingError
from reir.geometry.masks import decode_rle
from reir.imaging import decode_picture
from reir.rerank import StagePlan, list_stages, load_stage
from reir.rerank.box_search import box_variants
from reir.rerank.prompts import labels_of, spatial_prompts
from reir.search import Cursor, Searcher, SearchRequest, SecondLook
from reir.types import Hit, SearchResult
from tests.colour_crop_model import ColourCropModel
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import COLOURS, Quadrants, paint

NAMES = ("red", "green", "blue", "yellow", "dark")
PICTURES: dict[str, Quadrants] = {
    f"{number:02}.png": colours for number, colours in enumerate(list(permutations(NAMES, 4))[::11])
}
MODEL = ColourCropModel()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    root = tmp_path_factory.mktemp("gallery")
    for name, quadrants in PICTURES.items():
        paint(root / name, quadrants, (300, 180))
    with Gallery.create(root, model=MODEL) as made:
        made.add([root], workers=0)
        yield made


def ids(result: SearchResult) -> list[int]:
    return [hit.instance_id for hit in result.hits]


def template_score(gallery: Gallery, hit: Hit, expression: str, share: float, temperature: float) -> float:
    """Section 3.1's score, the plain way."""
    with gallery.reading() as snapshot:
        vector = snapshot.instances([hit.instance_id]).vectors[0]
    (label,) = labels_of(np.array([hit.box], np.float32), hit.width, hit.height)
    cosines = [float(vector[:3] @ text) for text in MODEL.encode_texts(spatial_prompts(expression, label))]
    return share * (sum(cosines) / len(cosines)) / temperature + (1 - share) * float(vector[3])


@pytest.mark.parametrize("blend", [None, {"lambda": 0.25}, {"lambda": 1.0, "tau": 0.1}])
def test_templates_score_as_the_paper_has_it(gallery: Gallery, blend: dict[str, float] | None) -> None:
    first = gallery.search("red", top=44, flat=True, blend=blend)
    result = gallery.search("red", top=44, flat=True, rerank=["templates"], stage_top=20, blend=blend)
    mix = {**MODEL.blend, **(blend or {})}
    for hit in result.hits[:20]:
        assert hit.score == pytest.approx(template_score(gallery, hit, "red", mix["lambda"], mix["tau"]), abs=1e-3)
    assert set(ids(result)[:20]) == set(ids(first)[:20])
    assert ids(result)[:20] != ids(first)[:20]
    scores = [hit.score for hit in result.hits[:20]]
    assert scores == sorted(scores, reverse=True)
    assert ids(result)[20:] == ids(first)[20:]
    places = {hit.instance_id: hit.rank for hit in first.hits}
    for hit in result.hits[:20]:
        assert hit.stages["templates"]["place_before"] == places[hit.instance_id]
        assert hit.stages["templates"]["place"] == hit.rank
    assert result.hits[20].stages == {}
    assert result.timings_ms["templates"] > 0


@pytest.mark.parametrize("top", [1, 3, 10, 44])
@pytest.mark.parametrize("flat", [True, False])
def test_pages_follow_the_order_of_the_stages(gallery: Gallery, top: int, flat: bool) -> None:
    options = {"rerank": ["templates"], "stage_top": 13, "flat": flat}
    whole = gallery.search("green", top=44, **options)
    page = gallery.search("green", top=top, **options)
    seen = [(hit.rank, hit.instance_id) for hit in page.hits]
    while page.next_cursor is not None:
        page = gallery.search(cursor=page.next_cursor, top=top, **options)
        seen += [(hit.rank, hit.instance_id) for hit in page.hits]
    if flat:
        assert seen == [(hit.rank, hit.instance_id) for hit in whole.hits]
    else:  # a later page may show more boxes of a picture, never another order
        first_boxes = list(dict(reversed(seen)).items())[::-1]
        wanted = list(dict(reversed([(hit.rank, hit.instance_id) for hit in whole.hits])).items())[::-1]
        assert first_boxes == wanted


def test_pages_with_other_stages_are_refused(gallery: Gallery) -> None:
    page = gallery.search("red", top=2, rerank=["templates"])
    with pytest.raises(UsageError, match="cursor"):
        gallery.search(cursor=page.next_cursor, top=2)


def test_box_search_finds_a_better_box(tmp_path: Path) -> None:
    pixels = np.full((600, 600, 3), 20, dtype=np.uint8)
    pixels[60:270, 40:280] = COLOURS["red"]  # beside the grid
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    with Gallery.create(tmp_path, model=MODEL) as gallery:
        gallery.add([tmp_path], workers=0)
        (before,) = gallery.search("red", top=1, flat=True).hits
        (after,) = gallery.search("red", top=1, flat=True, refine="box-search").hits
    note = after.stages["box-search"]
    assert note["box_before"] == list(before.box)
    assert (after.rank, after.score, after.instance_id) == (before.rank, before.score, before.instance_id)

    def plain(box: np.ndarray) -> float:
        (label,) = labels_of(box[None], 600, 600)
        picture = decode_picture(tmp_path / "spot.png", max_side=MODEL.decode_side).picture
        return float(
            (MODEL.encode_texts(spatial_prompts("red", label)) @ MODEL.encode_boxes(picture, box[None])[0]).mean()
        )

    best = np.array(before.box, np.float32)
    for step in (0.15, 0.075):
        best = max(box_variants(best, step, 600, 600), key=plain)
    assert after.box == pytest.approx(best.tolist())
    assert note["score"] == pytest.approx(plain(best), abs=1e-5)
    assert note["score"] > note["score_before"] == pytest.approx(plain(np.array(before.box, np.float32)), abs=1e-5)


def test_masks_of_the_index_come_at_the_size_of_the_picture(gallery: Gallery) -> None:
    result = gallery.search("blue", top=3, mask="stored")
    for hit in result.hits:
        assert hit.mask is not None
        assert hit.mask["size"] == [hit.height, hit.width] == [180, 300]
        mask = decode_rle(hit.mask)
        x0, y0, x1, y1 = (round(side) for side in hit.box)
        plain = np.zeros_like(mask)
        plain[y0:y1, x0:x1] = True
        assert (mask & plain).sum() / (mask | plain).sum() > 0.9
    example = gallery.like(result.hits[0].instance_id, mask="stored")
    assert example.hits[0].mask is not None


def test_a_model_without_masks_says_so(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"))
    with Gallery.create(tmp_path, model=GridColourModel()) as gallery:
        gallery.add([tmp_path], workers=0)
        (hit,) = gallery.search("red", top=1, flat=True, mask="stored").hits
        assert (hit.mask, hit.stages) == (None, {"stored": {"found": False}})
        with pytest.raises(UsageError, match="does not embed crops"):
            gallery.search("red", rerank=["templates"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rerank": ["template"]}, "Did you mean templates"),
        ({"rerank": ["box-search"]}, "use --refine box-search"),
        ({"refine": "nothing-like-it"}, "There are: box-search"),
        ({"refine": "box-search:step=7"}, "step must be"),
        ({"rerank": ["templates:step=1"]}, "no option 'step'"),
        ({"rerank": ["templates", "templates"]}, "named twice"),
        ({"mask": "stored", "stage_top": 0}, "stage top"),
        ({"mask": "stored", "stage_seconds": 0}, "stage seconds"),
        ({"blend": {"alpha": 1.0}}, "no 'alpha' to blend; it has lambda \\(0.75\\)"),
    ],
)
def test_what_cannot_be_is_refused(gallery: Gallery, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gallery.search("red", **options)


def test_a_search_by_example_has_no_expression_to_rank_by(gallery: Gallery) -> None:
    found = gallery.search("red").hits[0].instance_id
    with pytest.raises(UsageError, match="needs an expression"):
        gallery.like(found, rerank=["templates"])


def test_a_search_by_example_has_nothing_to_blend(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="by example"):
        gallery.search(vector=np.zeros(4, np.float32), blend={"lambda": 0.1})


def test_a_stage_that_ran_out_of_time_is_asked_again_but_pages_go_on(tmp_path: Path) -> None:
    for number, colours in enumerate(list(permutations(NAMES, 4))[:8]):
        paint(tmp_path / f"{number}.png", colours)
    with Gallery.create(tmp_path, model=MODEL) as gallery:
        gallery.add([tmp_path], workers=0)
        second_look = SecondLook(MODEL)
        with gallery.reading() as snapshot:
            searcher = Searcher(snapshot, MODEL, second_look)
            request = SearchRequest("red", top=5, flat=True, stages=StagePlan(("templates",)))
            (first,) = searcher.search_many([request])
            (again,) = searcher.search_many([request])
            assert isinstance(first, SearchResult)
            assert isinstance(again, SearchResult)
            assert "templates" in again.timings_ms
            (page,) = searcher.search_many([replace(request, query=Cursor.decode(first.next_cursor or ""))])
            assert isinstance(page, SearchResult)
            assert "templates" not in page.timings_ms
            assert [hit.rank for hit in page.hits] == [6, 7, 8, 9, 10]


def test_threads_share_a_stage(gallery: Gallery) -> None:
    texts = [f"{one} {other}" for one in NAMES[:4] for other in NAMES[:4]] * 6
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda text: gallery.search(text, top=3, rerank=["templates"]), texts))
    for text, result in zip(texts[:16], together[:16], strict=True):
        assert ids(result) == ids(gallery.search(text, top=3, rerank=["templates"]))


def test_variants_of_a_box_lie_in_the_picture_and_begin_with_it() -> None:
    box = np.array([10, 20, 50, 40], np.float32)
    variants = box_variants(box, 0.5, 55, 45)
    assert variants.shape == (27, 4)
    np.testing.assert_array_equal(variants[0], box)
    assert len(np.unique(variants, axis=0)) == 27
    assert variants[:, :2].min() >= 0
    assert (variants[:, 2] <= 55).all()
    assert (variants[:, 3] <= 45).all()
    assert (variants[:, 2:] > variants[:, :2]).all()


def test_places_are_named_by_the_centre() -> None:
    boxes = np.array([[0, 0, 10, 10], [40, 40, 60, 60], [90, 0, 100, 100], [0, 80, 100, 100]], np.float32)
    assert labels_of(boxes, 100, 100) == ["top-left", "center", "right", "bottom"]


def test_every_registered_stage_can_be_made_or_tells_what_it_needs() -> None:
    told = []
    for entry in list_stages():
        try:
            stage = load_stage(entry.name, entry.kind)
        except (UsageError, WeightsMissingError) as error:
            told.append((entry, str(error)))
        else:
            assert (stage.name, stage.kind) == (entry.name, entry.kind)
    assert len(list_stages()) - len(told) >= 4
    needs = [f"--{entry.kind} {entry.name}:FOLDER" in text or "reir models download" in text for entry, text in told]
    assert all(needs)
    assert all(entry.weights for entry, _ in told)
    assert StagePlan().empty
