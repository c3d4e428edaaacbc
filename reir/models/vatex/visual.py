"""Visual encoders: maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from reir.models.clare.backbone import ConvBackbone
from reir.models.vatex.config import Backbone

_SWIN_CHANNELS = (128, 256, 512, 1024)
_RESNET_CHANNELS = (256, 512, 1024, 2048)
_SWIN_STAGES = (1, 3, 5, 7)
"""Where torchvision's stages stand among its layers; between them patches are merged."""
_DROP_PATH = 0.3
"""Share of Swin-B's blocks that a training step leaves out at the end of the network, as in Mask2Former."""


def build_visual(
    backbone: Backbone, *, channels: Sequence[int], blocks: Sequence[int]
) -> tuple[nn.Module, tuple[int, ...]]:
    """A visual encoder with random weights, and the channels of its maps, finest first.

    It takes pictures (P, 3, H, W) and their padding (P, H, W) or None. ``channels`` and ``blocks`` are those of the
    tiny one.
    """
    if backbone == "tiny":
        return TinyBackbone(channels=channels, blocks=blocks), tuple(channels)
    if backbone == "swin-b":
        return SwinB(), _SWIN_CHANNELS
    return ResNet(backbone), _RESNET_CHANNELS


class TinyBackbone(ConvBackbone):
    """CLARE's small backbone with a fourth map, which also sets padding to zero before the first layer."""

    def forward(self, images: Tensor, padding: Tensor | None) -> list[Tensor]:
        """Maps (P, C_l, H_l, W_l), finest first."""
        return super().forward(_blank(images, padding), padding)


class SwinB(nn.Module):
    """torchvision's Swin-B, with a norm on each map. Any size: it fills up its windows itself."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import SwinTransformer

        # As torchvision's swin_b, which fixes the share of blocks that are left out.
        whole = SwinTransformer(
            patch_size=[4, 4],
            embed_dim=_SWIN_CHANNELS[0],
            depths=[2, 2, 18, 2],
            num_heads=[4, 8, 16, 32],
            window_size=[7, 7],
            stochastic_depth_prob=_DROP_PATH,
        )
        self.features = whole.features
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in _SWIN_CHANNELS)

    def forward(self, images: Tensor, padding: Tensor | None) -> list[Tensor]:
        """Maps (P, C_l, H_l, W_l), finest first; padding is set to zero before the first layer."""
        x = _blank(images, padding)
        maps: list[Tensor] = []
        for number, layer in enumerate(self.features):
            x = layer(x)  # (P, h, w, C)
            if number in _SWIN_STAGES:
                maps.append(self.norms[len(maps)](x).permute(0, 3, 1, 2))
        return maps


class ResNet(nn.Module):
    """torchvision's ResNet-50 or -101, whose batch norm keeps the statistics of the weights that it starts from."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import torchvision
        from torchvision.ops import FrozenBatchNorm2d

        whole = getattr(torchvision.models, name)(weights=None, norm_layer=FrozenBatchNorm2d)
        self.conv1, self.bn1, self.relu, self.maxpool = whole.conv1, whole.bn1, whole.relu, whole.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = whole.layer1, whole.layer2, whole.layer3, whole.layer4

    def forward(self, images: Tensor, padding: Tensor | None) -> list[Tensor]:
        """Maps (P, C_l, H_l, W_l), finest first; padding is set to zero before the first layer."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(_blank(images, padding)))))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


def _blank(images: Tensor, padding: Tensor | None) -> Tensor:
    return images if padding is None else images * (~padding)[:, None].to(images.dtype)


_SITE = "https://download.pytorch.org/models"
IMAGENET = {
    "swin-b": "swin_b-68c6b09e.pth",
    "resnet50": "resnet50-11ad3fa6.pth",
    "resnet101": "resnet101-cd907fc2.pth",
}
"""torchvision's weights trained on ImageNet-1k; the end of a name is the start of the file's SHA-256."""


def start_from_imagenet(visual: nn.Module, backbone: Backbone, weights: Path | None = None) -> None:
    """Give a visual encoder its ImageNet weights: those of a file, by default torchvision's in torch's cache.

    Nothing is fetched.

    Raises:
        WeightsMissingError: there is no such file in the cache; the message names the command that fetches it.
        UsageError: the tiny backbone, which has none, or a file with other weights.
    """
    from reir.errors import UsageError
    from reir.models.detector_clip.detector import read_weights
    from reir.models.hub import FileSource, find_published_file

    if backbone not in IMAGENET:
        raise UsageError(f"no ImageNet weights are published for the {backbone} backbone: it starts at random")
    if weights is None:
        name = IMAGENET[backbone]
        digest = name.rpartition("-")[2].removesuffix(".pth")
        weights = find_published_file(FileSource(f"{_SITE}/{name}", "torchvision", digest), what=backbone)
    state = read_weights(weights)
    wanted = {name for name in visual.state_dict() if not name.startswith("norms.")}
    wrong = sorted(name for name in wanted if name not in state or state[name].shape != visual.state_dict()[name].shape)
    if wrong:
        raise UsageError(f"{weights} does not hold the weights of {backbone}: {len(wrong)} do not fit, as {wrong[0]}")
    visual.load_state_dict({name: state[name] for name in wanted}, strict=False)
