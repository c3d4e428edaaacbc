"""Grad-CAM against the package pytorch-grad-cam on the same networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reir.errors import UsageError
from reir.models.ellipse.grad_cam import GradCam, contrast
from reir.models.ellipse.tower import PromptedTower
from reir.models.towers import ClipTower
from tests.models.towers.tiny_tower import SIDE, VIT, save_tiny_tower

PICTURES, BACKGROUNDS = 3, 4
VIT_16 = {
    "image_size": 224,
    "timm_model_name": "vit_tiny_patch16_224",
    "timm_model_pretrained": False,
    "timm_proj": "linear",
}
VISIONS: dict[str, dict[str, Any]] = {
    "vit-token": {**VIT, "layers": 2},
    "vit-mean": {**VIT, "layers": 2, "pool_type": "avg"},
    "timm-vit": {**VIT_16, "timm_pool": "token"},
    "timm-mean": {**VIT_16, "timm_pool": "avg"},
    "timm-siglip": {
        **{"image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224", "timm_model_pretrained": False},
        **{"timm_pool": "map", "timm_proj": "none"},
    },
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
}


class Chances(torch.nn.Module):
    """What the paper explains: the softmax over the scores of a text and background prompts."""

    def __init__(self, visual: torch.nn.Module, texts: torch.Tensor, sharpness: float) -> None:
        super().__init__()
        self.visual, self.texts, self.sharpness = visual, texts, sharpness

    def scores(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.sharpness * torch.nn.functional.normalize(self.visual(pixels), dim=-1) @ self.texts.T

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.scores(pixels).softmax(dim=1)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind == "timm-siglip" else ()) for kind in VISIONS]
)
def test_maps_equal_those_of_the_package(kind: str, tmp_path: Path) -> None:
    package = pytest.importorskip("pytorch_grad_cam", reason="needs the package grad-cam (pip install reir[dev])")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    vision = VISIONS[kind]
    dimension = 768 if kind == "timm-siglip" else 16  # SigLIP's has no projection
    folder = save_tiny_tower(tmp_path, vision_cfg=vision, dimension=dimension)
    visual, _ = PromptedTower(ClipTower.load(str(folder)), device="cpu")._network
    side = vision["image_size"]
    with torch.no_grad():  # the tiny towers' weights grow so large in deep networks that gradients are rounding
        for parameter in visual.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.2)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(PICTURES, 3, side, side, generator=generator)
    texts = torch.nn.functional.normalize(torch.randn(1 + BACKGROUNDS, dimension, generator=generator), dim=-1)
    model = Chances(visual, texts, sharpness=3.0)

    def as_map(tokens: torch.Tensor) -> torch.Tensor:
        grid = side // (16 if kind.startswith("timm") else vision["patch_size"])
        return tokens[:, tokens.shape[1] - grid * grid :].transpose(1, 2).reshape(len(tokens), -1, grid, grid)

    if kind == "resnet":
        layer, reshape = visual.layer4, None
    elif kind.startswith("timm"):
        layer, reshape = visual.trunk.blocks[-1].norm1, as_map
    else:
        layer, reshape = visual.transformer.resblocks[-1].ln_1, as_map
    with package.GradCAM(model=model, target_layers=[layer], reshape_transform=reshape) as peer:
        expected = peer(
            input_tensor=pixels.clone().requires_grad_(True), targets=[ClassifierOutputTarget(0)] * PICTURES
        )

    found = GradCam(visual, name=kind).maps(pixels, lambda rows: contrast(model.scores(rows)), side, side)
    assert found.shape == (PICTURES, side, side)
    assert np.abs(expected).max() > 0.9
    assert found.numpy() == pytest.approx(expected, abs=2e-3)


def test_a_certain_tower_still_has_a_map(tmp_path: Path) -> None:
    """Where the softmax is 1 to the last digit its gradient is lost, and the map with it, unless it is rearranged."""
    tower = PromptedTower(ClipTower.load(str(save_tiny_tower(tmp_path))), device="cpu")
    visual, _ = tower._network
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    texts = torch.eye(16)[:2]
    cam = GradCam(visual, name="x")
    doubtful, certain = Chances(visual, texts, 1.0), Chances(visual, texts, 1e4)
    maps = [
        cam.maps(pixels, lambda rows: contrast(doubtful.scores(rows)), SIDE, SIDE),
        cam.maps(pixels, lambda rows: contrast(certain.scores(rows)), SIDE, SIDE),
    ]
    assert maps[0].amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])
    assert torch.allclose(maps[0], maps[1], atol=1e-4)


def test_contrast_has_the_gradient_of_the_softmax() -> None:
    scores = torch.tensor([[0.3, -0.2, 0.9], [1.0, 0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    chance = scores.softmax(dim=1)[:, 0]
    (of_chance,) = torch.autograd.grad(chance.sum(), scores, retain_graph=True)
    (of_contrast,) = torch.autograd.grad(contrast(scores).sum(), scores)
    assert torch.allclose(of_chance, of_contrast * (chance * (1 - chance))[:, None])


def test_hook_is_gone_afterwards(tmp_path: Path) -> None:
    tower = PromptedTower(ClipTower.load(str(save_tiny_tower(tmp_path))), device="cpu")
    visual, _ = tower._network
    pixels = torch.rand(1, 3, SIDE, SIDE)
    before = tower.embed(pixels)
    tower.grad_cam.maps(pixels, lambda rows: tower.embed(rows)[:, 0], SIDE, SIDE)
    assert torch.equal(tower.embed(pixels), before)
    assert not visual.transformer.resblocks[-1].ln_1._forward_hooks


def test_unknown_kind_of_tower() -> None:
    with pytest.raises(UsageError, match=r"my-tower is another kind.*ViT-B-16__openai"):
        GradCam(torch.nn.Linear(3, 3), name="my-tower")
