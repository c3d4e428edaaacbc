"""The sizes and switches of VATEX, from scenes of a hundred pixels to the paper's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reir.errors import UsageError

Backbone = Literal["swin-b", "resnet50", "resnet101", "tiny"]
BACKBONES: tuple[Backbone, ...] = ("swin-b", "resnet50", "resnet101", "tiny")


@dataclass(frozen=True, slots=True)
class VatexConfig:
    """Every number that shapes a VATEX network. It is flattened by ``build_vatex`` and enters no module.

    ``clip_prior``, ``cmd`` and ``mcc`` are the switches of the paper's Table 4. Without ``clip_prior`` the queries
    start from the expression alone; without ``cmd`` the maps are guided by the text encoder's words, which no picture
    has touched; ``mcc`` shapes no module, it is the training's loss.

    Raises:
        UsageError: an unknown backbone, the CLIP Prior without a tower, or sizes that do not divide.
    """

    backbone: Backbone = "swin-b"
    tower: str | None = "ViT-B-16__openai"
    """The frozen CLIP, as ``reir.models.towers`` names it (``ARCH__PRETRAINED`` or a folder); None: words are learned
    from nothing, and there is no CLIP Prior."""
    width: int = 256
    """C, channels of words, maps and queries."""
    queries: int = 5
    """N."""
    layers: int = 9
    """Of the masked-attention decoder."""
    heads: int = 8
    feedforward: int = 2048
    clip_prior: bool = True
    cmd: bool = True
    mcc: bool = True
    side: int = 480
    """Shorter side of a picture in pixels, as the network takes it."""
    prior_side: int | None = None
    """Side of the square that the frozen CLIP sees; None: its own (224)."""
    train_words: bool = False
    """Whether the text transformer learns too, from CLIP's weights on; always so without a tower."""
    backbone_channels: tuple[int, ...] = (48, 96, 160, 192)
    """Of the tiny backbone, at strides 4, 8, 16, 32."""
    backbone_blocks: tuple[int, ...] = (1, 1, 1, 1)
    text_width: int = 128
    """Of a text transformer without a tower, as the next two."""
    text_layers: int = 2
    text_heads: int = 4

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise UsageError(f"VATEX has no backbone {self.backbone!r}; there are: {', '.join(BACKBONES)}")
        if self.clip_prior and self.tower is None:
            raise UsageError("the CLIP Prior needs a tower: name one, or set clip_prior to false")
        if self.width % (2 * self.heads) or self.width % 4:
            raise UsageError(f"VATEX: width must be a multiple of twice the heads, got {self.width} and {self.heads}")
        for name in ("queries", "layers", "heads", "feedforward"):
            if getattr(self, name) < 1:
                raise UsageError(f"VATEX: {name} must be at least 1, got {getattr(self, name)}")
        if self.side < 32:
            raise UsageError(f"VATEX: side must be at least 32 pixels, got {self.side}")


SWIN_B = VatexConfig()
"""The paper's: Swin-B, 256 channels, 5 queries, 9 layers, pictures at a short side of 480."""

RESNET_50 = replace(SWIN_B, backbone="resnet50")
RESNET_101 = replace(SWIN_B, backbone="resnet101")

TINY = VatexConfig(backbone="tiny", tower=None, width=96, heads=4, feedforward=256, clip_prior=False, side=96)
"""For scenes of a hundred pixels, without a tower; give it one with ``replace(TINY, tower=..., clip_prior=True)``."""
