"""The Contextual Multimodal Decoder: words that have seen the picture, and maps that have read them (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def see(self, words: Tensor, pixels: Tensor, places: Tensor, padding: Tensor | None) -> Tensor:
        """F^w_i = MHA(F^w_{i-1}, V_i, V_i) * F^w_{i-1}, (B, T, C) (equation 2); pixels and places (B, HW, C)."""
        seen, _ = self.to_words(words, pixels + places, pixels, key_padding_mask=padding, need_weights=False)
        return self.norm(seen * words)

    def guide(self, pixels: Tensor, places: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """V'_i = MHA(V_i, F^w_i, F^w_i) * V_i, (B, HW, C) (equation 3)."""
        read, _ = self.to_pixels(pixels + places, words, words, key_padding_mask=~word_mask, need_weights=False)
        return read * pixels


class InsideNorm(nn.GroupNorm):
    """Group norm whose statistics are those of the picture alone, without its padding."""

    def forward(self, input: Tensor, outside: Tensor | None = None) -> Tensor:
        """The normalised map (B, C, h, w); ``outside`` (B, h, w) bool is true on padding, where the result is 0."""
        if outside is None:
            return super().forward(input)
        keep = (~outside)[:, None, None].to(input.dtype)
        groups = input.unflatten(1, (self.num_groups, -1))  # (B, groups, C / groups, h, w)
        count = keep.sum(dim=(2, 3, 4), keepdim=True).clamp(min=1) * groups.shape[2]
        mean = (groups * keep).sum(dim=(2, 3, 4), keepdim=True) / count
        centred = (groups - mean) * keep
        variance = centred.square().sum(dim=(2, 3, 4), keepdim=True) / count
        normed = (centred / (variance + self.eps).sqrt()).flatten(1, 2)
        return (normed * self.weight[:, None, None] + self.bias[:, None, None]) * keep[:, 0]


class ContextualDecoder(nn.Module):
    """A feature pyramid from the coarsest level (i = 1) to the finest, with words at each (equations 2 to 4).

    *Differs from the paper*, whose equation 4 is a convolution alone: a map is projected to C channels and normalised
    over groups before it meets the words, and normalised again after the convolution, with a ReLU, as in Mask2Former.

    Without ``vision_aware`` the words stay as the text encoder gave them (no equation 2): Table 4 without CMD. A
    picture is answered the same with padding around it as without.

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
            nn.ModuleList([nn.Conv2d(inputs, width, 1), InsideNorm(groups, width)]) for inputs in channels
        )
        self.levels = nn.ModuleList(ContextualLevel(width=width, heads=heads) for _ in channels)
        if not vision_aware:
            for level in self.levels:
                del level.to_words, level.norm
        self.outputs = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(width, width, 3, padding=1, bias=False), InsideNorm(groups, width)])
            for _ in channels
        )

    def forward(self, maps: Sequence[Tensor], words: Tensor, word_mask: Tensor, padding: Tensor | None) -> Fused:
        """The fused maps of ``maps`` (B, C_i, H_i, W_i), coarsest first, and words (B, T, C)."""
        fused: list[Tensor] = []
        cells: list[Tensor | None] = []
        sentences = [masked_mean(words, word_mask)]
        parts: Any = zip(maps, self.laterals, self.levels, self.outputs, strict=True)
        for feature, (lateral, lateral_norm), level, (output, output_norm) in parts:
            hidden = shrunk_padding(padding, feature)
            cells.append(hidden)
            visual = lateral_norm(lateral(feature), hidden)
            size = visual.shape[-2:]
            places = map_places(hidden, visual)
            pixels = visual.flatten(2).transpose(1, 2)
            if self.vision_aware:
                words = level.see(words, pixels, places, None if hidden is None else hidden.flatten(1))
                sentences.append(masked_mean(words, word_mask))
            guided = level.guide(pixels, places, words, word_mask).transpose(1, 2).unflatten(2, size)
            if fused:
                guided = guided + enlarged(fused[-1], size, cells[-2], hidden)
            fused.append(F.relu(output_norm(output(guided), hidden)))
        while len(sentences) < LEVELS + 1:
            sentences.append(sentences[0])
        return Fused(fused, torch.stack(sentences))


def enlarged(level: Tensor, size: Sequence[int], before: Tensor | None, after: Tensor | None) -> Tensor:
    """Ups of equation 4: a map (B, C, h, w) at the size of the next, bilinear, from the picture's own cells alone.

    ``before`` and ``after`` are the padding at the two sizes, or None. Padding is 0 in both maps.
    """
    target = [int(side) for side in size]
    large = F.interpolate(level, size=target, mode="bilinear", align_corners=False)
    if before is None or after is None:
        return large
    # At the edge of the picture: the mean of what is inside, as the edge of a map is repeated outside it.
    share = F.interpolate((~before)[:, None].to(level.dtype), size=target, mode="bilinear", align_corners=False)
    return torch.where(after[:, None], 0, large / share.clamp(min=1e-6))


def shrunk_padding(padding: Tensor | None, like: Tensor) -> Tensor | None:
    """The padding (B, H, W) at the size of a map (B, C, h, w), (B, h, w) bool: cells with no pixel of the picture."""
    if padding is None:
        return None
    inside = F.adaptive_max_pool2d((~padding)[:, None].float(), like.shape[-2:])[:, 0]
    return inside == 0


def map_places(hidden: Tensor | None, like: Tensor) -> Tensor:
    """The codes (B or 1, h * w, C) of the places of a map (B, C, h, w); one for all where no picture is padded."""
    if hidden is None:
        hidden = torch.zeros(1, *like.shape[-2:], dtype=torch.bool, device=like.device)
    return sine_positions(hidden, like.shape[1]).to(like.dtype).flatten(2).transpose(1, 2)
