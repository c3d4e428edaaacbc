"""Pictures and texts as the towers take them: what stays the same while ellipses are scored and tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reir.models.ellipse.background import background_prompts
from reir.models.ellipse.drawing import draw, inside, signed_field
from reir.models.ellipse.grad_cam import contrast
from reir.models.ellipse.settings import EllipseSettings
from reir.models.ellipse.tower import PromptedTower
from reir.types import Picture

AT_ONCE = 64
"""Prompted pictures that go through a tower together where no gradients are kept."""
AT_ONCE_ON_CPU = 8
"""Time is looked at between them: on a CPU eight of a large tower take seconds."""


@dataclass(frozen=True)
class View:
    """What one tower sees of N questions: pixels (N, 3, H, W), each one's text and background prompts (N, 1 + J, E)."""

    tower: PromptedTower
    pixels: Tensor
    texts: Tensor
    sharpness: float

    @classmethod
    def of(
        cls, tower: PromptedTower, pictures: Sequence[Picture], texts: Sequence[str], sharpness: float | None
    ) -> View:
        """The view of pictures, each with its text."""
        ground = tower.texts(background_prompts())
        own = tower.texts(list(texts))
        prompts = torch.cat([own[:, None], ground.expand(len(own), -1, -1)], dim=1)
        return cls(tower, tower.pixels(pictures), prompts, tower.scale if sharpness is None else sharpness)

    def take(self, rows: Tensor) -> View:
        """The view of some questions, perhaps repeated."""
        return View(self.tower, self.pixels[rows], self.texts[rows], self.sharpness)

    def prompted(self, ellipses: Tensor, sigma: float) -> Tensor:
        """The pictures (N, 3, H, W) with ellipses (N, 5) drawn."""
        height, width = self.pixels.shape[-2:]
        return draw(self.pixels, signed_field(ellipses, height, width), sigma=sigma)

    def scores(self, pixels: Tensor) -> Tensor:
        """The scores of pictures like the view's own against its texts, (N, 1 + J)."""
        return self.sharpness * torch.einsum("nje,ne->nj", self.texts, self.tower.embed(pixels))


class Questions:
    """N questions, each a picture and a text, seen by the towers that score and by those that explain.

    Args:
        scoring: towers whose scores are added (section 4.1 has two).
        explaining: towers whose Grad-CAMs are added.
        pictures: one for each question.
        texts: likewise.
        settings: widths of curve and mask, and what scores are multiplied with.
    """

    def __init__(
        self,
        scoring: Sequence[PromptedTower],
        explaining: Sequence[PromptedTower],
        pictures: Sequence[Picture],
        texts: Sequence[str],
        settings: EllipseSettings,
    ) -> None:
        made = {
            id(tower): View.of(tower, pictures, texts, settings.sharpness)
            for tower in {id(tower): tower for tower in (*scoring, *explaining)}.values()
        }
        self._scoring = [made[id(tower)] for tower in scoring]
        self._explaining = [made[id(tower)] for tower in explaining]
        self._settings = settings
        # Maps are as large as the largest picture that is explained.
        self.map_size = max(tuple(view.pixels.shape[-2:]) for view in self._explaining)
        self.device = self._scoring[0].pixels.device
        self.at_once = AT_ONCE_ON_CPU if self.device.type == "cpu" else AT_ONCE

    def scores(self, ellipses: Tensor, rows: Tensor | None = None) -> Tensor:
        """Scores summed over towers, (N, 1 + J), of questions ``rows`` (N,) with ellipses (N, 5); gradients pass."""
        views = [view if rows is None else view.take(rows) for view in self._scoring]
        return torch.stack([view.scores(view.prompted(ellipses, self._settings.sigma)) for view in views]).sum(dim=0)

    @torch.no_grad()
    def matching(self, ellipses: Tensor, rows: Tensor) -> Tensor:
        """s(i', t) (N,) of the questions in ``rows`` (N,) with ellipses (N, 5), in small batches."""
        chunks = zip(ellipses.split(self.at_once), rows.split(self.at_once), strict=True)
        return torch.cat([self.scores(some, of)[:, 0] for some, of in chunks])

    def activations(
        self, ellipses: Tensor, rows: Tensor, out_of_time: Callable[[], bool] = lambda: False
    ) -> Tensor | None:
        """A (N, H, W): the Grad-CAMs of the questions in ``rows`` with ellipses (N, 5), summed over towers.

        None where time was out before all were made.
        """
        height, width = self.map_size
        chunks = []
        for some, of in zip(ellipses.split(self.at_once), rows.split(self.at_once), strict=True):
            if out_of_time():
                return None
            total = torch.zeros(len(some), height, width, device=self.device)
            for view in (view.take(of) for view in self._explaining):

                def objective(pixels: Tensor, view: View = view) -> Tensor:
                    return contrast(view.scores(pixels))

                drawn = view.prompted(some, self._settings.sigma)
                total += view.tower.grad_cam.maps(drawn, objective, height, width)
            chunks.append(total)
        return torch.cat(chunks)

    def mask(self, ellipses: Tensor) -> Tensor:
        """M (N, H, W) at the size of the activations."""
        return inside(signed_field(ellipses, *self.map_size), epsilon=self._settings.epsilon)
