"""The tuning of ellipses by gradient descent: Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reir.models.ellipse.objective import inflation_loss, matching_loss, squeezing_loss
from reir.models.ellipse.perceptron import Perceptrons
from reir.models.ellipse.question import Questions
from reir.models.ellipse.settings import EllipseSettings


@dataclass(frozen=True, slots=True)
class Tuned:
    """Ellipses (B, 5), the matching scores s(i*, t) (B,) of the first ones and of these, and the steps done."""

    ellipses: Tensor
    scores_before: Tensor
    scores: Tensor
    steps: int


def tune(
    questions: Questions, ellipses: Tensor, settings: EllipseSettings, out_of_time: Callable[[], bool] = lambda: False
) -> Tuned:
    """The ellipses after ``settings.steps`` steps from ``ellipses`` (B, 5), one for each question, all in one batch.

    The activation A* is that of the picture with the first ellipse, and stays. Each step's ellipse is the first one
    shifted by what its network says, (cx + tx, cy + ty, a + ta, b + tb, angle + tθ). When time is out, what was
    reached.

    *Differs from the paper*: it gives the last step's ellipse; this, of all steps', the one with the lowest loss, so
    that ending early does no harm: without time for one, the first ellipse. It does not give the unit of t: here it is
    that of picture coordinates, so one network can move an ellipse by half a picture; angles are in radians.
    """
    everyone = torch.arange(len(ellipses), device=ellipses.device)
    needs_map = settings.inflation != 0 or settings.squeezing != 0
    steps = settings.steps
    activation = None
    if needs_map and steps:
        activation = questions.activations(ellipses, everyone, out_of_time)
        steps = 0 if activation is None else steps
    networks = Perceptrons(count=len(ellipses), seed=settings.seed).to(ellipses.device)
    optimiser = torch.optim.Adam(networks.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=max(settings.steps, 1))
    best, lowest = ellipses.clone(), torch.full((len(ellipses),), torch.inf, device=ellipses.device)
    done = 0
    while done < steps and not out_of_time():
        with torch.enable_grad():
            moved = ellipses + networks()
            loss = _loss(questions, moved, activation, settings)
            optimiser.zero_grad(set_to_none=True)
            # Networks share nothing, so the sum's gradient is each one's own.
            loss.sum().backward()
        better = loss.detach() < lowest
        best = torch.where(better[:, None], moved.detach(), best)
        lowest = torch.where(better, loss.detach(), lowest)
        optimiser.step()
        schedule.step()
        done += 1
    if done and done == steps:
        with torch.no_grad():
            moved = ellipses + networks()
            better = _loss(questions, moved, activation, settings) < lowest
            best = torch.where(better[:, None], moved, best)
    before = questions.matching(ellipses, everyone)
    return Tuned(best, before, questions.matching(best, everyone) if done else before, done)


def _loss(questions: Questions, ellipses: Tensor, activation: Tensor | None, settings: EllipseSettings) -> Tensor:
    """L (B,), equation 7, with the settings' weights."""
    loss = torch.zeros(len(ellipses), device=ellipses.device)
    if settings.similarity:
        loss = loss + settings.similarity * matching_loss(questions.scores(ellipses))
    if activation is not None:
        mask = questions.mask(ellipses)
        if settings.inflation:
            loss = loss + settings.inflation * inflation_loss(activation, mask)
        if settings.squeezing:
            loss = loss + settings.squeezing * squeezing_loss(activation, mask)
    return loss
