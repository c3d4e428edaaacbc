"""The small convolutional backbone: residual 3x3 convolutions at strides 4, 8 and 16."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolution and batch norm, (B, in, H, W) -> (B, out, H / stride, W / stride)."""

    def __init__(self, *, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised convolution of x, without activation."""
        result: Tensor = self.norm(self.conv(x))
        return result


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; the shape stays."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs=channels, outputs=channels)
        self.second = ConvNorm(inputs=channels, outputs=channels)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """The block's output; ``keep`` (B, 1, H, W) is 0 on padding."""
        inner = F.relu(self.first(x))
        if keep is not None:
            inner = inner * keep
        return F.relu(x + self.second(inner))


class ConvBackbone(nn.Module):
    """Feature maps at strides 4, 8 and 16 of pictures (B, 3, H, W); H and W are multiples of 16.

    ``channels`` and ``blocks`` (residual blocks) are those of strides 4, 8, 16. Padding is set to zero after every
    layer, so that a picture's features do not depend on the canvas around it. The first convolution is 6x6 with stride
    4: maps at stride 2 would take a third of the whole time.
    """

    def __init__(self, *, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        stem = ConvNorm(inputs=3, outputs=channels[0], kernel=6, stride=4)
        self.downs = nn.ModuleList([stem, *(ConvNorm(inputs=i, outputs=o, stride=2) for i, o in pairwise(channels))])
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualBlock(channels=width) for _ in range(count))
            for width, count in zip(channels, blocks, strict=True)
        )

    def forward(self, images: Tensor, padding: Tensor | None) -> list[Tensor]:
        """Maps (B, C_l, H_l, W_l), finest first; ``padding`` (B, H, W) bool or None."""
        maps = []
        x = images
        for down, blocks in zip(self.downs, self.stages, strict=True):
            x = F.relu(down(x))
            keep = None
            if padding is not None:
                keep = F.adaptive_max_pool2d((~padding)[:, None].to(x.dtype), x.shape[-2:])
                x = x * keep
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, keep)
                if keep is not None:
                    x = x * keep
            maps.append(x)
        return maps
