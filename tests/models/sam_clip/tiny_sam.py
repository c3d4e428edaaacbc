"""Small random models of transformers, saved to folders as published ones are: SAM, and captioners.

Numbers are drawn so that the parts do something: SAM's masks depend on picture and point and cover a tenth of it,
captions depend on the picture and hold nouns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.towers.tiny_tower import save_tiny_tower

SIDE = 64
PATCH = 8
WIDTH = 32
LOOSE = "iou=0.5,stability=0.1"
"""Options with which the tiny SAM proposes ten to twenty masks a picture."""

VOCABULARY = """
[PAD] [UNK] [CLS] [SEP] [DEC] <image>
dog cat man woman boy girl sofa couch table lamp car bus tree ball hat shirt cup plate dish street grass sky sign
horse sheep bird boat train kite phone chair bed book bag wall red green blue brown white black big small old on
in near with and under behind the a an of two holding sitting standing riding wearing ,
"""
"""Tokens of the captioners, and so what they can say."""


def save_tiny_sam(folder: Path, *, seed: int = 0) -> Path:
    """The folder of a SAM of 0.1 M parameters that sees 64 pixels."""
    import torch
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = SamConfig(
            vision_config={
                **{"hidden_size": WIDTH, "output_channels": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4},
                **{"image_size": SIDE, "patch_size": PATCH, "mlp_dim": 64, "window_size": 4},
                **{"global_attn_indexes": [1], "num_pos_feats": WIDTH // 2},
            },
            prompt_encoder_config={
                **{"hidden_size": WIDTH, "image_size": SIDE, "patch_size": PATCH},
                **{"image_embedding_size": SIDE // PATCH, "mask_input_channels": 4},
            },
            mask_decoder_config={
                **{"hidden_size": WIDTH, "mlp_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
                "iou_head_hidden_dim": WIDTH,
            },
        )
        model = SamModel(config).eval()
        _draw_sam(model)
    model.save_pretrained(folder)
    low = SIDE // 2
    images = SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": low},
        mask_pad_size={"height": low, "width": low},
    )
    SamProcessor(images).save_pretrained(folder)
    return folder


def _draw_sam(model: Any) -> None:
    import torch

    decoder = model.mask_decoder
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                continue
            if parameter.ndim > 1:
                parameter.normal_(std=0.5 if "embed" in name else 1.3 * parameter[0].numel() ** -0.5)
                if "mask_decoder" in name and ("q_proj" in name or "k_proj" in name):
                    parameter.mul_(4)  # sharp attention: masks differ from point to point
            elif name.endswith("bias"):
                parameter.normal_(std=0.1)
        model.shared_image_embedding.positional_embedding.normal_(std=1.0)
        for embedding in model.prompt_encoder.point_embed:
            embedding.weight.normal_(std=0.5)
        for convolution in (decoder.upscale_conv1, decoder.upscale_conv2):  # smooth masks
            convolution.weight.copy_(convolution.weight.mean((2, 3), keepdim=True).expand_as(convolution.weight) * 4)
        # Channel 0 is the same everywhere, so that its weight moves all logits of a mask.
        decoder.upscale_conv2.weight[:, 0] = 0
        decoder.upscale_conv2.bias[0] = 1.0
        for network in decoder.output_hypernetworks_mlps:
            network.proj_out.weight.mul_(3)
            network.proj_out.weight[0] = 0
            network.proj_out.bias[0] = 0
        decoder.iou_prediction_head.proj_out.bias.fill_(0.8)
        decoder.iou_prediction_head.proj_out.weight.mul_(0.2)
        coarse = torch.randn(1, 3, 9, 9)
        outputs = model(
            pixel_values=torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear"),
            input_points=torch.rand(1, 64, 1, 2) * SIDE,
            input_labels=torch.ones(1, 64, 1, dtype=torch.long),
        )
        for i, share in enumerate((0.03, 0.08, 0.15)):
            logit = outputs.pred_masks[0, :, i].quantile(1 - share)
            decoder.output_hypernetworks_mlps[i + 1].proj_out.bias[0] = -logit / torch.nn.functional.gelu(
                torch.tensor(1.0)
            )


def save_tiny_captioner(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """The folder of a random captioner: ``blip``, ``blip-2`` or ``git``."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, processor = {"blip": _blip, "blip-2": _blip2, "git": _git}[kind]()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" not in name.lower() and parameter.ndim > 1:
                    parameter.normal_(std=1.5 * parameter[0].numel() ** -0.5)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _word_tokenizer(*, start: str, end: str) -> Any:
    """One token a word; ``start`` and ``end`` mark a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(VOCABULARY.split())}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
        **{"bos_token": start, "eos_token": end},
    )


def _sizes(**more: Any) -> dict[str, Any]:
    return {
        **{"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
        **more,
    }


def _blip() -> tuple[Any, Any]:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokenizer = _word_tokenizer(start="[DEC]", end="[SEP]")
    config = BlipConfig(
        text_config=_sizes(
            vocab_size=len(VOCABULARY.split()),
            bos_token_id=4,
            sep_token_id=3,
            eos_token_id=3,
            pad_token_id=0,
            encoder_hidden_size=WIDTH,
        ),
        vision_config=_sizes(image_size=32, patch_size=8),
        projection_dim=WIDTH,
    )
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    return BlipForConditionalGeneration(config), BlipProcessor(images, tokenizer)


def _git() -> tuple[Any, Any]:
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    tokenizer = _word_tokenizer(start="[CLS]", end="[SEP]")
    config = GitConfig(
        vision_config=_sizes(image_size=32, patch_size=8),
        **_sizes(vocab_size=len(VOCABULARY.split()), bos_token_id=2, eos_token_id=3, pad_token_id=0),
    )
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return GitForCausalLM(config), GitProcessor(images, tokenizer)


def _blip2() -> tuple[Any, Any]:
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor

    tokenizer = _word_tokenizer(start="[CLS]", end="[SEP]")
    config = Blip2Config(
        vision_config=_sizes(image_size=32, patch_size=8),
        qformer_config=_sizes(encoder_hidden_size=WIDTH, vocab_size=len(VOCABULARY.split())),
        text_config={
            **{"model_type": "opt", "vocab_size": len(VOCABULARY.split()), "hidden_size": WIDTH, "ffn_dim": 64},
            **{"num_hidden_layers": 2, "num_attention_heads": 4, "word_embed_proj_dim": WIDTH},
            **{"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "max_position_embeddings": 128},
        },
        num_query_tokens=4,
        image_token_index=5,
    )
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    processor = Blip2Processor(images, tokenizer, num_query_tokens=4)
    return Blip2ForConditionalGeneration(config), processor


def save_tiny_parts(folder: Path, *, captioner: str | None = None, seed: int = 0) -> Path:
    """A folder of parts as ``sam-clip:FOLDER`` takes it."""
    save_tiny_sam(folder / "sam", seed=seed)
    save_tiny_tower(folder / "tower", seed=seed)
    if captioner is not None:
        save_tiny_captioner(folder / "captioner", captioner, seed=seed)
    return folder
