"""Folders as ``save_pretrained`` writes them, of small random OWL models, to compare ours with the library's own.

The heads are drawn wide, so that objectness, logit scale and logit shift differ from patch to patch as trained ones do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

IMAGE_SIDE = 96
PATCH = 16
WIDTH = 32

FAMILIES = ("owlvit", "owlv2")
NAMES = {"owlvit": "owlvit-base-patch32", "owlv2": "owlv2-base"}
"""A registered name of each family."""


def make_owl_folder(
    folder: Path, family: str, *, image_side: int = IMAGE_SIDE, patch: int = PATCH, seed: int = 0
) -> Path:
    """The folder, now with a random model of ``family`` (``owlvit`` or ``owlv2``), its tokenizer and its processor."""
    folder.mkdir(parents=True, exist_ok=True)
    make_network(family, image_side=image_side, patch=patch, seed=seed).save_pretrained(folder)
    make_processor(family, image_side=image_side).save_pretrained(folder)
    return folder


def make_network(family: str, *, image_side: int = IMAGE_SIDE, patch: int = PATCH, seed: int = 0) -> Any:
    """A random ``OwlViTForObjectDetection`` or ``Owlv2ForObjectDetection``, ready to be asked."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config_class = {"owlvit": transformers.OwlViTConfig, "owlv2": transformers.Owlv2Config}[family]
    network_class = {
        "owlvit": transformers.OwlViTForObjectDetection,
        "owlv2": transformers.Owlv2ForObjectDetection,
    }[family]
    tower = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = config_class(
        text_config=dict(tower),
        vision_config={**tower, "image_size": image_side, "patch_size": patch},
        projection_dim=WIDTH,
    )
    network = network_class(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "embedding" in name:
                parameter.normal_(std=0.5)
            elif name.endswith("weight") and parameter.ndim == 2:
                parameter.normal_(std=1.2 * parameter.shape[1] ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(std=0.2)
    return network


def make_processor(family: str, *, image_side: int = IMAGE_SIDE) -> Any:
    """The library's processor with CLIP's own vocabulary; pictures are resized to ``image_side``."""
    import transformers

    vocabulary, merges = clip_vocabulary()
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=16)
    image_class, processor_class = {
        "owlvit": (transformers.OwlViTImageProcessor, transformers.OwlViTProcessor),
        "owlv2": (transformers.Owlv2ImageProcessor, transformers.Owlv2Processor),
    }[family]
    images = image_class(size={"height": image_side, "width": image_side})
    return processor_class(images, tokenizer)


@cache
def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's byte-pair vocabulary and merges, from the file that open_clip ships."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    renamed = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {renamed.get(token, token): number for token, number in tokenizer.encoder.items()}
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    return vocabulary, merges
