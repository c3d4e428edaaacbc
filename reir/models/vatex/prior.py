"""The CLIP Prior: where a frozen CLIP sees the thing that an expression is about (section 3.1, equation 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.towers import TowerSource


def prior_places(source: TowerSource, side: int | None) -> int:
    """How many places the heatmap of a tower has on a square of ``side`` pixels, None for its own.

    Raises:
        UsageError: its image tower has no tokens in the space of its texts, or the side does not fit.
    """
    patch = _patch(source)
    side = side or prior_side(source)
    if side % patch:
        raise UsageError(f"the CLIP Prior: a side of {side} is no multiple of {patch}, as {source.name} needs")
    return (side // patch) ** 2


def prior_side(source: TowerSource) -> int:
    """The side in pixels of the square that a tower was trained on."""
    height, width = source.preprocess.size
    if height != width:
        raise UsageError(f"the CLIP Prior needs a square tower, {source.name} takes {height}x{width}")
    return height


def _patch(source: TowerSource) -> int:
    """Pixels of a token's side."""
    vision: Mapping[str, Any] = source.model_config["vision_cfg"]
    plain = "timm_model_name" not in vision and not vision.get("attentional_pool")
    if not plain:
        raise UsageError(
            f"the CLIP Prior needs image tokens in the space of the texts, which {source.name} has not. Take a tower "
            "of CLIP's own kind, as ViT-B-16__openai"
        )
    return 32 if isinstance(vision.get("layers"), Sequence) else int(vision.get("patch_size", 16))


class ClipPrior(nn.Module):
    """Heatmaps of a frozen CLIP of open_clip: cosines of its image tokens with a text, L2-normalised over the places.

    A vision transformer's tokens go through its last norm and projection like its class token, which is left out
    (section 3.1 counts it among the places, section 9.4 removes it: it is none). A ResNet's are what its attention pool
    would give if it looked at one place only (values and output projection). *Differs from the paper*, which has ViT
    only.
    """

    def __init__(self, *, clip: nn.Module, side: int) -> None:
        super().__init__()
        self.clip = clip.eval().requires_grad_(False)
        self.side = side

    def train(self, mode: bool = True) -> ClipPrior:  # noqa: ARG002
        """Itself, in evaluation mode whatever is asked: it is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, pixels: Tensor, token_ids: Tensor, *, picture: Tensor | None = None) -> Tensor:
        """The heatmap (B, places), row by row, of pictures (P, 3, side, side) and texts (B, T).

        ``picture`` (B,) names the picture of each text; None: text b is about picture b.
        """
        tokens = self.image_tokens(pixels)
        if picture is not None:
            tokens = tokens[picture]
        return heatmaps(tokens, self.texts(token_ids))

    @torch.no_grad()
    def image_tokens(self, pixels: Tensor) -> Tensor:
        """The tokens (P, places, E) of pictures, in the space of the texts."""
        visual: Any = self.clip.visual
        if hasattr(visual, "attnpool"):
            features = visual.stem(pixels)
            for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
                features = layer(features)
            return pooled_places(visual.attnpool, features)
        x = _embedded(visual, pixels)
        x = visual.ln_post(visual.transformer(x)[:, 1:])
        return x if visual.proj is None else x @ visual.proj

    @torch.no_grad()
    def texts(self, token_ids: Tensor) -> Tensor:
        """The embeddings (B, E) of texts (B, T), as ``encode_text`` of open_clip gives them for full-length rows."""
        length = int(self.clip.context_length)  # type: ignore[arg-type]
        full: Tensor = self.clip.encode_text(F.pad(token_ids, (0, length - token_ids.shape[1])))  # type: ignore[operator]
        return full


def heatmaps(tokens: Tensor, texts: Tensor) -> Tensor:
    """Equation 1: the cosine (B, places) of image tokens (B, places, E) with a text (B, E), at length 1."""
    cosines = torch.einsum("bpe,be->bp", F.normalize(tokens.float(), dim=-1), F.normalize(texts.float(), dim=-1))
    return F.normalize(cosines, dim=-1)


def pooled_places(pool: Any, features: Tensor) -> Tensor:
    """What an attention pool would give (P, places, E) of a map (P, C, h, w) if it looked at each place alone."""
    return pool.c_proj(pool.v_proj(features.flatten(2).transpose(1, 2)))


def _embedded(visual: Any, pixels: Tensor) -> Tensor:
    """The tokens (P, 1 + places, W) before the first layer, with places learned at another size enlarged or reduced."""
    patches = visual.conv1(pixels)
    rows, columns = patches.shape[-2:]
    x = patches.flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
    return visual.ln_pre(x + _places(visual.positional_embedding, rows, columns))


def _places(learned: Tensor, rows: int, columns: int) -> Tensor:
    side = math.isqrt(len(learned) - 1)
    if (rows, columns) == (side, side):
        return learned
    grid = learned[1:].T.unflatten(1, (side, side))[None]
    grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False, antialias=True)
    return torch.cat([learned[:1], grid[0].flatten(1).T])
