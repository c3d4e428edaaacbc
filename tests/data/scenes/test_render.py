from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from reir.data.scenes.places import ELSEWHERE, PLACE_BY_NAME, PLACES, ground
from reir.data.scenes.render import NOBODY, render, save_jpeg
from reir.data.scenes.scene import Camera, Scene, SceneObject
from reir.data.scenes.truth import measure, mirror
from tests.data.scenes.random_scenes import random_scene

SEEDS = range(30)


def sizes(scene: Scene, root: float) -> tuple[int, int]:
    width, height = scene.size_units
    return round(width * root), round(height * root)


def one(noun: str = "dog", **fields: object) -> Scene:
    item = replace(SceneObject(noun, "red", "medium", 0.6, 0.5, 0.3), **fields)
    return Scene(7, 1.5, "meadow", 0.4, (item,))


@pytest.mark.parametrize("place", [*PLACES, *ELSEWHERE])
def test_the_same_scene_gives_the_same_bytes_and_another_seed_does_not(place):
    scene = random_scene(3, place=place)
    first, second = render(scene, 192, 128), render(scene, 192, 128)
    assert first.pixels.shape == (128, 192, 3)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.owners, second.owners)
    other = render(replace(scene, seed=4), 192, 128)
    assert np.array_equal(first.owners, other.owners)
    assert (first.pixels != other.pixels).mean() > 0.5


