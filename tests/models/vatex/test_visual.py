"""The published visual encoders: sizes of their maps, ImageNet weights."""

from __future__ import annotations

import pytest
import torch

from reir.errors import UsageError, WeightsMissingError
from reir.models.vatex.visual import build_visual, start_from_imagenet


def build(name):
    return build_visual(name, channels=(8, 8, 8, 8), blocks=(1, 1, 1, 1))


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "tiny",
        "resnet50",
        pytest.param("resnet101", marks=pytest.mark.slow),
        pytest.param("swin-b", marks=pytest.mark.slow),
    ],
)
def test_maps_at_four_strides(name):
    visual, channels = build(name)
    maps = visual.eval()(torch.randn(1, 3, 64, 96), None)
    assert [level.shape for level in maps] == [
        (1, c, 64 // s, 96 // s) for c, s in zip(channels, (4, 8, 16, 32), strict=True)
    ]
    padding = torch.zeros(1, 64, 96, dtype=torch.bool)
    padding[:, :, 64:] = True
    first, second = torch.randn(1, 3, 64, 96), torch.randn(1, 3, 64, 96)
    second[..., :64] = first[..., :64]
    for one, other in zip(visual(first, padding), visual(second, padding), strict=True):
        torch.testing.assert_close(one, other)


def test_imagenet_weights_that_are_not_here():
    visual, _ = build("tiny")
    with pytest.raises(UsageError, match="starts at random"):
        start_from_imagenet(visual, "tiny")
    with pytest.raises(WeightsMissingError, match="curl -fL"):
        start_from_imagenet(visual, "swin-b")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "swin-b"])
def test_torchvision_s_weights_fit(name, tmp_path):
    import torchvision

    torch.manual_seed(3)
    whole = getattr(torchvision.models, name.replace("-", "_"))(weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    visual, _ = build(name)
    start_from_imagenet(visual, name, tmp_path / "weights.pth")
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        if name == "swin-b":
            wanted = whole.features(pixels).permute(0, 3, 1, 2)
            maps = visual.eval()
            maps.norms[3] = torch.nn.Identity()
        else:
            wanted = whole.layer4(
                whole.layer3(whole.layer2(whole.layer1(whole.maxpool(whole.relu(whole.bn1(whole.conv1(pixels)))))))
            )
            maps = visual.eval()
        torch.testing.assert_close(maps(pixels, None)[3], wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(UsageError, match="do not fit"):
        start_from_imagenet(visual, name, _other(tmp_path))


def _other(folder):
    torch.save({"a": torch.zeros(1)}, folder / "other.pth")
    return folder / "other.pth"
