"""A SigLIP of open_clip small enough to train in a test, and a full-size configuration around it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from reir.models.clare.config import VIT_B, ClareConfig

NAME = "ViT-nano-16-SigLIP"
TRUNK = "vit_nano_patch16_siglip"
VOCABULARY = 120
ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 16,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 64,
        "timm_model_name": TRUNK,
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 64,
        "vocab_size": VOCABULARY,
        "hf_tokenizer_name": "a-hub/repository-that-is-not-asked",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 16,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
CONFIG: ClareConfig = replace(
    VIT_B,
    vision=NAME,
    width=32,
    embedding=16,
    queries=7,
    encoder_layers=2,
    heads=4,
    points=2,
    feedforward=48,
    decoder_levels=((0, 1, 2, 3),) * 2,
    expert_width=24,
    text_width=16,
)


def register_trunk() -> None:
    """Make timm know the vision transformer; open_clip can name only timm's."""
    import timm
    from timm.models.vision_transformer import VisionTransformer

    def vit_nano_patch16_siglip(pretrained: bool = False, **settings: Any) -> VisionTransformer:
        sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 16, "depth": 2, "num_heads": 2, "class_token": False}
        return VisionTransformer(**sizes, num_classes=settings["num_classes"], global_pool=settings["global_pool"])

    if TRUNK not in timm.list_models():
        timm.models.register_model(vit_nano_patch16_siglip)


def register_architecture(folder: Path) -> None:
    """Make open_clip know the architecture, by a file in ``folder``."""
    import open_clip

    register_trunk()
    path = folder / f"{NAME}.json"
    path.write_text(json.dumps(ARCHITECTURE))
    open_clip.add_model_config(path)
