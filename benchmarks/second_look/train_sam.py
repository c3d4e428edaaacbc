"""Train a small SAM on the scenes' objects: the mask proposals of TAS's tables, and what ``--mask sam`` asks.

    python -m benchmarks.second_look.train_sam scenes/pretrain/train.json --validation scenes/validation/validation.json
        --out parts/sam

Transformers' SAM (Kirillov et al., Segment Anything, 2023) with four layers, from random numbers: a point on an object,
or its box, should give the object's visible mask. As in its section 3: three masks a prompt and the loss of the best of
them (focal and dice, 20 to 1), and a head that predicts each mask's IoU with the truth. *Differs from SAM*: points on
background are asked too, with nothing to segment and an IoU of 0, because the scenes have no parts and no background
objects that a mask could be of. Writes a folder as ``sam-clip:...,sam=FOLDER`` takes it, goes on from its last
checkpoint when it is started again, and measures what it proposes for held-out pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.machine import print_machine
from benchmarks.small_training import Progress, learning_rate, resume, save_checkpoint, set_learning_rate
from reir.geometry.masks import decode_rle
from reir.models.sam_clip.parts import SAM_TYPES, Network
from reir.models.sam_clip.proposals import Proposer
from reir.models.sam_clip.settings import Settings

SIDE, PATCH = 256, 16
LOW = SIDE // PATCH * 4
"""Side of the masks that the network gives."""
WIDTH, CHANNELS = 160, 64
PROMPTS = 8
"""Of a picture in one step."""
ON_BACKGROUND = 2
"""Of them, where they are points."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of the library's image processor, in 8-bit levels."""
PROPOSALS = {"points": 12, "iou": 0.45, "stability": 0.5, "nms": 0.7}
"""Settings with which this SAM proposes, chosen on ten validation pictures: with SAM's own thresholds of 0.7 the small
one, less sure of its edges, kept a third of the objects."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=8000, help="pictures of the data set that are used")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=8e-4)
    parser.add_argument("--measured", type=int, default=100, help="pictures of the validation file that are measured")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_machine(["torch", "transformers"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    work = arguments.out.parent / f"{arguments.out.name}-work"
    work.mkdir(exist_ok=True)
    pixels, labels = _rendered(arguments.dataset, arguments.images, work)
    print(f"pictures  {len(pixels)}", flush=True)

    torch.manual_seed(arguments.seed)
    model = _build().train()
    print(f"model     {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    optim = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate, weight_decay=0.02, fused=True)
    checkpoint = work / "checkpoint.pt"
    parts = {"model": model, "optim": optim}
    first = resume(checkpoint, parts)
    progress = Progress(arguments.steps, digits=4)
    for step in range(first, arguments.steps):
        # A function of the seed and the step, so that a run that goes on sees what the whole run would have seen.
        rng = np.random.default_rng([arguments.seed, step])
        rows = np.sort(rng.integers(len(pixels), size=arguments.batch))
        images, scenes = np.array(pixels[rows]), np.array(labels[rows])
        if rng.random() < 0.5:
            images, scenes = _mirrored(images, scenes)
        set_learning_rate(optim, learning_rate(arguments.learning_rate, step, arguments.steps, warmup=60))
        losses = _losses(model, images, scenes, rng, boxes=step % 3 == 2)
        optim.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        done = step + 1
        progress.add(done, losses)
        if done % 250 == 0 or done == arguments.steps:
            save_checkpoint(checkpoint, parts, done)
            _save(model, arguments.out)
    _save(model, arguments.out)
    figures = _measured(arguments.out, arguments.validation, arguments.measured)
    (work / "figures.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures))


def _rendered(dataset: Path, count: int, work: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Pictures (N, SIDE, SIDE, 3), filled up right and below, and for each pixel its object's number, 0 for none."""
    pixels_file, labels_file = work / "pixels.npy", work / "labels.npy"
    if not labels_file.is_file():
        content = json.loads(dataset.read_text())
        images = content["images"][:count]
        masks: dict[int, list[Any]] = {image["id"]: [] for image in images}
        for annotation in content["annotations"]:
            if annotation["image_id"] in masks:
                masks[annotation["image_id"]].append(annotation["segmentation"])
        pixels = np.zeros((len(images), SIDE, SIDE, 3), dtype=np.uint8)
        labels = np.zeros((len(images), SIDE, SIDE), dtype=np.uint8)
        for row, image in enumerate(images):
            whole = np.zeros((image["height"], image["width"]), dtype=np.uint8)
            for number, rle in enumerate(masks[image["id"]], start=1):
                whole[decode_rle(rle)] = number
            width, height = _fitted(image["width"], image["height"])
            with Image.open(dataset.parent / "images" / image["file_name"]) as file:
                pixels[row, :height, :width] = np.asarray(file.convert("RGB").resize((width, height)))
            labels[row, :height, :width] = np.asarray(
                Image.fromarray(whole).resize((width, height), Image.Resampling.NEAREST)
            )
        np.save(pixels_file, pixels)
        np.save(labels_file, labels)
    return np.load(pixels_file, mmap_mode="r"), np.load(labels_file, mmap_mode="r")


