"""``--refine ellipse`` and ``--grounder ellipse`` through galleries and on one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reir
from reir import Gallery
from reir.errors import UsageError, WeightsMissingError
from reir.imaging import decode_picture
from reir.models.ellipse import box_of, inscribed
from reir.models.ellipse.naming import find_tuner
from reir.models.grounders import load_grounder
from reir.models.specification import ModelSpec
from reir.rerank import load_stage
from tests.grid_colour_model import GridColourModel
from tests.models.towers.tiny_tower import VIT, save_tiny_tower
from tests.search.galleries import paint

QUICK = "steps=4,points=2,ellipses=3,top=2,sigma=0.3"


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The method with two tiny towers."""
    folder = tmp_path_factory.mktemp("towers")
    first = save_tiny_tower(folder / "a", seed=0)
    second = save_tiny_tower(folder / "b", seed=1, vision_cfg={**VIT, "image_size": 48, "pool_type": "avg"})
    return f"ellipse:{first}+{second},{QUICK}"


def test_hits_of_several_pictures_get_boxes_around_ellipses(name: str, tmp_path: Path) -> None:
    for file, colours in (("a.png", ("red", "green", "blue", "dark")), ("b.png", ("blue", "red", "dark", "green"))):
        paint(tmp_path / file, colours, (300, 180))
    with Gallery.create(tmp_path, model=GridColourModel()) as gallery:
        gallery.add([tmp_path], workers=0)
        plain = {hit.instance_id: hit.box for hit in gallery.search("red", top=4).hits}
        result = gallery.search("red", top=4, refine=f"{name},guard=off", stage_seconds=1000)
    assert len({hit.path for hit in result.hits}) == 2
    assert result.timings_ms["ellipse"] > 0
    for hit in result.hits:
        note = hit.stages["ellipse"]
        assert note["box_before"] == pytest.approx(plain[hit.instance_id], abs=0.01)
        assert note["steps"] == 4
        assert set(note["ellipse"]) == {"centre", "axes", "angle"}
        x0, y0, x1, y1 = hit.box
        assert 0 <= x0 < x1 <= 300
        assert 0 <= y0 < y1 <= 180
    assert any(hit.box != plain[hit.instance_id] for hit in result.hits)


def test_a_hit_alone_is_tuned_as_by_the_library(name: str, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"), (300, 180))
    (hit,) = reir.ground(tmp_path / "a.png", "blue", model=GridColourModel(), refine=f"{name},guard=off").hits
    (before,) = reir.ground(tmp_path / "a.png", "blue", model=GridColourModel()).hits
    tuner = find_tuner(ModelSpec.parse(name), device="cpu")
    side = max(tuner.picture_side, GridColourModel().decode_side)
    picture = decode_picture(tmp_path / "a.png", max_side=side).picture
    (tuned,) = tuner.refine([picture], ["blue"], inscribed(before.box, 300, 180)[None])
    assert hit.box == pytest.approx(box_of(tuned.ellipse, 300, 180), abs=0.5)
    assert hit.stages["ellipse"]["score"] == pytest.approx(tuned.score, rel=1e-3)


def test_a_box_is_kept_where_the_towers_prefer_it(name: str, tmp_path: Path) -> None:
    """Without the matching loss the towers are not asked, so their score falls for some boxes."""
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"), (300, 180))
    paint(tmp_path / "b.png", ("blue", "red", "dark", "green"), (300, 180))
    kept, moved = 0, 0
    with Gallery.create(tmp_path, model=GridColourModel()) as gallery:
        gallery.add([tmp_path], workers=0)
        for text in ("red", "blue", "green"):
            plain = {hit.instance_id: hit.box for hit in gallery.search(text, top=4).hits}
            for hit in gallery.search(text, top=4, refine=f"{name},similarity=0", stage_seconds=1000).hits:
                note = hit.stages["ellipse"]
                if note["score"] <= note["score_before"]:
                    assert hit.box == plain[hit.instance_id]
                    kept += "kept" in note
                else:
                    assert hit.box != plain[hit.instance_id]
                    assert "kept" not in note
                    moved += 1
    assert kept
    assert moved


def test_the_budget_holds_before_the_first_step_and_a_grounder_warns(name: str, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"), (300, 180))
    result = reir.ground(tmp_path / "a.png", "blue", grounder=name.replace("points=2", "points=9"), stage_seconds=0.001)
    assert result.hits[0].stages["ellipse"]["steps"] == 0
    assert result.warnings == ("ellipse ran out of time after 0.001 s: it ended with what it had",)
    assert not reir.ground(tmp_path / "a.png", "blue", grounder=name, stage_seconds=1000).warnings


def test_grounder_gives_box_mask_and_ellipse(name: str, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"), (300, 180))
    picture = decode_picture(tmp_path / "a.png", max_side=120).picture
    grounder = load_grounder(name, device="cpu")
    both = grounder.ground([(picture, "blue"), (picture, "red")])
    for grounding in both:
        assert grounding.mask is not None
        assert grounding.mask.shape == picture.pixels.shape[:2]
        rows, columns = np.nonzero(grounding.mask)
        scale = 300 / picture.pixels.shape[1]
        filled = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * scale
        assert filled == pytest.approx(grounding.box, abs=2 * scale)
        assert grounding.notes["steps"] == 4
    (hit,) = reir.ground(tmp_path / "a.png", "blue", grounder=name).hits
    assert hit.mask is not None
    assert set(hit.stages["ellipse"]["ellipse"]) == {"centre", "axes", "angle"}


def test_without_weights_it_says_at_once_what_to_do() -> None:
    """The default towers are the paper's: nobody has them unasked."""
    with pytest.raises(WeightsMissingError, match=r"reir models download timm/vit_base_patch16_clip_224\.openai"):
        load_stage("ellipse", "refine")
    with pytest.raises(WeightsMissingError, match="reir models download"):
        load_grounder("ellipse:ViT-L-14__openai")


def test_what_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="steps must be a number from 0"):
        load_stage(f"{name.replace('steps=4', 'steps=-1')}", "refine")
    with pytest.raises(UsageError, match="no option 'size'"):
        load_grounder("ellipse:size=3")
    with pytest.raises(UsageError, match="no option 'batch'"):
        load_grounder("ellipse:batch=3")
    with pytest.raises(UsageError, match="--refine ellipse"):
        load_stage("ellipse", "mask")
    with pytest.raises(UsageError, match="no tower"):
        load_stage(f"ellipse:{tmp_path / 'nowhere'}", "refine")
