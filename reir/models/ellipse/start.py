"""Which anchor ellipse a tuning starts from (section 3.2, "Initialization", and Table 3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reir.models.ellipse.anchors import anchors
from reir.models.ellipse.question import Questions
from reir.models.ellipse.settings import EllipseSettings


def choose_start(
    questions: Questions, count: int, settings: EllipseSettings, out_of_time: Callable[[], bool]
) -> Tensor:
    """The best anchor (N, 5) of each of ``count`` questions.

    ``score-activation``: of the Top-K by matching score the one with the highest mean activation, and so on; see
    ``Start``. When time is out, the best of the anchors that were looked at; the first eight at least.
    """
    table = torch.from_numpy(anchors(settings.points, settings.ellipses)).to(questions.device)
    return torch.stack([_choose(questions, row, table, settings, out_of_time) for row in range(count)])


def _choose(
    questions: Questions, row: int, table: Tensor, settings: EllipseSettings, out_of_time: Callable[[], bool]
) -> Tensor:
    def score(ellipses: Tensor) -> Tensor:
        return questions.matching(ellipses, _rows(row, ellipses))

    def activation(ellipses: Tensor) -> Tensor:
        return mean_activation(questions, ellipses, _rows(row, ellipses))

    first, second = (score, activation) if settings.start.startswith("score") else (activation, score)
    seen = _looked_at(first, table, questions.at_once, out_of_time)
    if "-" not in settings.start or out_of_time():
        return table[seen.argmax()]
    best = table[seen.topk(min(settings.top, len(seen))).indices]
    return best[_looked_at(second, best, questions.at_once, out_of_time).argmax()]


def mean_activation(questions: Questions, ellipses: Tensor, rows: Tensor) -> Tensor:
    """Σ(A·M) / ΣM (N,) of questions in ``rows`` (N,), each activation that of the picture with its own ellipse."""
    mask = questions.mask(ellipses)
    activation = questions.activations(ellipses, rows)
    assert activation is not None  # no time was set
    return (activation * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def _looked_at(
    value: Callable[[Tensor], Tensor], table: Tensor, at_once: int, out_of_time: Callable[[], bool]
) -> Tensor:
    """Values of the first anchors, of all of them while there is time, of one batch at least."""
    chunks = []
    for some in table.split(at_once):
        chunks.append(value(some))
        if out_of_time():
            break
    return torch.cat(chunks)


def _rows(row: int, ellipses: Tensor) -> Tensor:
    return torch.full((len(ellipses),), row, dtype=torch.long, device=ellipses.device)
