"""The sizes of CLARE, from the embedded world to the paper's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class ClareConfig:
    """Every number that shapes a CLARE network. It is flattened by ``build_clare`` and enters no module.

    Levels index the pyramid, finest first.
    """

    vision: str
    """``conv`` for the small backbone, else an open_clip architecture."""
    width: int
    """d, channels of the encoder and decoder."""
    embedding: int
    """D, dimension of the shared space."""
    queries: int
    """M, object queries a picture."""
    encoder_layers: int
    heads: int
    points: int
    feedforward: int
    encoder_levels: tuple[int, ...]
    proposal_levels: tuple[int, ...]
    decoder_levels: tuple[tuple[int, ...], ...]
    """The levels that each decoder layer looks at; its length is the number of layers."""
    strides: tuple[int, ...]
    backbone_channels: tuple[int, ...] = ()
    backbone_blocks: tuple[int, ...] = ()
    box_update: Literal["logit", "relative"] = "logit"
    query_content: Literal["proposal", "memory"] = "proposal"
    peaks_only: bool = False
    """Queries come from local maxima of the objectness map only."""
    anchor: float = 0.05
    """Side of the dense boxes before regression, relative to the picture; doubled at each level."""
    shared_experts: int = 1
    routed_experts: int = 4
    active_experts: int = 2
    expert_width: int = 256
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    text_feedforward: int = 512
    max_tokens: int = 64
    initial_scale: float = 10.0
    initial_bias: float = -8.0
    relation_layers: int = 0
    """Relation layers after the decoder; the paper has none."""
    relation_width: int = 256
    relation_heads: int = 16
    relation_pair_width: int = 64
    relation_feedforward: int = 512

    prior_nouns: int = 0
    """Nouns that VATEX's CLIP Prior asks about (``prior.NounPrior``); 0: there is none. CLARE's paper has none."""

    @property
    def state_width(self) -> int:
        """Channels of the states that instance features are projected from."""
        return self.relation_width if self.relation_layers else self.width


TINY = ClareConfig(
    vision="conv",
    width=160,
    embedding=128,
    queries=20,
    encoder_layers=1,
    heads=5,
    points=4,
    feedforward=512,
    strides=(4, 8, 16),
    backbone_channels=(48, 96, 192),
    backbone_blocks=(1, 1, 1),
    encoder_levels=(2,),
    proposal_levels=(1,),
    decoder_levels=((1, 2), (1, 2), (0, 1, 2)),
    box_update="relative",
    query_content="memory",
    peaks_only=True,
    anchor=0.2,
)
"""The embedded model: every part of the paper's network, smaller, over a small convolutional backbone."""

NANO = replace(
    TINY,
    width=96,
    queries=16,
    heads=4,
    feedforward=256,
    backbone_channels=(24, 48, 96),
    decoder_levels=((1, 2), (1, 2)),
    expert_width=128,
    text_feedforward=256,
)
"""A quarter of the embedded model's work, for experiments that train many networks; it ships with no weights."""

VIT_B = ClareConfig(
    vision="ViT-B-16-SigLIP-384",
    width=256,
    embedding=768,
    queries=900,
    encoder_layers=6,
    heads=8,
    points=4,
    feedforward=1024,
    strides=(8, 16, 32, 64),
    encoder_levels=(0, 1, 2, 3),
    proposal_levels=(0, 1, 2, 3),
    decoder_levels=((0, 1, 2, 3),) * 6,
    expert_width=1536,
    text_width=768,
)
"""The paper's CLARE-ViT-B: 6 + 6 layers, 900 queries, one shared and four routed experts, two of them active."""

VIT_L = replace(VIT_B, vision="ViT-L-16-SigLIP-384", embedding=1024, text_width=1024, expert_width=2048)
"""The paper's CLARE-ViT-L."""
