"""Tiny towers of open_clip with random weights, saved to folders as published ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SIDE = 32
DIMENSION = 16
CONTEXT = 16
WEIGHTS = "open_clip_model.safetensors"

CLIP_TEXT: dict[str, Any] = {"context_length": CONTEXT, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT: dict[str, Any] = {"image_size": SIDE, "patch_size": 8, "width": 24, "layers": 1, "head_width": 12}
WORDS = (
    "a red green blue yellow dog cat sofa lamp car tree man woman in the on near left of right with and big small "
    "photo picture it is shows an image there one"
)


def save_tiny_tower(folder: Path, *, seed: int = 0, dimension: int = DIMENSION, **changes: Any) -> Path:
    """The folder of a CLIP with one transformer layer on both sides; ``changes`` replace parts of ``model_cfg``."""
    config = {"embed_dim": dimension, "vision_cfg": VIT, "text_cfg": CLIP_TEXT, **changes}
    return _save(folder, config, {}, seed)


def save_tiny_siglip(folder: Path, *, seed: int = 0) -> Path:
    """The folder of a SigLIP: logits with a shift, attention pooling, no causal mask, squashed pictures, mean one half.

    Its tokenizer, a Unigram of a few words, lies beside the weights as those of published towers do.
    """
    text = {
        **{"context_length": CONTEXT, "vocab_size": 100, "width": 16, "heads": 2, "layers": 1},
        **{"hf_tokenizer_name": "a-hub/repository-that-is-not-asked", "tokenizer_kwargs": {"clean": "canonicalize"}},
        **{"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}},
    }
    vision = {**VIT, "attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2}
    config = {
        **{"embed_dim": DIMENSION, "init_logit_bias": -10, "custom_text": True},
        **{"vision_cfg": vision, "text_cfg": text},
    }
    half = (0.5, 0.5, 0.5)
    preprocess = {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"}
    folder.mkdir(parents=True, exist_ok=True)
    _save_unigram(folder)
    return _save(folder, config, preprocess, seed)


def save_tiny_eva(folder: Path, *, seed: int = 0) -> Path:
    """The folder of an EVA-CLIP: the smallest EVA-02 of timm (6 M parameters, 224 px) and CLIP's text transformer."""
    vision = {
        **{"image_size": 224, "timm_model_name": "eva02_tiny_patch14_224", "timm_model_pretrained": False},
        **{"timm_pool": "token", "timm_proj": "linear"},
    }
    return save_tiny_tower(folder, seed=seed, custom_text=True, vision_cfg=vision)


def _save(folder: Path, config: dict[str, Any], preprocess: dict[str, Any], seed: int) -> Path:
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}")
        for parameter in model.parameters():
            if parameter.ndim > 1:  # CLIP's first weights are so small that all texts look alike
                torch.nn.init.normal_(parameter, std=0.3)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / WEIGHTS)
    return folder


def _save_unigram(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=100, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(WORDS.split() * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
