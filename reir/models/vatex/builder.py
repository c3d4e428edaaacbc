"""The networks of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from reir.models.towers import TowerSource
from reir.models.vatex.config import VatexConfig
from reir.models.vatex.contextual import ContextualDecoder
from reir.models.vatex.masked_decoder import MaskedAttentionDecoder
from reir.models.vatex.network import Vatex
from reir.models.vatex.prior import ClipPrior, prior_places, prior_side
from reir.models.vatex.queries import QueryInitializer
from reir.models.vatex.visual import build_visual
from reir.models.vatex.words import CONTEXT_LENGTH, TextEncoder, TextHalf


@dataclass(frozen=True, slots=True)
class VatexParts:
    """A network with the frozen CLIP beside it: ``clip``, ``prior`` and ``source`` are None where there is none."""

    config: VatexConfig
    network: Vatex
    prior: ClipPrior | None
    clip: Any | None
    source: TowerSource | None

    @property
    def context_length(self) -> int:
        """Tokens that the text transformer reads."""
        return CONTEXT_LENGTH if self.source is None else self.source.context_length


def new_vatex(config: VatexConfig) -> VatexParts:
    """The parts of a configuration, on the CPU; the network has random weights, but for CLIP's text transformer.

    Raises:
        UsageError: there is no such tower, or not of CLIP's own kind.
        WeightsMissingError: the tower's weights are not here; the message names the command that fetches them.
    """
    source = None if config.tower is None else TowerSource.find(config.tower)
    clip = load_clip(config)
    return VatexParts(config, build_vatex(config, clip), build_prior(config, clip), clip, source)


def load_clip(config: VatexConfig) -> Any | None:
    """The CLIP of a configuration's tower as open_clip builds it, on the CPU, frozen; None without a tower.

    Raises:
        UsageError: there is no such tower, or not of CLIP's own kind.
        WeightsMissingError: its weights are not here; the message names the command that fetches them.
    """
    if config.tower is None:
        return None
    from reir.errors import UsageError
    from reir.models.towers.network import build_network

    source = TowerSource.find(config.tower)
    clip = build_network(source)
    if source.vocabulary is not None or not hasattr(clip, "token_embedding"):
        raise UsageError(
            f"VATEX needs a tower whose texts are read as CLIP's own, as ViT-B-16__openai; not {source.name}"
        )
    return clip


def build_vatex(config: VatexConfig, clip: Any | None) -> Vatex:
    """The network of a configuration with random weights, but for the text transformer, which is ``clip``'s.

    ``clip`` is what ``load_clip`` gave; it is shared, not copied, unless ``train_words``.
    """
    visual, channels = build_visual(config.backbone, channels=config.backbone_channels, blocks=config.backbone_blocks)
    places = None
    if config.clip_prior:
        assert config.tower is not None
        places = prior_places(TowerSource.find(config.tower), config.prior_side)
    return Vatex(
        visual=visual,
        text=_text_encoder(config, clip),
        queries=QueryInitializer(width=config.width, queries=config.queries, heatmap=places),
        contextual=ContextualDecoder(
            channels=channels[::-1], width=config.width, heads=config.heads, vision_aware=config.cmd
        ),
        decoder=MaskedAttentionDecoder(
            width=config.width,
            queries=config.queries,
            heads=config.heads,
            layers=config.layers,
            feedforward=config.feedforward,
        ),
    )


def build_prior(config: VatexConfig, clip: Any) -> ClipPrior | None:
    """The frozen network that makes the heatmaps, or None without ``clip_prior``."""
    if not config.clip_prior:
        return None
    assert config.tower is not None
    return ClipPrior(clip=clip, side=config.prior_side or prior_side(TowerSource.find(config.tower)))


def _text_encoder(config: VatexConfig, clip: Any | None) -> TextEncoder:
    if clip is None:
        from open_clip.transformer import TextTransformer

        fresh: nn.Module = TextTransformer(
            context_length=CONTEXT_LENGTH,
            width=config.text_width,
            heads=config.text_heads,
            layers=config.text_layers,
            output_dim=None,
        )
        return TextEncoder(transformer=fresh, inner=config.text_width, width=config.width, frozen=False)
    inner = int(clip.positional_embedding.shape[1])
    half = TextHalf(clip, copied=config.train_words)
    return TextEncoder(transformer=half, inner=inner, width=config.width, frozen=not config.train_words)
