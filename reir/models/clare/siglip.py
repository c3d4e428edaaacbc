"""SigLIP's two towers (through open_clip) as CLARE's backbone and text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.clare.checkpointing import run_layer
from reir.models.clare.geometry import level_centres, level_padding, picture_extent
from reir.models.clare.pyramid import to_plane
from reir.models.towers.openclip_registry import near

PAD_TOKEN = 1
"""SigLIP's tokenizer fills up expressions with its end token."""


def architecture_settings(name: str) -> dict[str, Any]:
    """The settings of an architecture that open_clip knows, its own or one made known to it.

    Raises:
        UsageError: it knows none of this name.
    """
    import open_clip

    settings: dict[str, Any] | None = open_clip.get_model_config(name)
    if settings is None:
        raise UsageError(f"open_clip has no architecture {name!r}.{near(name, open_clip.list_models())}")
    return settings


def siglip_towers(
    architecture: str, *, pretrained: str | None = None, settings: Mapping[str, Any] | None = None
) -> tuple[nn.Module, nn.Module]:
    """The vision trunk (without its pooling head) and the text tower of an open_clip SigLIP architecture.

    ``pretrained`` is an open_clip tag or the path of a checkpoint; None gives random weights and reads nothing, and
    then ``settings`` may stand for an architecture that open_clip does not know.
    """
    import open_clip

    model: Any
    if pretrained is not None:
        model = open_clip.create_model(architecture, pretrained=pretrained, device=torch.get_default_device())
    else:
        given = dict(architecture_settings(architecture) if settings is None else settings)
        if not given.pop("custom_text", False) or "timm_model_name" not in given["vision_cfg"]:
            raise UsageError(f"{architecture} is no SigLIP of open_clip: it needs a timm trunk and a text tower apart")
        vision = dict(given["vision_cfg"])
        _make_trunk_known(str(vision["timm_model_name"]), vision.pop("trunk", None))
        model = open_clip.CustomTextCLIP(**{**given, "vision_cfg": vision})
    trunk = model.visual.trunk
    trunk.attn_pool = None
    return trunk, model.text


def _make_trunk_known(name: str, sizes: Mapping[str, Any] | None) -> None:
    """Tell timm of a vision transformer by its ``sizes``, for open_clip can name only timm's."""
    if sizes is None:
        return
    import timm
    from timm.models.vision_transformer import VisionTransformer

    def build(pretrained: bool = False, **settings: Any) -> VisionTransformer:  # noqa: ARG001
        return VisionTransformer(
            **sizes, class_token=False, num_classes=settings["num_classes"], global_pool=settings["global_pool"]
        )

    if not timm.is_model(name):
        build.__name__ = name
        timm.models.register_model(build)


class SiglipBackbone(nn.Module):
    """Maps at strides 8, 16, 32 and 64 from one SigLIP vision transformer, as a simple feature pyramid (ViTDet).

    A transposed convolution makes stride 8, max pooling strides 32 and 64. *Differs from ViTDet:* no 3x3 convolutions,
    because the deformable encoder mixes neighbours; the 1x1 projection and its norm are the visual branch's.
    Padded patches are hidden from attention, and the position table is stretched over each picture, not its canvas.
    """

    def __init__(self, *, trunk: nn.Module) -> None:
        super().__init__()
        vision: Any = trunk
        if vision.num_prefix_tokens:
            raise ValueError(f"SigLIP has no prefix tokens, got {vision.num_prefix_tokens}")
        self.trunk = vision
        self.checkpointing = False
        self.patch = int(vision.patch_embed.patch_size[0])
        width = int(vision.embed_dim)
        self.finer = nn.ConvTranspose2d(width, width // 2, 2, 2)
        self.channels = (width // 2, width, width, width)

    def forward(self, images: Tensor, padding: Tensor | None) -> list[Tensor]:
        """Maps (B, C_l, H_l, W_l), finest first, of ``images`` (B, 3, H, W); sides are multiples of 64."""
        trunk = self.trunk
        plane = trunk.patch_embed.proj(images)
        shape = (int(plane.shape[2]), int(plane.shape[3]))
        x = plane.flatten(2).transpose(1, 2)
        x = x + self.positions(shape, None if padding is None else picture_extent(padding)).to(x.dtype)
        hidden = None if padding is None else level_padding(padding, self.patch).flatten(1)
        mask = None if hidden is None else ~hidden[:, None, None]
        for block in trunk.blocks:
            x = run_layer(block, x, attn_mask=mask, checkpointing=self.checkpointing)
        x = trunk.norm(x)
        if hidden is not None:
            x = x.masked_fill(hidden[..., None], 0.0)
        middle = to_plane(x, shape)
        coarse = F.max_pool2d(middle, 2)
        return [self.finer(middle), middle, coarse, F.max_pool2d(coarse, 2)]

    def positions(self, shape: tuple[int, int], extent: Tensor | None) -> Tensor:
        """Position codes (B or 1, H W, C): the trunk's square table, interpolated to each picture's patches."""
        table = self.trunk.pos_embed
        side = round(table.shape[1] ** 0.5)
        places = level_centres([shape], table.device)[None]
        if extent is not None:
            places = places / extent[:, None]
        plane = table[0].T.reshape(1, -1, side, side).expand(len(places), -1, -1, -1)
        grid = 2 * places[:, None] - 1  # (B, 1, H W, 2)
        sampled = F.grid_sample(plane, grid, mode="bicubic", padding_mode="border", align_corners=False)
        return sampled[:, :, 0].transpose(1, 2)


class SiglipText(nn.Module):
    """Sentence features F_t (Q, d) from SigLIP's text tower, which reads ``context`` tokens, filled up, unmasked."""

    def __init__(self, *, tower: nn.Module) -> None:
        super().__init__()
        text: Any = tower
        self.tower = text
        self.context = int(text.context_length)
        self.width = int(text.text_projection.out_features)

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """F_t (Q, d) from ``token_ids`` (Q, T) and ``token_mask`` (Q, T) bool, True for a token; T <= context."""
        count = token_ids.shape[1]
        if count > self.context:
            raise ValueError(f"SigLIP's text tower reads {self.context} tokens, got {count}")
        filled = token_ids.masked_fill(~token_mask, PAD_TOKEN)
        result: Tensor = self.tower(F.pad(filled, (0, self.context - count), value=PAD_TOKEN))
        return result
