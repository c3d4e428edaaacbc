"""Full-size networks with random weights, in folders that ``load_model`` takes: as slow as the trained ones.

A random network finds other boxes than a trained one, but the cost of a picture hangs on the sizes alone once the
number of boxes is fixed: random detectors keep as many as they may (``score=0``), the trained ones' worst case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

CLIP = "ViT-B-32"


def owl(family: str, vision: dict[str, int]) -> Callable[[Path], str]:
    """OWL-ViT or OWLv2 with a base tower of this image and patch size."""

    def make(folder: Path) -> str:
        import transformers

        from tests.models.owl.tiny_owl import NAMES, make_processor

        config_class, network_class = {
            "owlvit": (transformers.OwlViTConfig, transformers.OwlViTForObjectDetection),
            "owlv2": (transformers.Owlv2Config, transformers.Owlv2ForObjectDetection),
        }[family]
        network_class(config_class(vision_config=vision)).save_pretrained(folder)
        make_processor(family, image_side=vision["image_size"]).save_pretrained(folder)
        return f"{NAMES[family]}:{folder}"

    return make


def detector_clip(kind: str, arch: str, size: int) -> Callable[[Path], str]:
    """``rcnn-clip`` or ``rpn-clip`` with a detector of torchvision and CLIP ViT-B/32, as the paper has it."""

    def make(folder: Path) -> str:
        from safetensors.torch import save_file

        from reir.models.detector_clip.detector import DetectorConfig, build_detector

        config = DetectorConfig(arch, min_size=size, max_size=round(size * 5 / 3))
        detector = build_detector(config)
        save_file({name: value.contiguous() for name, value in detector.state_dict().items()}, folder / "d.safetensors")
        clip_tower(folder / "tower")
        record = {"format": 1, "model": kind, "tower": "tower", "predictor": None, "settings": {"score": 0}}
        record["detector"] = {**config.to_json(), "weights": "d.safetensors"}
        (folder / "config.json").write_text(json.dumps(record))
        return f"{kind}:{folder}"

    return make


def sam_clip(folder: Path) -> str:
    """SAM ViT-B with CLIP ViT-B/32, 8 points a side. Hardly a mask of random weights passes: the cost is SAM alone."""
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    SamModel(SamConfig()).save_pretrained(folder / "sam")
    SamProcessor(SamImageProcessor()).save_pretrained(folder / "sam")
    clip_tower(folder / "tower")
    return f"sam-clip:{folder}"


def clip_tower(folder: Path) -> None:
    """CLIP ViT-B/32 as a folder of open_clip."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    network: Any = open_clip.create_model(CLIP)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    config = {"model_cfg": open_clip.get_model_config(CLIP), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


BACKENDS: dict[str, Callable[[Path], str]] = {
    "owlvit-base-patch32": owl("owlvit", {"image_size": 768, "patch_size": 32}),
    "owlv2-base": owl("owlv2", {"image_size": 960, "patch_size": 16}),
    "rcnn-clip, ResNet-50 at 480": detector_clip("rcnn-clip", "fasterrcnn_resnet50_fpn", 480),
    "rcnn-clip, MobileNetV3 at 320": detector_clip("rcnn-clip", "fasterrcnn_mobilenet_v3_large_320_fpn", 320),
    "rcnn-clip, Mask R-CNN at 480": detector_clip("rcnn-clip", "maskrcnn_resnet50_fpn", 480),
    "rpn-clip, ResNet-50 at 480": detector_clip("rpn-clip", "fasterrcnn_resnet50_fpn", 480),
    "sam-clip, SAM ViT-B": sam_clip,
}


def random_backend(name: str, cache: Path) -> str:
    """What ``load_model`` is asked for; the folder is made once."""
    folder = cache / "".join(letter if letter.isalnum() else "-" for letter in name)
    note = folder / "name.txt"
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        note.write_text(BACKENDS[name](folder))
    return note.read_text()
