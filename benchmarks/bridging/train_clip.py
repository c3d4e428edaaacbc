"""Train a small CLIP on crops of the scenes' objects: the frozen towers of every row of the table.

    python -m benchmarks.bridging.train_clip scenes/pretrain/train.json --out runs/clip

A model of open_clip (its ResNet and its text transformer, small), trained contrastively with short captions ("a photo
of a small brown dog") and with the scenes' expressions; a share of the crops shows background, with its place as the
caption, because proposals show that too. Of a crop CLIP sees no position and no neighbour. Writes a folder that
``ClipTower.load`` and open_clip's ``local-dir:`` take; goes on from its last checkpoint when it is started again.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from torch import Tensor

from benchmarks.bridging.scene_objects import SceneObject, ScenePicture, read_scenes
from benchmarks.machine import print_machine
from benchmarks.small_training import (
    Progress,
    learning_rate,
    parameter_groups,
    resume,
    save_checkpoint,
    save_open_clip,
    set_learning_rate,
)
from reir.geometry import iou_matrix
from reir.types import Box

MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [2, 2, 2, 2], "width": 24, "head_width": 64},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 3},
}
PREPROCESS = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}
SIDE = 64
VARIANTS = 3
"""Crops kept of each object, each with another jitter."""
JITTER = 0.12
"""How far each side of a crop may lie from that of the object, as a share of the object's width or height."""
TEMPLATES = ("{}", "a {}", "the {}", "a photo of a {}.", "a picture of the {}.", "A photo of {}")
HELD_OUT = 300
"""Pictures at the end of the file that are not trained on."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a crop shows: an object, or background by its place."""

    key: int
    """Equal for crops of one noun, or of one place."""
    colour: str
    thing: SceneObject | None
    place: str

    def text(self, rng: np.random.Generator) -> tuple[str, bool]:
        """A caption or an expression, and whether it tells the colour."""
        if self.thing is None:
            return _templated(f"{self.place} background" if rng.random() < 0.5 else self.place, rng), False
        if self.thing.expressions and rng.random() < 0.5:
            # Taken to tell the colour: most do, and a few more negatives are trained on that are true of no crop.
            return self.thing.expressions[rng.integers(len(self.thing.expressions))], True
        with_colour = bool(rng.random() < 0.7)
        words = [self.thing.colour, self.thing.name] if with_colour else [self.thing.name]
        return _templated(" ".join(words), rng), with_colour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_machine(["torch", "open_clip_torch"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures, _ = read_scenes(arguments.dataset)
    crops, subjects = _crops(pictures[:-HELD_OUT], arguments.out / "crops.npy", arguments.seed)
    print(f"crops     {len(crops)} of {len(pictures) - HELD_OUT} pictures, {crops.shape[1]} of each", flush=True)

    torch.manual_seed(arguments.seed)
    model = open_clip.model.CLIP(**MODEL).to(memory_format=torch.channels_last).train()
    image_side = sum(p.numel() for p in model.visual.parameters())
    print(f"model     {image_side / 1e6:.1f} M image, {_count(model) - image_side / 1e6:.1f} M text parameters")
    tokenizer = SimpleTokenizer(context_length=model.context_length)
    optim = torch.optim.AdamW(
        parameter_groups(model.parameters(), 0.05), lr=arguments.learning_rate, betas=(0.9, 0.98), fused=True
    )
    config = {"model_cfg": MODEL, "preprocess_cfg": {**PREPROCESS, "size": [SIDE, SIDE], "mode": "RGB"}}
    checkpoint = arguments.out / "checkpoint.pt"
    parts = {"model": model, "optim": optim}
    first = resume(checkpoint, parts)
    progress = Progress(arguments.steps)
    for step in range(first, arguments.steps):
        rng = np.random.default_rng([arguments.seed, step])
        rows = rng.integers(len(crops), size=arguments.batch)
        pixels = _normalised(crops[rows, rng.integers(crops.shape[1], size=arguments.batch)])
        chosen = [subjects[row] for row in rows]
        texts = [subject.text(rng) for subject in chosen]
        set_learning_rate(optim, learning_rate(arguments.learning_rate, step, arguments.steps, warmup=100))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            image = model.encode_image(pixels)
            text = model.encode_text(tokenizer([words for words, _ in texts]))
        loss = _contrastive(image.float(), text.float(), model.logit_scale.exp(), _maybe_true(chosen, texts))
        optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optim.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        done = step + 1
        progress.add(done, {"loss": loss})
        if done % 500 == 0 or done == arguments.steps:
            save_checkpoint(checkpoint, parts, done)
            save_open_clip(model, config, arguments.out)
            print(f"held out  {json.dumps(_held_out(model, tokenizer, pictures[-HELD_OUT:]))}", flush=True)


def _crops(pictures: list[ScenePicture], path: Path, seed: int) -> tuple[npt.NDArray[np.uint8], list[Subject]]:
    """Crops (N, VARIANTS, 64, 64, 3), squashed as the tower does it, and what each shows."""
    subjects, kept = [], []
    have = np.load(path, mmap_mode="r") if path.is_file() else None
    places = sorted({picture.place for picture in pictures})
    for i, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, 1, i])
        # Every third picture gives one crop of background as well.
        empty = _background(picture, rng) if i % 3 == 0 else None
        shown: list[tuple[Subject, Box, float]] = [
            (Subject(thing.noun, thing.colour, thing, picture.place), thing.box, JITTER) for thing in picture.objects
        ]
        if empty is not None:
            shown.append((Subject(-1 - places.index(picture.place), "", None, picture.place), empty, 0.02))
        subjects.extend(subject for subject, _, _ in shown)
        if have is not None:
            continue
        with Image.open(picture.path) as file:
            image = file.convert("RGB")
        for _, box, jitter in shown:
            kept.append(np.stack([_crop(image, _jittered(box, picture, jitter, rng)) for _ in range(VARIANTS)]))
    if have is None:
        np.save(path, np.stack(kept))
        have = np.load(path, mmap_mode="r")
    assert len(have) == len(subjects), f"{path} was made of other pictures: remove it"
    return have, subjects


