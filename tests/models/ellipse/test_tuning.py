"""Tuning: what a batch is, what a seed gives, when it ends, and what each part of the loss does."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from reir.geometry import paired_iou
from reir.models.ellipse import (
    EllipseSettings,
    EllipseTuner,
    anchors,
    background_prompts,
    box_of,
    inscribed,
    mask_of,
)
from reir.models.ellipse.objective import inflation_loss, matching_loss, squeezing_loss
from reir.models.ellipse.perceptron import Perceptrons
from reir.models.ellipse.question import Questions
from reir.models.ellipse.start import mean_activation
from reir.models.ellipse.tower import PromptedTower
from reir.models.ellipse.tune import tune
from reir.models.towers import ClipTower
from reir.types import Picture
from tests.models.towers.tiny_tower import VIT, save_tiny_tower

QUICK = EllipseSettings(steps=12, points=2, ellipses=3, top=3, sigma=0.3)


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> list[PromptedTower]:
    """Two towers of different sizes."""
    folder = tmp_path_factory.mktemp("towers")
    visions = [VIT, {**VIT, "image_size": 48, "pool_type": "avg"}]
    folders = [save_tiny_tower(folder / str(i), seed=i, vision_cfg=vision) for i, vision in enumerate(visions)]
    return [PromptedTower(ClipTower.load(str(path), device="cpu"), device="cpu") for path in folders]


@pytest.fixture
def make(towers: list[PromptedTower]) -> Callable[..., EllipseTuner]:
    def tuner(**changes: object) -> EllipseTuner:
        return EllipseTuner(towers, towers, replace(QUICK, **changes))  # type: ignore[arg-type]

    return tuner


def questions() -> tuple[list[Picture], list[str], np.ndarray]:
    random = np.random.default_rng(0)
    pictures = [
        Picture(random.integers(0, 256, (40, 60, 3), dtype=np.uint8), 60, 40),
        Picture(random.integers(0, 256, (50, 30, 3), dtype=np.uint8), 90, 150),
    ]
    boxes = [(5, 5, 30, 25), (20, 30, 60, 120), (10, 0, 50, 39)]
    rows = [0, 1, 0]
    start = np.stack(
        [inscribed(box, pictures[k].width, pictures[k].height) for box, k in zip(boxes, rows, strict=True)]
    )
    return [pictures[k] for k in rows], ["a red dog", "a green lamp", "the man"], start


def test_a_batch_of_pictures_and_texts_equals_each_alone(make: Callable[..., EllipseTuner]) -> None:
    pictures, texts, start = questions()
    together = make().refine(pictures, texts, start)
    for i in range(3):
        (alone,) = make().refine(pictures[i : i + 1], texts[i : i + 1], start[i : i + 1])
        assert together[i].ellipse == pytest.approx(alone.ellipse, abs=1e-4)
        assert together[i].score == pytest.approx(alone.score, rel=1e-3)
        assert np.abs(alone.ellipse - start[i]).max() > 1e-3, "nothing was tuned"


def test_results_repeat_and_follow_the_seed(make: Callable[..., EllipseTuner]) -> None:
    pictures, texts, start = questions()
    first, again = (make().refine(pictures, texts, start) for _ in range(2))
    other = make(seed=1).refine(pictures, texts, start)
    assert all(np.array_equal(a.ellipse, b.ellipse) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.ellipse, b.ellipse) for a, b in zip(first, other, strict=True))


def test_the_matching_loss_alone_raises_the_matching_share(make: Callable[..., EllipseTuner]) -> None:
    """The loss is of the text against background prompts, so the text's own score need not rise; this one's does."""
    pictures, texts, start = questions()
    tuned = make(inflation=0.0, squeezing=0.0, steps=40).refine(pictures, texts, start)
    assert all(np.isfinite(one.ellipse).all() for one in tuned)
    assert sum(one.score > one.score_before for one in tuned) >= 2


def test_no_steps_give_the_first_ellipse(make: Callable[..., EllipseTuner]) -> None:
    pictures, texts, start = questions()
    for one, first in zip(make(steps=0).refine(pictures, texts, start), start, strict=True):
        assert np.array_equal(one.ellipse, first)
        assert one.steps == 0
        assert one.score == pytest.approx(one.score_before)


def test_it_ends_when_time_is_out(make: Callable[..., EllipseTuner]) -> None:
    pictures, texts, start = questions()
    asked = []

    def out_of_time() -> bool:
        asked.append(True)
        return len(asked) >= 5  # once before the activations, then before each step

    tuned = make(steps=1000).refine(pictures, texts, start, out_of_time=out_of_time)
    assert [one.steps for one in tuned] == [3, 3, 3]


@pytest.mark.parametrize("start", ["score-activation", "activation-score", "score", "activation"])
def test_finding_starts_from_the_anchor_that_is_asked_for(make: Callable[..., EllipseTuner], start: str) -> None:
    pictures, texts, _ = questions()
    tuner = make(start=start, steps=0)
    found = tuner.find(pictures, texts)
    table = torch.from_numpy(anchors(2, 3))
    asked = Questions(tuner.scoring, tuner.explaining, pictures, texts, tuner.settings)
    for row, one in enumerate(found):
        rows = torch.full((len(table),), row)
        values = {"score": asked.matching(table, rows), "activation": mean_activation(asked, table, rows)}
        names = start.split("-")
        best = torch.arange(len(table))
        if len(names) == 2:
            best = values[names[0]].topk(3).indices
        chosen = best[values[names[-1]][best].argmax()]
        assert np.array_equal(one.start, table[chosen].numpy())


def test_finding_out_of_time_gives_one_of_the_first_anchors(make: Callable[..., EllipseTuner]) -> None:
    pictures, texts, _ = questions()
    first = anchors(5, 9)[:8]
    for one in make(points=5, ellipses=9).find(pictures, texts, out_of_time=lambda: True):
        assert (one.start == first).all(axis=1).any(), "more anchors were scored than the first batch"
        assert np.array_equal(one.ellipse, one.start)
        assert one.steps == 0


def test_an_ideal_activation_is_enclosed() -> None:
    """Without the matching loss, inflation and squeezing fit the ellipse to what is active: here a true mask."""
    boxes = np.array([(10, 12, 40, 30), (50, 20, 80, 70), (20, 55, 60, 85), (5, 5, 75, 60)], dtype=np.float32)
    start = np.stack([inscribed((30, 25, 65, 65), 96, 96)] * len(boxes))
    masks = torch.from_numpy(np.stack([mask_of(inscribed(tuple(box), 96, 96), 48, 48) for box in boxes])).float()

    class IdealQuestions(Questions):
        def __init__(self) -> None:
            self.map_size, self.device, self._settings = (48, 48), torch.device("cpu"), settings

        def activations(self, ellipses: torch.Tensor, rows: torch.Tensor, *_: object) -> torch.Tensor:
            return masks[rows]

        def matching(self, ellipses: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(ellipses))

    settings = EllipseSettings(similarity=0.0)
    tuned = tune(IdealQuestions(), torch.from_numpy(start), settings).ellipses.numpy()
    found = np.array([box_of(ellipse, 96, 96) for ellipse in tuned])
    assert (paired_iou(np.array([(30, 25, 65, 65)] * 4, dtype=np.float32), boxes) < 0.5).all()
    assert (paired_iou(found, boxes) > 0.5).all()

    larger = tune(IdealQuestions(), torch.from_numpy(start), replace(settings, squeezing=0.0)).ellipses
    smaller = tune(IdealQuestions(), torch.from_numpy(start), replace(settings, inflation=0.0)).ellipses
    area = abs(float(start[0, 2] * start[0, 3]))
    assert ((larger[:, 2] * larger[:, 3]).abs() > area).all()
    assert ((smaller[:, 2] * smaller[:, 3]).abs() < area).all()


def test_nothing_to_do(make: Callable[..., EllipseTuner]) -> None:
    assert make().find([], []) == []
    assert make().refine([], [], np.zeros((0, 5), dtype=np.float32)) == []


def test_losses_by_hand() -> None:
    activation = torch.tensor([[[1.0, 0.5], [0.0, 0.0]]])
    mask = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    assert inflation_loss(activation, mask).tolist() == pytest.approx([-np.log(1.5 / 4)])
    assert squeezing_loss(activation, mask).tolist() == pytest.approx([-np.log(1.5 / 3)])
    scores = torch.tensor([[2.0, 0.0, 1.0]])
    expected = -np.log(np.exp(2) / (np.exp(2) + np.exp(0) + np.exp(1)))
    assert matching_loss(scores).tolist() == pytest.approx([expected])


def test_an_activation_of_zero_has_finite_losses() -> None:
    activation, mask = torch.zeros(1, 4, 4), torch.full((1, 4, 4), 0.5, requires_grad=True)
    (inflation_loss(activation, mask) + squeezing_loss(activation, mask)).sum().backward()
    assert mask.grad is not None
    assert mask.grad.isfinite().all()


def test_networks_have_the_paper_s_sizes_and_start_at_rest() -> None:
    networks = Perceptrons(count=3, seed=0)
    assert [tuple(weight.shape) for weight in networks.weights] == [(3, 64, 128), (3, 128, 128), (3, 128, 5)]
    assert networks.tokens.shape == (3, 1, 64)
    assert torch.equal(networks(), torch.zeros(3, 5))
    with torch.no_grad():
        networks.biases[-1][:] = 100.0
    assert networks().max() <= 1


def test_background_prompts_are_those_that_the_paper_names() -> None:
    prompts = background_prompts()
    assert len(set(prompts)) == 25
    assert {"a clean origami land.", "a clean origami wall."} <= set(prompts)


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="start must be one of"):
        EllipseSettings(start="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sigma"):
        EllipseSettings(sigma=0)
