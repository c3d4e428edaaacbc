"""Who is seen where, without drawing: the owners of the rendered picture, in usual scenes and in others."""

from __future__ import annotations

import numpy as np
import pytest

from reir.data.layout import make_scene
from reir.data.scenes import draw_owners, render
from reir.data.splits import SHIFTED_TEST, TRAIN


@pytest.mark.parametrize("split", [TRAIN, SHIFTED_TEST], ids=lambda split: split.name)
@pytest.mark.parametrize("width", [96, 200])
def test_owners_are_those_of_the_rendered_picture(split, width):
    for seed in split.seeds(5):
        scene = make_scene(seed, split.style)
        height = round(width / scene.aspect)
        owners = draw_owners(scene, width, height)
        assert len(np.unique(owners)) > 2
        np.testing.assert_array_equal(owners, render(scene, width, height).owners)