def _fitted(width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture with its longer side at SIDE, as the library rounds them."""
    scale = SIDE / max(width, height)
    return int(width * scale + 0.5), int(height * scale + 0.5)


def _mirrored(
    images: npt.NDArray[np.uint8], scenes: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Left and right swapped. What fills a picture up is then at its left: one more thing to be robust against."""
    return np.ascontiguousarray(images[:, :, ::-1]), np.ascontiguousarray(scenes[:, :, ::-1])


def _build() -> Any:
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            **{"hidden_size": WIDTH, "output_channels": CHANNELS, "num_hidden_layers": 4, "num_attention_heads": 4},
            **{"image_size": SIDE, "patch_size": PATCH, "mlp_dim": 3 * WIDTH, "window_size": 8},
            **{"global_attn_indexes": [1, 3], "num_pos_feats": CHANNELS // 2, "initializer_range": 0.02},
        },
        prompt_encoder_config={
            **{"hidden_size": CHANNELS, "image_size": SIDE, "patch_size": PATCH, "mask_input_channels": 4},
        },
        mask_decoder_config={
            **{"hidden_size": CHANNELS, "mlp_dim": 4 * CHANNELS, "num_hidden_layers": 2, "num_attention_heads": 4},
            "iou_head_hidden_dim": CHANNELS,
        },
    )
    model = SamModel(config)
    with torch.no_grad():
        # The library draws random frequencies of hundreds of turns, fit only to be overwritten by trained ones.
        model.shared_image_embedding.positional_embedding.normal_(std=1.0)
    return model


