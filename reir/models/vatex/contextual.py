"""The Contextual Multimodal Decoder: words that have seen the picture, and maps that have read them (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.vatex.positions import sine_positions

LEVELS = 4


@dataclass(frozen=True, slots=True)
class Fused:
    """``maps``: F^v of the four levels (B, C, H_i, W_i), coarsest first. ``sentences``: those of ``VatexOutput``."""

    maps: list[Tensor]
    sentences: Tensor


def masked_mean(words: Tensor, mask: Tensor) -> Tensor:
    """The mean (B, C) of the words (B, T, C) that the mask (B, T) has (equation 5)."""
    weight = mask.to(words.dtype)[..., None]
    return (words * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


class ContextualLevel(nn.Module):
    """One level: equations 2 and 3.

    *Differs from the paper*: it says nothing of places; here the codes of places are added to the pixels wherever they
    are compared with words, because expressions name places. Nor does it of norms; the words are normalised after their
    product, because products of four levels shrink or grow without end.
    """

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.to_words = nn.MultiheadAttention(width, heads, batch_first=True)
        self.to_pixels = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def see(self, words: Tensor, pixels: Tensor, places: Tensor, padding: Tensor) -> Tensor:
        """F^w_i = MHA(F^w_{i-1}, V_i, V_i) * F^w_{i-1}, (B, T, C) (equation 2); pixels (B, HW, C)."""
        seen, _ = self.to_words(words, pixels + places, pixels, key_padding_mask=padding, need_weights=False)
        return self.norm(seen * words)

    def guide(self, pixels: Tensor, places: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """V'_i = MHA(V_i, F^w_i, F^w_i) * V_i, (B, HW, C) (equation 3)."""
        read, _ = self.to_pixels(pixels + places, words, words, key_padding_mask=~word_mask, need_weights=False)
        return read * pixels


class ContextualDecoder(nn.Module):
    """A feature pyramid from the coarsest level (i = 1) to the finest, with words at each (equations 2 to 4).

    Without ``vision_aware`` the words stay as the text encoder gave them (no equation 2): Table 4 without CMD.

    Args:
        channels: of the backbone's maps, coarsest first.
        width: C.
        heads: of each attention.
        vision_aware: the switch ``cmd``.
    """

    def __init__(self, *, channels: Sequence[int], width: int, heads: int, vision_aware: bool) -> None:
        super().__init__()
        groups = next(groups for groups in (32, 16, 8, 4, 2, 1) if width % groups == 0)
        self.vision_aware = vision_aware
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, width, 1), nn.GroupNorm(groups, width)) for inputs in channels
        )
        self.levels = nn.ModuleList(ContextualLevel(width=width, heads=heads) for _ in channels)
        if not vision_aware:
            for level in self.levels:
                del level.to_words, level.norm
        self.outputs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(groups, width), nn.ReLU())
            for _ in channels
        )

    def forward(self, maps: Sequence[Tensor], words: Tensor, word_mask: Tensor, padding: Tensor | None) -> Fused:
        """The fused maps of ``maps`` (B, C_i, H_i, W_i), coarsest first, and words (B, T, C)."""
        fused: list[Tensor] = []
        sentences = [masked_mean(words, word_mask)]
        for i, (feature, lateral, level, output) in enumerate(
            zip(maps, self.laterals, self.levels, self.outputs, strict=True)
        ):
            visual = lateral(feature)
            outside = shrunk_padding(padding, visual)
            height, width = visual.shape[-2:]
            places = sine_positions(outside, visual.shape[1]).to(visual.dtype).flatten(2).transpose(1, 2)
            pixels = visual.flatten(2).transpose(1, 2)
            if self.vision_aware:
                words = level.see(words, pixels, places, outside.flatten(1))  # type: ignore[operator]
                sentences.append(masked_mean(words, word_mask))
            guided = level.guide(pixels, places, words, word_mask)  # type: ignore[operator]
            guided = guided.transpose(1, 2).unflatten(2, (height, width))
            if i:
                guided = guided + F.interpolate(fused[-1], size=(height, width), mode="bilinear", align_corners=False)
            fused.append(output(guided))
        while len(sentences) < LEVELS + 1:
            sentences.append(sentences[0])
        return Fused(fused, torch.stack(sentences))


def shrunk_padding(padding: Tensor | None, like: Tensor) -> Tensor:
    """The padding (B, H, W) at the size of a map (B, C, h, w), (B, h, w) bool: cells with no pixel of the picture."""
    if padding is None:
        return torch.zeros(like.shape[0], *like.shape[-2:], dtype=torch.bool, device=like.device)
    inside = F.adaptive_max_pool2d((~padding)[:, None].float(), like.shape[-2:])[:, 0]
    return inside == 0
