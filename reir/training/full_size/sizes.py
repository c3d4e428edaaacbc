"""The sizes that photographs train, and the one that their smoke runs take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from reir.models.clare.config import VIT_B, VIT_L, ClareConfig

SMOKE_TOKENS: Final = 320
SMOKE = replace(
    VIT_B,
    vision="ViT-smoke-16-SigLIP",
    width=32,
    embedding=32,
    queries=24,
    encoder_layers=1,
    heads=4,
    points=2,
    feedforward=64,
    decoder_levels=((0, 1, 2, 3),) * 2,
    expert_width=48,
    text_width=32,
)
"""Every part of the paper's network, a thousandth of its size."""

SMOKE_ARCHITECTURE: Final[Mapping[str, Any]] = {
    "embed_dim": 32,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 64,
        "timm_model_name": "vit_smoke_patch16_siglip",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
        "trunk": {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2},
    },
    "text_cfg": {
        "context_length": 64,
        "vocab_size": SMOKE_TOKENS,
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
"""A SigLIP that open_clip does not know: ``trunk`` are the sizes of its vision transformer."""

SHAPES: Final[dict[str, ClareConfig]] = {"vit-smoke": SMOKE, "vit-b": VIT_B, "vit-l": VIT_L}


def architecture_of(model: str) -> Mapping[str, Any] | None:
    """The settings of a size's towers where open_clip does not have them."""
    return SMOKE_ARCHITECTURE if model == "vit-smoke" else None