def _crop(image: Image.Image, box: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    return np.asarray(image.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _jittered(box: Box, picture: ScenePicture, share: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """The box with each side moved by up to ``share`` of the object, inside the picture, at least 4 pixels wide."""
    x0, y0, x1, y1 = box
    dx0, dy0, dx1, dy1 = rng.uniform(-share, share, 4)
    left = min(max(round(x0 + dx0 * (x1 - x0)), 0), picture.width - 4)
    top = min(max(round(y0 + dy0 * (y1 - y0)), 0), picture.height - 4)
    right = max(min(round(x1 + dx1 * (x1 - x0)), picture.width), left + 4)
    bottom = max(min(round(y1 + dy1 * (y1 - y0)), picture.height), top + 4)
    return left, top, right, bottom


def _background(picture: ScenePicture, rng: np.random.Generator) -> Box | None:
    """A box that hardly touches any object, or None where eight tries find none."""
    truth = np.array([thing.box for thing in picture.objects], dtype=np.float32).reshape(-1, 4)
    for _ in range(8):
        width, height = rng.uniform(0.1, 0.4, 2) * (picture.width, picture.height)
        x, y = rng.uniform(0, 1, 2) * (picture.width - width, picture.height - height)
        box = (float(x), float(y), float(x + width), float(y + height))
        if not len(truth) or iou_matrix(np.array([box], dtype=np.float32), truth).max() < 0.05:
            return box
    return None


def _templated(words: str, rng: np.random.Generator) -> str:
    return TEMPLATES[rng.integers(len(TEMPLATES))].format(words)


def _normalised(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Crops (B, 64, 64, 3) as the tower's input (B, 3, 64, 64)."""
    mean, std = (torch.tensor(PREPROCESS[name]).view(3, 1, 1) for name in ("mean", "std"))
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def _maybe_true(subjects: list[Subject], texts: list[tuple[str, bool]]) -> Tensor:
    """Whether text i may be true of crop j without being its own, (B, B): such pairs are no negatives."""
    keys = np.array([subject.key for subject in subjects])
    colours = np.array([subject.colour for subject in subjects])
    tells_colour = np.array([told for _, told in texts])
    same = (keys[:, None] == keys) & (~tells_colour[:, None] | (colours[:, None] == colours))
    np.fill_diagonal(same, False)
    return torch.from_numpy(same)


def _contrastive(image: Tensor, text: Tensor, scale: Tensor, ignored: Tensor) -> Tensor:
    """CLIP's loss over a batch: mean cross-entropy of texts to crops and of crops to texts."""
    logits = scale * F.normalize(text, dim=-1) @ F.normalize(image, dim=-1).T  # (B texts, B crops)
    logits = logits.masked_fill(ignored, -1e4)
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


@torch.inference_mode()
def _held_out(model: Any, tokenizer: SimpleTokenizer, pictures: list[ScenePicture]) -> dict[str, float]:
    """Over held-out pictures with true boxes: nouns named rightly, and expressions that find their object."""
    model.eval()
    names = sorted({(thing.noun, thing.name) for picture in pictures for thing in picture.objects})
    prompts = F.normalize(model.encode_text(tokenizer([f"a photo of a {name}." for _, name in names])), dim=-1)
    named, found = [], []
    for picture in pictures:
        if not picture.objects:
            continue
        with Image.open(picture.path) as file:
            image = file.convert("RGB")
        boxes = [_jittered(thing.box, picture, 0.0, np.random.default_rng(0)) for thing in picture.objects]
        features = F.normalize(model.encode_image(_normalised(np.stack([_crop(image, box) for box in boxes]))), dim=-1)
        best = (features @ prompts.T).argmax(dim=1).tolist()
        named += [names[k][0] == thing.noun for k, thing in zip(best, picture.objects, strict=True)]
        asked = [(words, i) for i, thing in enumerate(picture.objects) for words in thing.expressions]
        if asked:
            texts = F.normalize(model.encode_text(tokenizer([words for words, _ in asked])), dim=-1)
            found += ((texts @ features.T).argmax(dim=1) == torch.tensor([i for _, i in asked])).tolist()
    model.train()
    return {"nouns": round(float(np.mean(named)), 4), "expressions_in_picture": round(float(np.mean(found)), 4)}


def _count(model: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


if __name__ == "__main__":
    main()
