"""Drawing: gradients against finite differences, and what lies inside."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from reir.models.ellipse.coefficients import mask_of
from reir.models.ellipse.drawing import curve, draw, inside, signed_field


def some_ellipses() -> torch.Tensor:
    rows = [(0.1, -0.2, 0.5, 0.3, 0.4), (-0.3, 0.3, 0.25, 0.6, -1.1), (0.0, 0.0, 0.4, 0.4, 0.0)]
    return torch.tensor(rows, dtype=torch.float64)


def test_gradients_of_a_drawn_picture_equal_finite_differences() -> None:
    """The numerical check of equations 1 and 2 in one, with respect to all five coefficients and the picture."""
    ellipses = some_ellipses().requires_grad_(True)
    pictures = torch.rand(3, 3, 11, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pictures.requires_grad_(True)

    def drawn(ellipses: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        return draw(pictures, signed_field(ellipses, 11, 14), sigma=0.3)

    assert gradcheck(drawn, (ellipses, pictures), eps=1e-6, atol=1e-7, rtol=1e-5)


def test_gradients_of_the_mask_equal_finite_differences() -> None:
    ellipses = some_ellipses().requires_grad_(True)
    assert gradcheck(lambda e: inside(signed_field(e, 9, 12), epsilon=0.1), (ellipses,), eps=1e-6, atol=1e-7, rtol=1e-5)


def test_field_is_equation_1_at_the_middle_of_pixels() -> None:
    ellipse = some_ellipses()[:1]
    cx, cy, a, b, angle = ellipse[0].tolist()
    field = signed_field(ellipse, 8, 10)[0]
    for row, column in ((0, 0), (3, 7), (7, 9)):
        x, y = (2 * column + 1) / 10 - 1, (2 * row + 1) / 8 - 1
        first = ((x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)) ** 2 / a**2
        second = ((x - cx) * math.sin(angle) - (y - cy) * math.cos(angle)) ** 2 / b**2
        assert field[row, column].item() == pytest.approx(first + second - 1, rel=1e-6)


def test_mask_is_one_inside_and_zero_outside() -> None:
    ellipse = torch.tensor([[0.1, -0.1, 0.6, 0.4, 0.5]])
    mask = inside(signed_field(ellipse, 40, 60), epsilon=1e-4)[0].numpy()
    assert np.array_equal(mask > 0.5, mask_of(ellipse[0].numpy(), 60, 40))
    assert mask[15:20, 30:35].min() > 0.99
    assert mask[:3].max() < 0.01


def test_mask_far_outside_is_small_but_never_zero() -> None:
    """The losses divide by its sum and take a logarithm."""
    field = torch.tensor([[[1e6, 1e8]]])
    assert 0 < inside(field, epsilon=0.1).min() < 1e-6
    assert torch.allclose(inside(field, epsilon=0.1), 0.1 / field / math.pi, rtol=1e-4)


def test_only_the_curve_is_red() -> None:
    ellipse = torch.tensor([[0.0, 0.0, 0.5, 0.5, 0.0]])
    field = signed_field(ellipse, 64, 64)
    drawn = draw(torch.zeros(1, 3, 64, 64), field)
    assert drawn[0, 0].max() > 0.8
    assert drawn[0, 1:].max() == 0
    assert drawn[0, 0, 32, 32] < 1e-6
    assert torch.equal(drawn[0, 0], curve(field)[0])


def test_an_axis_may_pass_through_zero() -> None:
    """Tuning adds to axes without bounds: only their squares count."""
    ellipses = torch.tensor([[0.0, 0.0, 0.3, 0.2, 0.1], [0.0, 0.0, -0.3, -0.2, 0.1], [0.0, 0.0, 0.0, 0.2, 0.1]])
    ellipses.requires_grad_(True)
    field = signed_field(ellipses, 16, 16)
    assert torch.equal(field[0], field[1])
    (inside(field).sum() + curve(field).sum()).backward()
    assert ellipses.grad is not None
    assert ellipses.grad.isfinite().all()
