"""VATEX's CLIP Prior (section 3.1) plugged into CLARE without the query, so that its score stays one inner product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.towers import TowerSource
from reir.models.vatex.prior import ClipPrior, prior_places

PROMPT = "A photo of a {}"
"""VATEX's template."""


class NounPrior(nn.Module):
    """What a frozen CLIP sees where each object query stands, added to the query's first content.

    At every place of the picture, the cosines of CLIP's image token with prompts for K fixed nouns, standardised over
    the nouns, read at the centre of a query's box and projected to the d channels of a query. The projection starts at
    zero, so that a finished network may get a prior and change by training alone.

    *Differs from the paper*, which has one heatmap, of the main noun of the expression, and normalises it over the
    places: CLARE's objects are made before any expression is known, so all nouns are asked about, and as most of them
    are not in the picture, what tells something is which one a place is most like. There, the whole map is projected
    into every query; here, each query stands on a box and takes what lies under it.

    Args:
        clip: holds the frozen image tower of open_clip as ``visual``.
        side: of the square in pixels that the tower takes.
        mean: of the tower's pixels.
        std: of the tower's pixels.
        nouns: how many prompts there are.
        embedding: dimension of the tower's shared space.
        width: d.
    """

    texts: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        clip: nn.Module,
        side: int,
        mean: Sequence[float],
        std: Sequence[float],
        nouns: int,
        embedding: int,
        width: int,
    ) -> None:
        super().__init__()
        self.clip = ClipPrior(clip=clip, side=side)
        self.register_buffer("texts", torch.zeros(nouns, embedding))
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.projection = nn.Linear(nouns, width, bias=False)
        nn.init.zeros_(self.projection.weight)

    @torch.no_grad()
    def maps(self, images: Tensor) -> Tensor:
        """(B, K, h, w) of ``images`` (B, 3, H, W) as CLARE takes them, in [-1, 1]: the whole canvas, squashed."""
        square = F.interpolate(
            images.float() * 0.5 + 0.5,
            size=(self.clip.side, self.clip.side),
            mode="bicubic",
            antialias=True,
            align_corners=False,
        )
        tokens = self.clip.image_tokens((square.clamp(0, 1) - self.mean) / self.std)  # (B, places, E)
        cosines = F.normalize(tokens.float(), dim=-1) @ self.texts.T
        places = int(tokens.shape[1] ** 0.5)
        return F.layer_norm(cosines, cosines.shape[-1:]).transpose(1, 2).unflatten(2, (places, places))

    def forward(self, maps: Tensor, centres: Tensor) -> Tensor:
        """What is added to queries, (B, N, d), by ``maps`` (B, K, h, w) at ``centres`` (B, N, 2) x, y of the canvas."""
        under = F.grid_sample(maps, centres[:, None] * 2 - 1, padding_mode="border", align_corners=False)
        projected: Tensor = self.projection(under[:, :, 0].transpose(1, 2))
        return projected


def prior_settings(tower: str, nouns: Sequence[str]) -> dict[str, Any]:
    """What shapes the prior of a tower of open_clip and a list of nouns, as JSON values: a checkpoint keeps it.

    Raises:
        UsageError: no such tower, one without image tokens in the space of its texts, or no nouns.
        WeightsMissingError: the tower's weights are not here.
    """
    source = TowerSource.find(tower)
    side, _ = source.preprocess.size
    prior_places(source, side)
    if not nouns:
        raise UsageError("the CLIP Prior asks about a list of nouns: name some")
    model = {**source.model_config, "quick_gelu": source.quick_gelu or source.model_config.get("quick_gelu", False)}
    return {
        "model": model,
        "side": side,
        "mean": list(source.preprocess.mean),
        "std": list(source.preprocess.std),
        "prompts": [PROMPT.format(noun) for noun in nouns],
    }


def build_prior(settings: Mapping[str, Any], *, width: int) -> NounPrior:
    """The prior of ``prior_settings`` with random weights, for a network of ``width`` channels."""
    from open_clip.model import CLIP

    clip = CLIP(**settings["model"])
    return NounPrior(
        clip=_ImageHalf(clip.visual),
        side=settings["side"],
        mean=settings["mean"],
        std=settings["std"],
        nouns=len(settings["prompts"]),
        embedding=int(settings["model"]["embed_dim"]),
        width=width,
    )


def load_prior(prior: NounPrior, tower: str, settings: Mapping[str, Any]) -> None:
    """Gives a prior the weights of its tower, and the embeddings of its prompts.

    Raises:
        UsageError: there is no such tower, or it is damaged.
        WeightsMissingError: its weights are not here.
    """
    from reir.models.towers.network import OpenClipText, build_network

    source = TowerSource.find(tower)
    prior.clip.clip.visual.load_state_dict(build_network(source).visual.state_dict())  # type: ignore[union-attr]
    embedded = OpenClipText(source, torch.device("cpu")).embed(settings["prompts"])
    prior.texts.copy_(torch.from_numpy(embedded))


class _ImageHalf(nn.Module):
    """A CLIP without its texts."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
