"""Train a small CLIP that knows red ellipses, on emoji scenes: a stand-in for the CLIP of Tune-An-Ellipse.

    python -m benchmarks.second_look.train_prompted_towers scenes/pretrain/train.json --start runs/clip
        --side 192 --out runs/towers/a
    python -m benchmarks.second_look.train_prompted_towers scenes/pretrain/train.json --start runs/clip
        --side 384 --steps 0 --out runs/towers/crops

CLIP learned of red circles from the web's pictures; a tower of this world learns of them here. It goes on from the CLIP
of ``benchmarks.bridging.train_clip``, which knows crops, with larger pictures: the places of its attention pool are
spread, as those of CLIP's ViT-L/14@336 were; its text half and the statistics of its normalisations stay. Three kinds
of pictures together:

- a scene with an ellipse around an object, told from other objects' expressions, and that object's expression told from
  other scenes and from misplaced ellipses in the same scene: on background and on parts, the negatives that section 5
  of the paper proposes. Fitting ellipses are nearer to their expression than to the background prompts, misplaced ones
  farther;
- whole scenes, embedded near the captions of their objects, and each place of the last map told what it shows
  ("COLOUR NOUN" or the place of the scene);
- crops, embedded near their object's caption.

Without steps it is the same CLIP for larger pictures. Writes a folder that ``ClipTower.load`` and open_clip's
``local-dir:`` take; goes on from its last checkpoint when it is started again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.bridging.train_clip import PREPROCESS
from benchmarks.machine import print_machine
from benchmarks.second_look.prompted_scenes import (
    NOTHING,
    TEMPLATES,
    PromptedObject,
    PromptedScenes,
    embed_texts,
    fitting_ellipse,
    misplaced_ellipse,
    read_prompted,
)
from benchmarks.small_training import (
    Progress,
    learning_rate,
    parameter_groups,
    resume,
    save_checkpoint,
    save_open_clip,
    set_learning_rate,
)
from reir.models.ellipse import background_prompts
from reir.models.ellipse.drawing import draw, signed_field
from reir.models.towers import ClipTower
from reir.models.vatex.prior import pooled_places
from reir.types import FloatArray

SIDES = re.compile("left|right")
SHARPEST = 30
"""What cosines are multiplied with at most: the start's is for crops, and too sharp for what it knows of scenes."""
HELD_OUT = 300
"""Pictures at the end of the file that are not trained on."""
SIGMAS = (0.05, 0.12)
"""Widths of the curve that are trained on: the paper's, and what is as wide in pixels on a picture this small."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--start", type=Path, required=True, help="the folder of benchmarks.bridging.train_clip")
    parser.add_argument(
        "--side",
        type=int,
        default=192,
        help="pixels of the pictures' sides, a multiple of 32; 128, 192 or 256 with steps",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where pixels are kept; by default beside --out")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--scenes", type=int, default=10, help="scenes of each step: nearly four pictures of each")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_machine(["torch", "open_clip_torch"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = enlarged_config(arguments.start, arguments.side)
    model = open_clip.model.CLIP(**config["model_cfg"])
    model.load_state_dict(enlarged_weights(arguments.start, arguments.side))
    if not arguments.steps:
        save_open_clip(model, config, arguments.out)
        return
    cache = arguments.cache or arguments.out.parent / "cache"
    scenes = read_prompted(arguments.dataset, cache, arguments.side)
    texts = Texts(scenes, ClipTower.load(str(arguments.start), device="cpu"), cache)
    training = scenes.part(slice(0, -HELD_OUT))
    held_out = scenes.part(slice(-HELD_OUT, None))

    torch.manual_seed(arguments.seed)
    visual = model.visual.eval().to(memory_format=torch.channels_last)  # the statistics stay: crops' fit scenes too
    parameters = [*visual.parameters(), model.logit_scale]
    print(f"model     {sum(p.numel() for p in parameters) / 1e6:.1f} M parameters of the image tower")
    optim = torch.optim.AdamW(
        parameter_groups(parameters, 0.05), lr=arguments.learning_rate, betas=(0.9, 0.98), fused=True
    )
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(SHARPEST))
    checkpoint = arguments.out / "checkpoint.pt"
    parts = {"model": model, "optim": optim}
    first = resume(checkpoint, parts)
    progress = Progress(arguments.steps, every=20)
    for step in range(first, arguments.steps):
        set_learning_rate(optim, learning_rate(arguments.learning_rate, step, arguments.steps, warmup=30))
        rng = np.random.default_rng([arguments.seed, step])
        losses = _losses(model, Batch(training, arguments.scenes, rng), texts)
        optim.zero_grad(set_to_none=True)
        together = losses["ellipses"] + losses["background"] + losses["places"]
        (together + 0.3 * losses["scenes"] + 0.5 * losses["crops"]).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optim.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(SHARPEST))
        done = step + 1
        progress.add(done, losses)
        if done % 100 == 0 or done == arguments.steps:
            save_checkpoint(checkpoint, parts, done)
            save_open_clip(model, config, arguments.out)
    print(f"held out  {json.dumps(_held_out(visual, held_out, texts))}", flush=True)


class Texts:
    """Every text's embedding by the locked text half: expressions (Q, E), captions and nouns in each template,
    background prompts (J, E).
    """

    def __init__(self, scenes: PromptedScenes, tower: ClipTower, cache: Path) -> None:
        self.expressions = torch.from_numpy(embed_texts(tower, scenes.expressions, cache / "expressions.npy"))
        filled = [template.format(text) for template in TEMPLATES for text in scenes.captions]
        self.captions = torch.from_numpy(embed_texts(tower, filled, cache / "captions.npy"))
        self.captions = self.captions.view(len(TEMPLATES), len(scenes.captions), -1)
        filled = [template.format(text) for template in TEMPLATES for text in scenes.nouns]
        self.nouns = torch.from_numpy(embed_texts(tower, filled, cache / "nouns.npy"))
        self.nouns = self.nouns.view(len(TEMPLATES), len(scenes.nouns), -1)
        self.background = torch.from_numpy(tower.encode_texts(background_prompts()))


class Batch:
    """The pictures of one step with what they show, drawn by a random generator.

    ``prompted`` (I, 3, S, S): two pictures with fitting ellipses of each scene with as many objects, then one with a
    misplaced one. The first ``fitting`` fit. ``pixels`` are half of the scenes without, ``crops`` a third.
    Scenes are mirrored at random where no word of their expressions forbids it. ``expressions`` (I,) are those of the
    fitting ellipses, then those that the misplaced ones miss.
    """

    def __init__(self, scenes: PromptedScenes, count: int, rng: np.random.Generator) -> None:
        rows = rng.choice(len(scenes.objects), size=count, replace=False)
        self.template = int(rng.integers(len(TEMPLATES)))
        self.by_noun = bool(rng.random() < 0.3)
        pictures, maps = scenes.pictures[rows], scenes.maps[rows]
        self.objects: list[list[PromptedObject]] = []
        fitting, misplaced = [], []  # (scene in the batch, ellipse, ...)
        for i, row in enumerate(rows):
            things = scenes.objects[row]
            having = [k for k, thing in enumerate(things) if thing.expressions]
            asked = [
                (k, int(rng.choice(things[k].expressions)))
                for k in rng.choice(having, size=min(2, len(having)), replace=False)
            ]
            if rng.random() < 0.5 and not any(SIDES.search(scenes.expressions[words]) for _, words in asked):
                pictures[i], maps[i] = pictures[i, :, ::-1], maps[i, :, ::-1]
                things = [replace(thing, box=thing.box[[2, 1, 0, 3]] * (-1, 1, -1, 1)) for thing in things]
            self.objects.append(things)
            for k, words in asked:
                fitting.append((i, fitting_ellipse(things[k].box, rng), words, things[k]))
            if asked:
                boxes = np.stack([thing.box for thing in things])
                ellipse, ground = misplaced_ellipse(things[asked[0][0]].box, boxes, rng)
                misplaced.append((i, ellipse, asked[0][1], int(scenes.places[row]) if ground else -1))
        self.pixels = _as_pixels(pictures[: count // 2])
        self.scene = torch.tensor([i for i, *_ in fitting] + [i for i, *_ in misplaced], dtype=torch.long)
        shapes = [shape for _, shape, *_ in (*fitting, *misplaced)]
        self.ellipses = torch.from_numpy(np.array(shapes, dtype=np.float32).reshape(-1, 5))
        self.fitting = len(fitting)
        self.expressions = torch.tensor([words for _, _, words, _ in (*fitting, *misplaced)])
        self.nouns = torch.tensor([thing.noun for *_, thing in fitting])
        captions = [thing.caption for *_, thing in fitting] + [caption for *_, caption in misplaced]
        self.captions = torch.tensor(captions)  # -1: an ellipse that is on no object, and not on background either
        sigma = float(rng.uniform(*SIGMAS))
        side = self.pixels.shape[-1]
        drawn_on = _as_pixels(pictures)[self.scene]
        self.prompted = draw(drawn_on, signed_field(self.ellipses, side, side), sigma=sigma)
        self.maps = torch.from_numpy(maps.astype(np.int64))[: len(self.pixels)]
        self.places = torch.from_numpy(scenes.places[rows])[: len(self.pixels)]
        third = rows[::3]
        self.crops = _as_pixels(scenes.crops[third])
        cropped = [
            scenes.objects[row][scenes.cropped[row]].caption if scenes.cropped[row] >= 0 else scenes.places[row]
            for row in third
        ]
        self.cropped = torch.tensor(np.array(cropped))


def _losses(model: Any, batch: Batch, texts: Texts) -> dict[str, Tensor]:
    """The losses of ellipses, background prompts, places, scenes and crops, by name."""
    pooled, tokens = _embed(model.visual, torch.cat([batch.prompted, batch.pixels, batch.crops]))
    scale = model.logit_scale.exp()
    prompted, whole, crops = pooled.split([len(batch.prompted), len(batch.pixels), len(batch.crops)])
    captions = texts.captions[batch.template]

    ellipses = _ellipse_loss(prompted, batch, texts, scale)
    background = _background_loss(prompted, batch, texts, scale)
    places = _place_loss(tokens[len(prompted) : len(prompted) + len(whole)], batch, texts, scale)
    chances = F.log_softmax(scale * whole @ captions.T, dim=1)
    captioned = [(i, [thing.caption for thing in things]) for i, things in enumerate(batch.objects[: len(whole)])]
    scenes = torch.stack([-chances[i, numbers].mean() for i, numbers in captioned if numbers]).mean()
    named = F.cross_entropy(scale * crops @ captions.T, batch.cropped)
    return {"ellipses": ellipses, "background": background, "places": places, "scenes": scenes, "crops": named}


def _ellipse_loss(prompted: Tensor, batch: Batch, texts: Texts, scale: Tensor) -> Tensor:
    """Contrast of prompted pictures (I, E) and expressions both ways, and with all captions."""
    count = batch.fitting
    words = texts.expressions[batch.expressions[:count]]  # (P, E)
    logits = scale * words @ prompted.T  # (P texts, I pictures)
    scene = batch.scene[:count]
    other = (batch.nouns[:, None] == batch.nouns) & (scene[:, None] != scene)  # may be true of the other's object
    to_texts = logits[:, :count].T.masked_fill(other, -1e4)
    to_pictures = torch.cat([logits[:, :count].masked_fill(other, -1e4), logits[:, count:]], dim=1)
    own = torch.arange(count)
    both = (F.cross_entropy(to_pictures, own) + F.cross_entropy(to_texts, own)) / 2
    named = batch.captions >= 0
    captions = texts.captions[batch.template]
    return both + F.cross_entropy(scale * prompted[named] @ captions.T, batch.captions[named])


def _background_loss(prompted: Tensor, batch: Batch, texts: Texts, scale: Tensor) -> Tensor:
    """Of each prompted picture (I, E): its expression or the background prompts, as in equation 4."""
    own = scale * (prompted * texts.expressions[batch.expressions]).sum(dim=1)
    margin = own - (scale * prompted @ texts.background.T).logsumexp(dim=1)
    fits = (torch.arange(len(prompted)) < batch.fitting).float()
    return F.binary_cross_entropy_with_logits(margin, fits)


def _place_loss(tokens: Tensor, batch: Batch, texts: Texts, scale: Tensor) -> Tensor:
    """Cross-entropy of each place's token (B, T, E) against captions or nouns; background counts for a third."""
    grid = math.isqrt(tokens.shape[1])
    cell = batch.maps.shape[1] // grid
    cells = batch.maps.view(-1, grid, cell, grid, cell).permute(0, 1, 3, 2, 4).reshape(len(batch.maps), grid**2, -1)
    main = cells.mode(dim=2).values  # (B, T): the object that most of the place shows
    sure = (cells == main[..., None]).float().mean(dim=2) >= 0.6
    numbers = torch.full((len(main), NOTHING + 1), -1)
    for i, things in enumerate(batch.objects[: len(main)]):
        named = [thing.noun if batch.by_noun else thing.caption for thing in things]
        numbers[i, : len(things)] = torch.tensor(named, dtype=torch.long)
    if not batch.by_noun:
        numbers[:, NOTHING] = batch.places
    wanted = numbers.gather(1, main).masked_fill(~sure, -1).flatten()
    ground = (main == NOTHING).flatten()
    names = (texts.nouns if batch.by_noun else texts.captions)[batch.template]
    loss = torch.zeros(())
    for rows, share in ((~ground, 1.0), (ground, 1 / 3)):
        picked = torch.nonzero((wanted >= 0) & rows).flatten()
        if len(picked):
            logits = scale * tokens.flatten(0, 1)[picked] @ names.T
            loss = loss + share * F.cross_entropy(logits, wanted[picked])
    return loss


