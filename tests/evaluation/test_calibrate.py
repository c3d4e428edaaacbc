"""Calibrating a real small scorer on painted pictures whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reir.data.coco import load_dataset
from reir.data.dataset import Dataset
from reir.errors import CalibrationError, UsageError
from reir.evaluation import calibrate, leave_out
from reir.evaluation.calibrate import fit
from reir.evaluation.left_out import Trials, gallery_sizes
from reir.models import Calibration
from reir.store import FileFacts, Index
from reir.types import Picture
from tests.grid_colour_model import GridColourModel

SIDE = 16
COLOURS = {"red": (220, 40, 40), "green": (40, 220, 40), "blue": (40, 40, 220), "yellow": (220, 220, 40)}


def painted(pictures: int, seed: int = 0) -> tuple[list[np.ndarray], list[tuple[int, int, str]]]:
    """Pictures of two by two cells, most of them greyish, some of a colour with noise; and (picture, cell, colour)."""
    rng = np.random.default_rng(seed)
    pixels, things = [], []
    for number in range(pictures):
        cells = rng.integers(60, 160, (4, 3))
        for cell in range(4):
            if rng.random() < 0.08:
                name = str(rng.choice(list(COLOURS)))
                cells[cell] = np.clip(np.array(COLOURS[name]) + rng.normal(0, 45, 3), 0, 255)
                things.append((number, cell, name))
        pixels.append(cells.astype(np.uint8).reshape(2, 2, 3).repeat(SIDE // 2, 0).repeat(SIDE // 2, 1))
    return pixels, things


def write(folder: Path, pictures: int = 120, expressions: int = 240, seed: int = 0) -> tuple[Dataset, Index]:
    """The painted data set, every colour word with all the cells that it fits, and its index."""
    pixels, things = painted(pictures, seed)
    half = SIDE // 2
    annotations = [
        {"id": i, "image_id": number, "bbox": [cell % 2 * half, cell // 2 * half, half, half], "expressions": []}
        for i, (number, cell, _) in enumerate(things)
    ]
    ids = {name: [i for i, thing in enumerate(things) if thing[2] == name] for name in COLOURS}
    annotations[ids["red"][0]]["expressions"] = ["only this red"]
    names = list(COLOURS)
    ambiguous = [
        {"expression": f"{names[i % 4]} number {i}", "annotation_ids": ids[names[i % 4]]} for i in range(expressions)
    ]
    content = {
        "images": [{"id": i, "file_name": f"{i:03d}.png", "width": SIDE, "height": SIDE} for i in range(pictures)],
        "annotations": annotations,
        "ambiguous": ambiguous,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "painted.json").write_text(json.dumps(content))
    model = GridColourModel()
    (folder / "images").mkdir()
    index = Index.create(folder / "images", db=folder / "db", model=model.identity)
    with index.writer() as writer:
        for i, picture in enumerate(pixels):
            facts = FileFacts(f"{i:03d}.png", size=1, mtime_ns=i, content_hash=str(i), width=SIDE, height=SIDE)
            writer.add(facts, model.extract([Picture(picture, SIDE, SIDE)])[0])
        writer.commit()
    return load_dataset(folder / "painted.json"), index


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Index]:
    return write(tmp_path_factory.mktemp("painted"))


@pytest.fixture(scope="module")
def trials(world: tuple[Dataset, Index]) -> Trials:
    dataset, index = world
    with index.snapshot() as snapshot:
        return leave_out(snapshot, GridColourModel(), dataset, sizes=(20, 60, 120), depth=12)


def test_each_expression_is_put_to_galleries_with_and_without_its_answer(trials: Trials) -> None:
    assert len(trials) == 241 * 3 * 2
    assert trials.answerable.sum() * 2 == len(trials)
    for size in (20, 60):
        assert (trials.instances[trials.pictures == size] == 4 * size).all()
    whole = trials.pictures == 120
    assert (trials.instances[whole & trials.answerable] == 480).all()
    # All but the pictures with the targets.
    assert (trials.instances[whole & ~trials.answerable] < 480).all()
    assert not trials.right[~trials.answerable].any()
    assert trials.right[trials.answerable].any(axis=1).mean() > 0.7
    assert (np.diff(trials.best, axis=1) <= 0).all()


def test_a_gallery_of_everything_is_the_search(world: tuple[Dataset, Index], trials: Trials) -> None:
    dataset, index = world
    model = GridColourModel()
    rows = np.flatnonzero((trials.pictures == 120) & trials.answerable & (trials.queries > 0))[:8]
    with index.snapshot() as snapshot:
        for row in rows:
            query = dataset.ambiguous[trials.queries[row] - 1]
            scores, ids = snapshot.search(model.encode([query.text]), 12)
            held = len({target.file_name for target in query.targets})
            assert np.allclose(scores[0], trials.best[row], atol=1e-6)
            found = snapshot.instances(ids[0])
            right = {(target.file_name, target.box) for target in query.targets}
            names = {row.source_image_id: row.path for row in snapshot.all_images()}
            boxes = [tuple(float(value) for value in box) for box in found.boxes]
            fits = [(names[i], box) in right for i, box in zip(found.image_ids.tolist(), boxes, strict=True)]
            assert held > 1
            assert fits == trials.right[row].tolist()


def test_a_small_gallery_is_cut_off_where_it_ends(world: tuple[Dataset, Index]) -> None:
    dataset, index = world
    with index.snapshot() as snapshot:
        found = leave_out(snapshot, GridColourModel(), dataset, sizes=(2,), depth=12, most_queries=30)
    assert len(found) == 60
    assert (found.instances == 8).all()
    assert np.isfinite(found.best[:, :8]).all()
    assert np.isneginf(found.best[:, 8:]).all()
    assert not found.right[:, 8:].any()


def test_the_calibration_is_reliable_and_says_when_nothing_fits(world: tuple[Dataset, Index], tmp_path: Path) -> None:
    dataset, index = world
    with index.snapshot() as snapshot:
        report = calibrate(snapshot, GridColourModel(), dataset, precision=0.8)
    calibration = report.calibration
    assert calibration.fingerprint == GridColourModel().identity.fingerprint
    assert calibration.made["expressions"] == 241
    assert [figures.pictures for figures in report.by_size] == [10, 12, 40, 120]
    for figures in report.by_size[-2:]:
        assert figures.hits.ece < 0.2
        assert figures.no_match.precision is None or figures.no_match.precision > 0.6
    json.dumps(report.to_json())
    # Other pictures of the same world: the chances hold there too.
    other, other_index = write(tmp_path / "other", seed=1)
    with other_index.snapshot() as snapshot:
        fresh = leave_out(snapshot, GridColourModel(), other, sizes=(20, 60, 120), depth=calibration.depth)
    chances = calibration.anything_fits(fresh.best, fresh.instances)
    assert abs(chances.mean() - fresh.answerable.mean()) < 0.1
    said = chances < calibration.threshold
    assert said.mean() > 0.05
    assert (~fresh.answerable)[said].mean() > 0.65


def test_the_fit_finds_the_numbers_that_made_the_trials() -> None:
    """Trials drawn from the formula itself give its numbers back."""
    rng = np.random.default_rng(0)
    true = Calibration("", 20.0, -0.8, -1.0, 30.0, 0.5, threshold=0.0)
    count, depth = 20_000, 12
    instances = np.exp(rng.uniform(3, 8, count)).astype(np.int64)
    best = -np.sort(-rng.normal(0.3, 0.1, (count, depth)), axis=1).astype(np.float32)
    answerable = rng.random(count) < true.anything_fits(best, instances)
    right = (rng.random((count, depth)) < true.shares(best.astype(np.float64), best.astype(np.float64))) & answerable[
        :, None
    ]
    numbers = np.arange(count)
    found = fit(Trials(numbers, instances, instances, answerable, best, right), fingerprint="f")
    assert found.score == pytest.approx(20, rel=0.05)
    assert found.size == pytest.approx(-0.8, rel=0.05)
    assert found.offset == pytest.approx(-1, abs=0.3)
    assert found.contrast == pytest.approx(30, rel=0.05)
    assert found.clear_score == pytest.approx(0.5, abs=0.02)


def test_scores_that_say_nothing_are_refused() -> None:
    rng = np.random.default_rng(0)
    count = 500
    best = -np.sort(-rng.normal(0, 1, (count, 12)), axis=1).astype(np.float32)
    answerable = best[:, 0] < np.median(best[:, 0])  # better scores, fewer answers
    right = (np.arange(12) == 0) & answerable[:, None]
    trials = Trials(np.arange(count), np.full(count, 10), np.full(count, 40), answerable, best, right)
    with pytest.raises(CalibrationError, match="do not tell right from wrong"):
        fit(trials, fingerprint="f")
    blind = Trials(np.arange(count), np.full(count, 10), np.full(count, 40), answerable, best, np.zeros_like(right))
    with pytest.raises(CalibrationError, match="next to none"):
        fit(blind, fingerprint="f")


def test_too_little_is_refused(tmp_path: Path) -> None:
    dataset, index = write(tmp_path, pictures=40, expressions=20)
    with index.snapshot() as snapshot, pytest.raises(CalibrationError, match="40 pictures and 21 expressions"):
        calibrate(snapshot, GridColourModel(), dataset)


@pytest.mark.parametrize("options", [{"precision": 0.4}, {"precision": 1.0}, {"sizes": (0,)}, {"sizes": (121,)}])
def test_options_out_of_range(world: tuple[Dataset, Index], options: dict) -> None:
    dataset, index = world
    with index.snapshot() as snapshot, pytest.raises(UsageError, match="must be from"):
        calibrate(snapshot, GridColourModel(), dataset, **options)


def test_sizes_go_up_to_all_there_is() -> None:
    assert gallery_sizes(1500) == (50, 150, 500, 1500)
    assert gallery_sizes(30) == (10, 30)
