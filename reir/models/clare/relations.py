"""Relation layers: after the decoder, the objects of a picture tell each other what stands where."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.attention import FeedForward

PLACE_FEATURES = 12
PAIR_FEATURES = 24
FAR = 4.0
"""Lengths are clipped here, in units of the square root of the picture's area."""


def picture_units(boxes_cxcywh: Tensor, aspect: Tensor) -> Tensor:
    """Boxes (B, M, 4) of the picture, x0 y0 x1 y1, in units of the square root of its area.

    ``boxes_cxcywh`` (B, M, 4) are relative to the picture, ``aspect`` (B,) is its width over its height.
    """
    side = torch.stack([aspect.sqrt(), aspect.rsqrt()], dim=-1)[:, None]
    centre, half = boxes_cxcywh[..., :2] * side, boxes_cxcywh[..., 2:] * side / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def place_features(boxes_cxcywh: Tensor, units: Tensor, objectness: Tensor) -> Tensor:
    """(B, M, PLACE_FEATURES): where in the picture each object lies, how large it is, and how sure it is one."""
    sides = (units[..., 2:] - units[..., :2]).clamp(min=1e-3)
    centre = (units[..., 2:] + units[..., :2]) / 2
    return torch.cat(
        [
            boxes_cxcywh * 2 - 1,
            units[..., :2],
            centre,
            sides.log() + 2,
            sides.prod(-1, keepdim=True).log() / 2 + 2,
            objectness.sigmoid()[..., None],
        ],
        dim=-1,
    )


def pair_features(units: Tensor) -> Tensor:
    """(B, M, M, PAIR_FEATURES): how the second object of each pair lies to the first.

    Offsets, gaps and sizes in picture units, each also squashed, so that small distances can be told apart sharply.
    """
    one, other = units[:, :, None], units[:, None, :]
    sides = (units[..., 2:] - units[..., :2]).clamp(min=1e-3)
    size, other_size = sides[:, :, None], sides[:, None, :]
    offset = (other[..., :2] + other[..., 2:] - one[..., :2] - one[..., 2:]) / 2
    gap = torch.maximum(one[..., :2], other[..., :2]) - torch.minimum(one[..., 2:], other[..., 2:])
    foot = other[..., 3:] - one[..., 3:]
    stands = torch.stack([one[..., 3] - other[..., 1], other[..., 3] - one[..., 1]], dim=-1)
    distance = gap.clamp(min=0).square().sum(-1, keepdim=True).add(1e-6).sqrt()
    slope = offset.abs() @ offset.new_tensor([[1.0, -1.6], [-1.6, 1.0]])
    lengths = torch.cat([offset, gap, foot, stands, distance, slope], dim=-1)  # (B, M, M, 10)
    shared = (-gap).clamp(min=0)
    ratio = (other_size / size).log()
    shares = torch.cat(
        [
            ratio,
            shared.prod(-1, keepdim=True) / torch.minimum(size.prod(-1), other_size.prod(-1))[..., None],
            (shared / torch.minimum(size, other_size))[..., :1],
        ],
        dim=-1,
    )
    return torch.cat([lengths.clamp(-FAR, FAR) * 2, torch.tanh(lengths * 12), shares], dim=-1)


class RelationLayer(nn.Module):
    """Gated sums over the other objects, then a feed-forward layer; residual and pre-norm.

    A gate in [0, 1] a pair and head says how much the head's value of the other object is added. It depends on the
    geometry of the pair and on both objects. Gates are not normalised over the others, so that a sum can count.
    """

    def __init__(self, *, width: int, heads: int, pair_width: int, feedforward: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.o_proj = nn.Linear(width, width)
        self.geometry = nn.Linear(PAIR_FEATURES, pair_width)
        self.own = nn.Linear(width, pair_width, bias=False)
        self.other = nn.Linear(width, pair_width, bias=False)
        self.gate = nn.Linear(pair_width, heads)
        nn.init.constant_(self.gate.bias, -1.0)
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward = FeedForward(width=width, hidden=feedforward, gelu=True)

    def forward(self, x: Tensor, pairs: Tensor, weight: Tensor) -> Tensor:
        """(B, M, d) from ``x`` (B, M, d), ``pairs`` (B, M, M, PAIR_FEATURES) and ``weight`` (B, M, M) in [0, 1].

        ``weight`` says how much the second object of a pair may tell the first.
        """
        batch, count, width = x.shape
        y = self.norm(x)
        q, k, v = (
            layer(y).view(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        alike = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        seen = F.gelu(self.geometry(pairs) + self.own(y)[:, :, None] + self.other(y)[:, None, :])
        gates = torch.sigmoid(alike + self.gate(seen).float().permute(0, 3, 1, 2)) * weight[:, None]
        told = gates.to(v.dtype) @ v
        x = x + self.o_proj(told.transpose(1, 2).reshape(batch, count, width))
        result: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return result


class RelationLayers(nn.Module):
    """States of a picture's objects that know their neighbours, from those of the decoder and the final boxes.

    *Differs from the paper*, whose instance features are the decoder's states: a small decoder looks three times at
    the maps and hardly at its other queries, so that an object's vector knew its noun, colour and place, but little
    of what stands beside it. Boxes enter without their gradient. Objects tell in proportion to their objectness, so
    that background queries disturb nobody.
    """

    def __init__(self, *, layers: int, inputs: int, width: int, heads: int, pair_width: int, feedforward: int) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(inputs)
        self.input = nn.Linear(inputs, width)
        self.place = FeedForward(width=PLACE_FEATURES, hidden=pair_width, outputs=width, gelu=True)
        self.layers = nn.ModuleList(
            RelationLayer(width=width, heads=heads, pair_width=pair_width, feedforward=feedforward)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, boxes_cxcywh: Tensor, objectness: Tensor, aspect: Tensor) -> Tensor:
        """(B, M, d) from ``hidden`` (B, M, d'), ``boxes_cxcywh`` (B, M, 4) of the picture, ``objectness`` (B, M)
        logits, and ``aspect`` (B,), the picture's width over its height.
        """
        boxes_cxcywh, objectness = boxes_cxcywh.detach().float(), objectness.detach().float()
        units = picture_units(boxes_cxcywh, aspect)
        pairs = pair_features(units)
        apart = 1 - torch.eye(units.shape[1], device=units.device)
        weight = objectness.sigmoid()[:, None, :] * apart
        x = self.input(self.input_norm(hidden)) + self.place(place_features(boxes_cxcywh, units, objectness))
        for layer in self.layers:
            x = layer(x, pairs, weight)
        result: Tensor = self.norm(x)
        return result
