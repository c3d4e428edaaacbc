"""Train the small Faster R-CNN as an ordinary detector of the scenes' objects: the "pretrained" one of the base rows.

    python -m benchmarks.bridging.train_detector scenes/pretrain/train.json --out runs/detector

Its classes are the fifteen groups of nouns (animal, vehicle, ...), and it knows no expression. Writes
``detector.safetensors`` and ``detector.json`` (its ``DetectorConfig``); goes on from its last checkpoint when it is
started again. About 0.7 s a step on one core of a processor that computes in bfloat16.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.bridging.scene_objects import ScenePicture, read_scenes
from benchmarks.machine import print_machine
from benchmarks.small_training import Progress, learning_rate, resume, save_checkpoint, set_learning_rate
from reir.models.detector_clip.detector import DetectorConfig, build_detector

MIN_SIZE, MAX_SIZE = 192, 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_machine(["torch", "torchvision"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures, groups = read_scenes(arguments.dataset)
    pictures = [picture for picture in pictures if picture.objects]
    config = DetectorConfig("fasterrcnn_small", classes=len(groups) + 1, min_size=MIN_SIZE, max_size=MAX_SIZE)

    torch.manual_seed(arguments.seed)
    detector = build_detector(config).to(memory_format=torch.channels_last).train()
    optim = torch.optim.AdamW(detector.parameters(), lr=arguments.learning_rate, weight_decay=0.02)
    checkpoint = arguments.out / "checkpoint.pt"
    parts = {"detector": detector, "optim": optim}
    first = resume(checkpoint, parts)
    progress = Progress(arguments.steps)
    for step in range(first, arguments.steps):
        # A function of the seed and the step, so that a run that goes on sees what the whole run would have seen.
        rng = np.random.default_rng([arguments.seed, step])
        chosen = [pictures[i] for i in rng.integers(len(pictures), size=arguments.batch)]
        samples = [_sample(picture, groups, mirrored=bool(rng.random() < 0.5)) for picture in chosen]
        set_learning_rate(optim, learning_rate(arguments.learning_rate, step, arguments.steps, warmup=60))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = _losses(detector, samples)
        loss = torch.stack(list(losses.values())).sum()
        optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optim.step()
        done = step + 1
        progress.add(done, losses)
        if done % 200 == 0 or done == arguments.steps:
            save_checkpoint(checkpoint, parts, done)
            state = {name: value.contiguous() for name, value in detector.state_dict().items()}
            save_file(state, arguments.out / "detector.safetensors")
            (arguments.out / "detector.json").write_text(json.dumps(config.to_json(), indent=1))


def _sample(picture: ScenePicture, groups: list[str], *, mirrored: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixels (3, h, w) in [0, 1] and the truth; a mirrored scene is a scene, and groups have no side."""
    with Image.open(picture.path) as image:
        pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255
    boxes = torch.tensor([thing.box for thing in picture.objects], dtype=torch.float32)
    if mirrored:
        pixels = pixels.flip(-1)
        boxes[:, [0, 2]] = picture.width - boxes[:, [2, 0]]
    return pixels, {
        "boxes": boxes,
        "labels": torch.tensor([1 + groups.index(thing.group) for thing in picture.objects]),
    }


def _losses(detector: Any, samples: list[tuple[Tensor, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Torchvision's losses by name. Only the backbone runs in bfloat16: region pooling knows float32 alone."""
    batch, targets = detector.transform([pixels for pixels, _ in samples], [truth for _, truth in samples])
    features = detector.backbone(batch.tensors.contiguous(memory_format=torch.channels_last))
    with torch.autocast("cpu", enabled=False):
        features = {level: values.float() for level, values in features.items()}
        proposals, rpn = detector.rpn(batch, features, targets)
        _, heads = detector.roi_heads(features, proposals, batch.image_sizes, targets)
    return {**rpn, **heads}


if __name__ == "__main__":
    main()