def _embed(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Unit embeddings (B, E) of pictures (B, 3, S, S) in [0, 1], and of the places of their last maps (B, T, E)."""
    mean, std = (torch.tensor(PREPROCESS[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = visual.stem(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            maps = layer(maps)
        pooled, tokens = visual.attnpool(maps), pooled_places(visual.attnpool, maps)
    return F.normalize(pooled.float(), dim=-1), F.normalize(tokens.float(), dim=-1)


@torch.inference_mode()
def _held_out(visual: Any, scenes: PromptedScenes, texts: Texts) -> dict[str, float]:
    """Over held-out pictures, as shares.

    ``expression_among_objects``: the expression's ellipse scores best among those around each object.
    ``tight_best``: the fitting ellipse scores better for its expression than one half and one twice as large.
    ``place_in_box``, ``place_on_object``: the place of the last map most like "A photo of a NOUN" lies in
    the box, on the object.
    ``crops_named``: a crop's nearest caption is its own.
    """
    among, tight, in_box, on_object, named = [], [], [], [], []
    template = TEMPLATES.index("A photo of a {}")
    for row, things in enumerate(scenes.objects):
        pixels = _as_pixels(scenes.pictures[row : row + 1])
        side = pixels.shape[-1]
        if not things:
            continue
        around = np.stack([_around(thing.box, scale) for scale in (1.0, 0.5, 2.0) for thing in things])
        field = signed_field(torch.from_numpy(around), side, side)
        pooled, _ = _embed(visual, draw(pixels.expand(len(around), -1, -1, -1), field, sigma=0.08))
        scores = texts.expressions[[words for thing in things for words in thing.expressions]] @ pooled.T
        owners = torch.tensor([k for k, thing in enumerate(things) for _ in thing.expressions])
        count = len(things)
        among += (scores[:, :count].argmax(dim=1) == owners).tolist()
        own = torch.stack([scores[torch.arange(len(owners)), owners + count * k] for k in range(3)])
        tight += (own.argmax(dim=0) == 0).tolist()
        _, tokens = _embed(visual, pixels)
        grid = math.isqrt(tokens.shape[1])
        for k, thing in enumerate(things):
            if sum(other.noun == thing.noun for other in things) > 1:
                continue
            y, x = divmod(int((tokens[0] @ texts.nouns[template, thing.noun]).argmax()), grid)
            px, py = (x + 0.5) / grid * 2 - 1, (y + 0.5) / grid * 2 - 1
            in_box.append(bool(thing.box[0] <= px <= thing.box[2] and thing.box[1] <= py <= thing.box[3]))
            cell = scenes.maps.shape[1] // grid
            cells = scenes.maps[row, y * cell : (y + 1) * cell, x * cell : (x + 1) * cell]
            on_object.append(bool((cells == k).any()))
        if scenes.cropped[row] >= 0:
            crop, _ = _embed(visual, _as_pixels(scenes.crops[row : row + 1]))
            best = int((crop @ texts.captions[template].T).argmax())
            named.append(best == things[scenes.cropped[row]].caption)
    figures = {
        "expression_among_objects": among,
        "tight_best": tight,
        "place_in_box": in_box,
        "place_on_object": on_object,
        "crops_named": named,
    }
    return {name: round(float(np.mean(values)), 4) for name, values in figures.items()}


def _around(box: FloatArray, scale: float) -> FloatArray:
    """The ellipse (5,) inscribed in a box, times ``scale``."""
    return np.array([*((box[:2] + box[2:]) / 2), *((box[2:] - box[:2]) / 2 * scale), 0.0], dtype=np.float32)


def _as_pixels(pictures: Any) -> Tensor:
    """Pictures (B, S, S, 3) uint8 as (B, 3, S, S) in [0, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


def enlarged_config(folder: Path, side: int) -> dict[str, Any]:
    """The configuration of a ResNet tower's folder, for squashed pictures of ``side`` pixels."""
    whole: dict[str, Any] = json.loads((folder / "open_clip_config.json").read_text())
    whole["model_cfg"]["vision_cfg"]["image_size"] = side
    whole["preprocess_cfg"]["size"] = [side, side]
    return whole


def enlarged_weights(folder: Path, side: int) -> dict[str, Tensor]:
    """The weights of a ResNet tower's folder, the places of its attention pool spread over a larger map."""
    state: dict[str, Tensor] = load_file(folder / "open_clip_model.safetensors")
    places = state["visual.attnpool.positional_embedding"]
    old, new = math.isqrt(len(places) - 1), side // 32
    grid = F.interpolate(places[1:].T.reshape(1, -1, old, old), size=(new, new), mode="bicubic", align_corners=False)
    state["visual.attnpool.positional_embedding"] = torch.cat([places[:1], grid.flatten(2)[0].T])
    return state


if __name__ == "__main__":
    main()
