"""From a configuration to a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from reir.models.clare.backbone import ConvBackbone
from reir.models.clare.config import ClareConfig
from reir.models.clare.decoder import Decoder
from reir.models.clare.encoder import Encoder
from reir.models.clare.geometry import update_logit, update_relative
from reir.models.clare.more import MixOfRelationExperts
from reir.models.clare.network import Clare
from reir.models.clare.proposals import ProposalHead
from reir.models.clare.relations import RelationLayers
from reir.models.clare.siglip import SiglipBackbone, SiglipText, siglip_towers
from reir.models.clare.text import TextEncoder
from reir.models.clare.visual import VisualBranch

if TYPE_CHECKING:
    from reir.models.clare.prior import NounPrior


def build_clare(
    config: ClareConfig,
    *,
    vocabulary_size: int | None = None,
    pretrained: str | None = None,
    architecture: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
) -> Clare:
    """A CLARE network with random weights; with ``pretrained``, SigLIP's towers get theirs.

    ``vocabulary_size`` is needed by (and only by) configurations with the small text encoder. ``pretrained`` is an
    open_clip tag, which may download, or the path of a checkpoint. ``architecture`` holds the settings of
    ``config.vision`` where open_clip does not know it, ``prior`` those of the CLIP Prior (``prior_settings``), needed
    by configurations that have one.
    """
    if config.vision == "conv":
        backbone, channels, text = _small_parts(config, vocabulary_size)
    else:
        backbone, channels, text = _siglip_parts(config, pretrained, architecture)
    update = update_relative if config.box_update == "relative" else update_logit
    visual = VisualBranch(
        backbone=backbone,
        channels=channels,
        strides=config.strides,
        width=config.width,
        embedding=config.embedding,
        encoder=Encoder(
            layers=config.encoder_layers,
            width=config.width,
            heads=config.heads,
            levels=len(config.encoder_levels),
            points=config.points,
            feedforward=config.feedforward,
        ),
        proposals=ProposalHead(
            width=config.width,
            queries=config.queries,
            update=update,
            content_from_memory=config.query_content == "memory",
            peaks_only=config.peaks_only,
            anchor=config.anchor,
            square=config.box_update == "relative",
            margin=0.01 if config.box_update == "logit" else 0.0,
        ),
        decoder=Decoder(
            levels=config.decoder_levels,
            width=config.width,
            heads=config.heads,
            points=config.points,
            feedforward=config.feedforward,
            update=update,
        ),
        encoder_levels=config.encoder_levels,
        proposal_levels=config.proposal_levels,
        relations=_relations(config),
        state_width=config.state_width,
        prior=_prior(config, prior),
    )
    more = MixOfRelationExperts(
        width=config.text_width,
        outputs=config.embedding,
        hidden=config.expert_width,
        shared=config.shared_experts,
        routed=config.routed_experts,
        active=config.active_experts,
    )
    return Clare(
        visual=visual,
        text=text,
        more=more,
        initial_scale=config.initial_scale,
        initial_bias=config.initial_bias,
    )


def _prior(config: ClareConfig, settings: Mapping[str, Any] | None) -> NounPrior | None:
    if (settings is None) != (config.prior_nouns == 0):
        raise ValueError(
            f"the configuration has {config.prior_nouns} nouns for a CLIP Prior, its settings are {settings}"
        )
    if settings is None:
        return None
    from reir.models.clare.prior import build_prior

    return build_prior(settings, width=config.width)


def _relations(config: ClareConfig) -> RelationLayers | None:
    if config.relation_layers == 0:
        return None
    return RelationLayers(
        layers=config.relation_layers,
        inputs=config.width,
        width=config.relation_width,
        heads=config.relation_heads,
        pair_width=config.relation_pair_width,
        feedforward=config.relation_feedforward,
    )


def _small_parts(config: ClareConfig, vocabulary_size: int | None) -> tuple[nn.Module, tuple[int, ...], nn.Module]:
    if vocabulary_size is None:
        raise ValueError("the small text encoder needs vocabulary_size, got None")
    text = TextEncoder(
        vocabulary=vocabulary_size,
        max_tokens=config.max_tokens,
        width=config.text_width,
        layers=config.text_layers,
        heads=config.text_heads,
        feedforward=config.text_feedforward,
    )
    backbone = ConvBackbone(channels=config.backbone_channels, blocks=config.backbone_blocks)
    return backbone, config.backbone_channels, text


def _siglip_parts(
    config: ClareConfig, pretrained: str | None, architecture: Mapping[str, Any] | None
) -> tuple[nn.Module, tuple[int, ...], nn.Module]:
    trunk, tower = siglip_towers(config.vision, pretrained=pretrained, settings=architecture)
    backbone, text = SiglipBackbone(trunk=trunk), SiglipText(tower=tower)
    if text.width != config.text_width:
        raise ValueError(f"{config.vision} has text width {text.width}, the configuration says {config.text_width}")
    return backbone, backbone.channels, text