def test_caches_do_not_change_what_is_drawn():
    scenes = [random_scene(seed) for seed in range(5)]
    forward = [render(scene, 150, 100).pixels for scene in scenes]
    backward = [render(scene, 150, 100).pixels for scene in reversed(scenes)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_are_the_tight_boxes_of_the_masks(seed):
    scene = random_scene(seed, aspect=(0.5, 1.0, 2.0)[seed % 3])
    rendered = render(scene, *sizes(scene, 180))
    assert rendered.boxes.shape == (len(scene.objects), 4)
    owned = sum(mask.astype(int) for mask in rendered.masks)
    assert np.array_equal(owned == 0, rendered.owners == NOBODY)
    assert owned.max() == 1
    for mask, box in zip(rendered.masks, rendered.boxes, strict=True):
        if not mask.any():
            assert (box == 0).all()
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("root", [160, 224, 600])
def test_measured_boxes_agree_with_rendered_masks_at_any_size(root):
    differences = []
    for seed in SEEDS:
        scene = measure(random_scene(seed))
        width, height = sizes(scene, root)
        rendered = render(scene, width, height)
        scale = np.array([width / scene.size_units[0], height / scene.size_units[1]] * 2)
        for item, box in zip(scene.objects, rendered.boxes, strict=True):
            if item.visible > 0.5:
                differences.extend(np.abs(np.array(item.box) * scale - box))
    differences = np.array(differences)
    # Thin tips (a whisker, an antenna) may fall below half coverage at one of the two sizes.
    assert np.median(differences) < 0.6
    assert np.quantile(differences, 0.98) < 0.6 + 2.2 * root / 256


def test_the_visible_share_is_that_of_the_masks():
    errors = []
    for seed in SEEDS:
        scene = measure(random_scene(seed))
        width, height = sizes(scene, 224)
        rendered = render(scene, width, height)
        for index, item in enumerate(scene.objects):
            alone = render(replace(scene, objects=(replace(item, cx=0.6, cy=0.4),)), width, height)
            errors.append(abs(rendered.mask(index).sum() / alone.mask(0).sum() - item.visible))
    assert len(errors) > 80
    assert np.quantile(errors, 0.95) < 0.03


def test_objects_out_of_sight_have_empty_boxes():
    hidden = SceneObject("coin", "red", "small", 0.6, 0.4, 0.05)
    cover = SceneObject("book", "blue", "large", 0.6, 0.4, 0.5)
    outside = SceneObject("dog", "green", "small", 3.0, 0.4, 0.1)
    scene = measure(replace(one(), objects=(hidden, outside, cover)))
    assert [item.visible > 0.99 for item in scene.objects] == [False, False, True]
    assert scene.objects[0].box == scene.objects[1].box == (0.0, 0.0, 0.0, 0.0)
    rendered = render(scene, 192, 128)
    assert not rendered.mask(0).any()
    assert not rendered.mask(1).any()


def test_an_object_cut_by_the_edge_ends_there():
    scene = measure(one(cx=0.0, noun="coin"))
    (item,) = scene.objects
    assert item.box[0] == 0.0
    assert item.visible == pytest.approx(0.5, abs=0.02)
    whole = measure(one(noun="coin")).objects[0].box
    assert item.box[2] == pytest.approx((whole[2] - whole[0]) / 2, abs=0.003)


def test_rotation_is_counter_clockwise_and_extent_is_the_longer_side():
    upright = measure(one("ladder", rotation=0.0)).objects[0].box
    turned = measure(one("ladder", rotation=90.0)).objects[0].box
    assert upright[3] - upright[1] == pytest.approx(0.3, abs=0.006)
    assert turned[2] - turned[0] == pytest.approx(0.3, abs=0.006)
    plain = render(one("boot", rotation=0.0, cx=0.6, cy=0.4), 300, 200)
    quarter = render(one("boot", rotation=90.0, cx=0.6, cy=0.4), 300, 200)
    crops = []
    for rendered in (plain, quarter):
        x0, y0, x1, y1 = rendered.boxes[0].astype(int)
        crops.append(rendered.mask(0)[y0:y1, x0:x1])
    expected = np.asarray(Image.fromarray(np.rot90(crops[0])).resize(crops[1].shape[::-1]))
    assert (expected == crops[1]).mean() > 0.97


def test_mirroring_twice_is_identity_and_once_is_a_flip_of_the_objects():
    for seed in SEEDS:
        scene = measure(random_scene(seed, aspect=4 / 3))
        flipped = mirror(scene)
        again = mirror(flipped)
        for before, after in zip(scene.objects, again.objects, strict=True):
            assert after.box == pytest.approx(before.box, abs=1e-12)
            assert after.cx == pytest.approx(before.cx, abs=1e-12)
            assert (after.noun, after.mirrored, after.rotation) == (before.noun, before.mirrored, before.rotation)
        measured = measure(flipped)
        for told, seen in zip(flipped.objects, measured.objects, strict=True):
            assert told.box == pytest.approx(seen.box, abs=0.01)
        width, height = 240, 180
        owners, mirrored = render(scene, width, height).owners, render(flipped, width, height).owners
        assert (owners[:, ::-1] == mirrored).mean() > 0.985


@pytest.mark.parametrize("place", [*PLACES, *ELSEWHERE])
def test_a_place_looks_the_same_at_every_size(place):
    scene = Scene(5, 1.5, place, sum(PLACE_BY_NAME[place].horizons) / 2, ())
    small = render(scene, 180, 120).pixels.astype(float)
    large = Image.fromarray(render(scene, 1440, 960).pixels).resize((180, 120), Image.Resampling.BOX)
    assert np.abs(np.asarray(large, dtype=float) - small).mean() < 4


def test_indoor_and_outdoor_places_exist_and_the_ground_is_below_the_horizon():
    assert {PLACE_BY_NAME[name].group for name in PLACES} == {"indoor", "outdoor"}
    assert len(PLACES) >= 7
    top, bottom = ground(Scene(0, 0.5, "beach", 0.5, ()))
    assert (top, bottom) == pytest.approx((2**0.5 / 2, 2**0.5))


def test_the_camera_blurs_exposes_tints_and_adds_noise():
    scene = one()
    plain = render(scene, 192, 128).pixels.astype(float)
    noisy = render(replace(scene, camera=Camera(noise=8)), 192, 128).pixels - plain
    assert 6 < noisy.std() < 9
    dark = render(replace(scene, camera=Camera(exposure=0.5)), 192, 128).pixels
    assert dark.mean() == pytest.approx(plain.mean() / 2, abs=1)
    warm = render(replace(scene, camera=Camera(warmth=1.2)), 192, 128).pixels.astype(float)
    ratio = warm.mean(axis=(0, 1)) / plain.mean(axis=(0, 1))
    assert ratio[0] > 1.05
    assert ratio[2] < 0.95
    blurred = render(replace(scene, camera=Camera(blur=8)), 192, 128).pixels.astype(float)
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.7 * np.abs(np.diff(plain, axis=1)).mean()


def test_jpeg_files_hold_the_picture():
    rendered = render(one(), 192, 128)
    fine, coarse = BytesIO(), BytesIO()
    save_jpeg(rendered, fine, 95)
    save_jpeg(rendered, coarse, 40)
    assert len(coarse.getvalue()) < len(fine.getvalue())
    with Image.open(fine) as picture:
        assert picture.size == (192, 128)
        assert np.abs(np.asarray(picture, dtype=float) - rendered.pixels).mean() < 4


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="0x128"):
        render(one(), 0, 128)