def _losses(
    model: Any, images: npt.NDArray[np.uint8], scenes: npt.NDArray[np.uint8], rng: np.random.Generator, *, boxes: bool
) -> dict[str, Tensor]:
    """Focal, dice and IoU losses of one batch, asked by boxes or by points."""
    asked, wanted, prompts = [], [], []
    for scene in scenes:
        numbers = np.unique(scene[scene > 0])
        chosen = rng.choice(numbers, PROMPTS) if len(numbers) else np.zeros(PROMPTS, dtype=np.uint8)
        if not boxes:
            chosen[:ON_BACKGROUND] = 0
        prompts.append([_box(scene == number, rng) if boxes else _point(scene == number, rng) for number in chosen])
        asked.append(chosen > 0)
        wanted.append((scene == chosen[:, None, None]) & (chosen > 0)[:, None, None])
    positive = torch.from_numpy(np.stack(asked))  # (B, P)
    truth = torch.from_numpy(np.stack(wanted)).float()  # (B, P, SIDE, SIDE)
    truth = (F.avg_pool2d(truth, SIDE // LOW) >= 0.5).float()  # (B, P, LOW, LOW)
    where = torch.tensor(np.array(prompts), dtype=torch.float32)
    inputs = {"input_boxes": where} if boxes else {"input_points": where[:, :, None]}
    pixels = (torch.from_numpy(images).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(pixel_values=pixels.permute(0, 3, 1, 2).contiguous(), **inputs)
    logits, predicted = outputs.pred_masks.float(), outputs.iou_scores.float()  # (B, P, 3, LOW, LOW), (B, P, 3)
    truth = truth[:, :, None]
    crossed = F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction="none")
    shares = logits.sigmoid()
    focal = ((0.25 * truth + 0.75 * (1 - truth)) * (shares - truth).abs() ** 2 * crossed).mean((-1, -2))
    overlap = (shares * truth).sum((-1, -2))
    dice = 1 - (2 * overlap + 1) / (shares.sum((-1, -2)) + truth.sum((-1, -2)) + 1)
    best = (20 * focal + dice).argmin(-1, keepdim=True)
    with torch.no_grad():
        cut = (logits > 0).float()
        both = (cut * truth).sum((-1, -2))
        iou = both / (cut.sum((-1, -2)) + truth.sum((-1, -2)) - both).clamp(min=1)
        iou = iou * positive[:, :, None]
    return {
        "focal": 20 * focal.gather(-1, best)[..., 0][positive].sum() / max(int(positive.sum()), 1),
        "dice": dice.gather(-1, best)[..., 0][positive].sum() / max(int(positive.sum()), 1),
        "iou": F.mse_loss(predicted, iou),
    }


def _point(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float]:
    """A pixel of the mask, anywhere in the picture where the mask is empty."""
    places = np.flatnonzero(mask)
    place = int(places[rng.integers(len(places))]) if len(places) else int(rng.integers(mask.size))
    return float(place % mask.shape[1]) + 0.5, float(place // mask.shape[1]) + 0.5


def _box(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float, float, float]:
    """The mask's box, each side moved by up to a tenth of it, as SAM does; the whole picture for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, 0.0, float(mask.shape[1]), float(mask.shape[0])
    x0, y0, x1, y1 = float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    dx, dy = 0.1 * (x1 - x0), 0.1 * (y1 - y0)
    moved = rng.uniform(-1, 1, 4) * (dx, dy, dx, dy)
    return x0 + moved[0], y0 + moved[1], x1 + moved[2], y1 + moved[3]


def _save(model: Any, folder: Path) -> None:
    """Network and processor as the library has them."""
    from transformers import SamImageProcessor, SamProcessor

    images = SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": LOW},
        mask_pad_size={"height": LOW, "width": LOW},
    )
    model.save_pretrained(folder)
    SamProcessor(images).save_pretrained(folder)


def _measured(folder: Path, validation: Path, count: int) -> dict[str, float]:
    """What is proposed for held-out pictures: objects whose best mask has an IoU above 0.5, and the mean best IoU."""
    content = json.loads(validation.read_text())
    settings = replace(Settings(), **PROPOSALS)
    proposer = Proposer(Network.find(str(folder), SAM_TYPES, option="sam"), settings)
    best: list[float] = []
    masks = 0
    started = time.perf_counter()
    for image in content["images"][:count]:
        with Image.open(validation.parent / "images" / image["file_name"]) as file:
            file.thumbnail((384, 384))
            pixels = np.asarray(file.convert("RGB"))
        found = proposer.propose(pixels).masks
        masks += len(found)
        for annotation in content["annotations"]:
            if annotation["image_id"] == image["id"]:
                whole = Image.fromarray(decode_rle(annotation["segmentation"]))
                truth = np.asarray(whole.resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST))
                both, either = (found & truth).sum((1, 2)), (found | truth).sum((1, 2))
                best.append(float((both / np.maximum(either, 1)).max(initial=0.0)))
    return {
        "pictures": count,
        "objects": len(best),
        "found_at_0.5": round(float(np.mean(np.array(best) > 0.5)), 4),
        "mean_best_iou": round(float(np.mean(best)), 4),
        "masks_a_picture": round(masks / count, 2),
        "seconds_a_picture": round((time.perf_counter() - started) / count, 3),
    }


if __name__ == "__main__":
    main()
