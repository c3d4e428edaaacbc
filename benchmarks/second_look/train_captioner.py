"""Train a small captioner on emoji scenes: the captions of TAS's P-score and the noun phrases of its N-score.

    python -m benchmarks.second_look.train_captioner scenes/pretrain/train.json
        --validation scenes/validation/validation.json --out parts/captioner

Transformers' BLIP with small parts and words as tokens, from random numbers. It sees what ``sam-clip`` shows it: crops
of single objects, mostly with their background blurred ("a brown dog"), and whole pictures and windows of them ("a
brown dog, a red couch and two cats in a kitchen", from left to right). Two linear heads for noun and colour of a crop
help to train the picture side and are then thrown away. Writes a folder as ``sam-clip:...,captioner=FOLDER`` takes it,
goes on from its last checkpoint when it is started again, and measures what it names in held-out pictures.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.bridging.scene_objects import SceneObject, read_scenes
from benchmarks.machine import print_machine
from benchmarks.small_training import Progress, learning_rate, resume, save_checkpoint, set_learning_rate
from reir.data.scenes.nouns import nouns_by_name
from reir.data.scenes.scene import COLOURS
from reir.geometry.masks import decode_rle
from reir.models.sam_clip.captioner import Captioner
from reir.models.sam_clip.crops import blurred_crop
from reir.models.sam_clip.parts import CAPTIONER_TYPES, Network

SIDE, PATCH = 128, 16
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]")
NUMBERS = ("two", "three", "four", "five", "six", "seven")
PLACES = {
    **{"table": "on a table", "meadow": "in a meadow", "yard": "in a yard", "snow": "in the snow"},
    **{"beach": "on a beach", "street": "in a street", "bathroom": "in a bathroom", "kitchen": "in a kitchen"},
    "room": "in a room",
}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CROPS = 0.7
"""Share of a batch that shows one object."""
BLURRED = 0.8
"""Share of the crops with a blurred background; the others are plain boxes."""
LONGEST = 32
"""Tokens of a caption in training."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a training picture shows: its caption, and for a crop its noun and colour by number (else -1)."""

    caption: str
    noun: int = -1
    colour: int = -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=7000, help="pictures of the data set that are used")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=8e-4)
    parser.add_argument("--measured", type=int, default=100, help="pictures of the validation file that are measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--render-only", action="store_true", help="make the training pictures and stop")
    arguments = parser.parse_args()
    print_machine(["torch", "transformers"], seed=arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    work = arguments.out.parent / f"{arguments.out.name}-work"
    work.mkdir(exist_ok=True)
    pixels, shown = _rendered(arguments.dataset, arguments.images, work)
    crops = np.array([row for row, what in enumerate(shown) if what.noun >= 0])
    scenes = np.array([row for row, what in enumerate(shown) if what.noun < 0])
    print(f"pictures  {len(crops)} crops, {len(scenes)} scenes and windows", flush=True)
    if arguments.render_only:
        return

    torch.manual_seed(arguments.seed)
    words = _vocabulary()
    model = _build(len(words)).train()
    width = model.config.vision_config.hidden_size
    heads = torch.nn.ModuleList([torch.nn.Linear(width, len(nouns_by_name())), torch.nn.Linear(width, len(COLOURS))])
    print(
        f"model     {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(words)} words", flush=True
    )
    numbers = {word: number for number, word in enumerate(words)}
    both = torch.nn.ModuleList([model, heads])
    optim = torch.optim.AdamW(both.parameters(), lr=arguments.learning_rate, weight_decay=0.03, fused=True)
    checkpoint = work / "checkpoint.pt"
    parts = {"both": both, "optim": optim}
    first = resume(checkpoint, parts)
    progress = Progress(arguments.steps)
    for step in range(first, arguments.steps):
        # A function of the seed and the step, so that a run that goes on sees what the whole run would have seen.
        rng = np.random.default_rng([arguments.seed, step])
        of_crops = round(CROPS * arguments.batch)
        rows = np.concatenate([rng.choice(crops, of_crops), rng.choice(scenes, arguments.batch - of_crops)])
        images = np.stack([_mirrored_or_not(pixels[row], shown[row], rng) for row in rows])
        set_learning_rate(optim, learning_rate(arguments.learning_rate, step, arguments.steps, warmup=60))
        losses = _losses(model, heads, images, [shown[row] for row in rows], numbers)
        optim.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optim.step()
        done = step + 1
        progress.add(done, losses)
        if done % 250 == 0 or done == arguments.steps:
            save_checkpoint(checkpoint, parts, done)
            _save(model, words, arguments.out)
    _save(model, words, arguments.out)
    figures = _measured(arguments.out, arguments.validation, arguments.measured)
    (work / "figures.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures))


def scene_caption(things: Sequence[SceneObject], place: str) -> str:
    """All objects of a picture from left to right, those of one noun together, and the place."""
    ordered = sorted(things, key=lambda thing: thing.box[0] + thing.box[2])
    phrases = []
    for name in dict.fromkeys(thing.name for thing in ordered):
        same = [thing for thing in ordered if thing.name == name]
        colours = {thing.colour for thing in same}
        colour = [*colours] if len(colours) == 1 else []
        if len(same) == 1:
            phrases.append(_with_article(" ".join([*colour, name])))
        else:
            phrases.append(" ".join([NUMBERS[len(same) - 2], *colour, nouns_by_name()[name].plural]))
    listed = " and ".join([part for part in (", ".join(phrases[:-1]), phrases[-1]) if part])
    return f"{listed} {PLACES[place]}"


def crop_caption(thing: SceneObject) -> str:
    """One object: "a brown dog"."""
    return _with_article(f"{thing.colour} {thing.name}")


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _words(caption: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", caption)


def _vocabulary() -> list[str]:
    """The tokens: special ones, then every word that a caption can have."""
    names = [part for noun in nouns_by_name().values() for part in (noun.name, noun.plural)]
    told = {word for text in [*names, *PLACES.values(), *COLOURS, *NUMBERS, "a an , and"] for word in _words(text)}
    return [*SPECIAL, *sorted(told)]


def _rendered(dataset: Path, count: int, work: Path) -> tuple[npt.NDArray[np.uint8], list[Shown]]:
    """Squashed pictures (N, SIDE, SIDE, 3) and what they show: crops, whole scenes, and a window of each."""
    pixels_file, shown_file = work / "pixels.npy", work / "shown.json"
    if not shown_file.is_file():
        pictures, _ = read_scenes(dataset)
        masks = _masks_by_picture(dataset)
        pixels: list[npt.NDArray[np.uint8]] = []
        shown: list[Shown] = []
        names, colours = list(nouns_by_name()), list(COLOURS)
        for i, (picture, rles) in enumerate(zip(pictures[:count], masks[:count], strict=True)):
            rng = np.random.default_rng([2, i])
            with Image.open(picture.path) as file:
                whole = np.asarray(file.convert("RGB"))
            for thing, rle in zip(picture.objects, rles, strict=True):
                if thing.colour in colours:
                    crop = _crop(whole, decode_rle(rle), thing, rng)
                    pixels.append(_squashed(crop))
                    shown.append(Shown(crop_caption(thing), names.index(thing.name), colours.index(thing.colour)))
            for x0, y0, x1, y1 in ((0, 0, picture.width, picture.height), _window(picture.width, picture.height, rng)):
                inside = [thing for thing in picture.objects if _mostly_inside(thing, (x0, y0, x1, y1))]
                if inside:
                    pixels.append(_squashed(whole[y0:y1, x0:x1]))
                    shown.append(Shown(scene_caption(inside, picture.place)))
        np.save(pixels_file, np.stack(pixels))
        shown_file.write_text(json.dumps([[what.caption, what.noun, what.colour] for what in shown]))
    told = [Shown(*entry) for entry in json.loads(shown_file.read_text())]
    return np.load(pixels_file, mmap_mode="r"), told


def _masks_by_picture(dataset: Path) -> list[list[Any]]:
    """Run lengths of each picture's objects, in the order of ``read_scenes``."""
    content = json.loads(dataset.read_text())
    masks: dict[int, list[Any]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        masks[annotation["image_id"]].append(annotation["segmentation"])
    return list(masks.values())


def _crop(
    whole: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], thing: SceneObject, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The object's box, each side a little off, mostly with its background blurred."""
    height, width = mask.shape
    x0, y0, x1, y1 = thing.box
    dx, dy = 0.06 * (x1 - x0), 0.06 * (y1 - y0)
    sides = np.array([x0, y0, x1, y1]) + rng.uniform(-1, 1, 4) * (dx, dy, dx, dy)
    left, top = int(np.clip(sides[0], 0, width - 4)), int(np.clip(sides[1], 0, height - 4))
    right, bottom = max(int(min(sides[2] + 1, width)), left + 4), max(int(min(sides[3] + 1, height)), top + 4)
    if rng.random() < BLURRED:
        return blurred_crop(whole, mask, np.array([left, top, right, bottom], dtype=np.float32))
    return whole[top:bottom, left:right]


def _window(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A part of the picture, between a third and all of each side."""
    share = rng.uniform(0.35, 0.85)
    across, down = int(share * width), int(share * height)
    left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
    return left, top, left + across, top + down


def _mostly_inside(thing: SceneObject, window: tuple[int, int, int, int]) -> bool:
    x0, y0, x1, y1 = thing.box
    across, down = min(x1, window[2]) - max(x0, window[0]), min(y1, window[3]) - max(y0, window[1])
    return across > 0 and down > 0 and across * down > 0.6 * (x1 - x0) * (y1 - y0)


def _squashed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _mirrored_or_not(pixels: npt.NDArray[np.uint8], what: Shown, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A crop, mirrored half the time; a scene as it is, for its caption runs from left to right."""
    mirrored = what.noun >= 0 and rng.random() < 0.5
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else np.array(pixels)


def _build(words: int) -> Any:
    from transformers import BlipConfig, BlipForConditionalGeneration

    sizes = {"num_attention_heads": 4, "num_hidden_layers": 4}
    config = BlipConfig(
        text_config={
            **{"hidden_size": 128, "intermediate_size": 384, "num_attention_heads": 4, "num_hidden_layers": 3},
            **{"vocab_size": words, "encoder_hidden_size": 192, "max_position_embeddings": 64},
            **{"bos_token_id": SPECIAL.index("[DEC]"), "sep_token_id": SPECIAL.index("[SEP]")},
            **{"eos_token_id": SPECIAL.index("[SEP]"), "pad_token_id": SPECIAL.index("[PAD]")},
            **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
        },
        vision_config={
            **{"hidden_size": 192, "intermediate_size": 576, "image_size": SIDE, "patch_size": PATCH},
            **{"initializer_range": 0.02, **sizes},
        },
        projection_dim=128,
    )
    return BlipForConditionalGeneration(config)


def _losses(
    model: Any,
    heads: torch.nn.ModuleList,
    images: npt.NDArray[np.uint8],
    shown: Sequence[Shown],
    numbers: dict[str, int],
) -> dict[str, Tensor]:
    """The captions' cross-entropy, a word, and those of the crops' nouns and colours."""
    start, end, nothing = numbers["[DEC]"], numbers["[SEP]"], numbers["[PAD]"]
    told = [[start, *(numbers[word] for word in _words(what.caption)), end][:LONGEST] for what in shown]
    longest = max(map(len, told))
    ids = torch.tensor([row + [nothing] * (longest - len(row)) for row in told])
    there = (ids != nothing).long()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = model.vision_model(pixel_values=(pixels - mean) / std).last_hidden_state
        words = model.text_decoder(
            input_ids=ids, attention_mask=there, encoder_hidden_states=seen, return_dict=True
        ).logits
        pooled = seen[:, 1:].mean(1)
        nouns, colours = (head(pooled).float() for head in heads)
    wanted = ids[:, 1:].masked_fill(there[:, 1:] == 0, -100)
    return {
        "words": F.cross_entropy(words[:, :-1].float().flatten(0, 1), wanted.flatten(), ignore_index=-100),
        "noun": 0.5 * F.cross_entropy(nouns, torch.tensor([what.noun for what in shown]), ignore_index=-1),
        "colour": 0.2 * F.cross_entropy(colours, torch.tensor([what.colour for what in shown]), ignore_index=-1),
    }


def _save(model: Any, words: Sequence[str], folder: Path) -> None:
    """Network and processor as the library has them; one token a word, commas written close to it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import BlipImageProcessor, BlipProcessor, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
        **{"bos_token": "[DEC]", "eos_token": "[SEP]"},
    )
    model.save_pretrained(folder)
    images = BlipImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=list(MEAN), image_std=list(STD))
    BlipProcessor(images, wrapped).save_pretrained(folder)


def _measured(folder: Path, validation: Path, count: int) -> dict[str, float]:
    """Shares of held-out crops whose caption has their noun (and colour), and of nouns that scene captions name."""
    captioner = Captioner(Network.find(str(folder), CAPTIONER_TYPES, option="captioner"))
    pictures, _ = read_scenes(validation)
    nouns, both, named, right = [], [], [], []
    started, captions = time.perf_counter(), 0
    for picture, rles in zip(pictures[:count], _masks_by_picture(validation), strict=False):
        with Image.open(picture.path) as file:
            whole = np.asarray(file.convert("RGB"))
        crops = []
        for thing, rle in zip(picture.objects, rles, strict=True):
            box = np.array([*np.floor(thing.box[:2]), *np.ceil(thing.box[2:])], dtype=np.float32)
            crops.append(blurred_crop(whole, decode_rle(rle), box))
        of_picture, *of_crops = captioner.caption([whole, *crops])
        captions += 1 + len(crops)
        for thing, caption in zip(picture.objects, of_crops, strict=True):
            nouns.append(caption.endswith(f" {thing.name}"))
            both.append(caption == crop_caption(thing))
        said = of_picture.replace(",", " ,")
        there = {form for thing in picture.objects for form in _forms(thing.name)}
        named += [any(_says(said, form) for form in _forms(thing.name)) for thing in picture.objects]
        right += [form in there for name in nouns_by_name() for form in _forms(name) if _says(said, form)]
    return {
        "pictures": count,
        "crops": len(nouns),
        "crop_noun": round(float(np.mean(nouns)), 4),
        "crop_noun_and_colour": round(float(np.mean(both)), 4),
        "objects_named_in_scene_captions": round(float(np.mean(named)), 4),
        "nouns_of_scene_captions_that_are_there": round(float(np.mean(right)), 4),
        "seconds_a_caption": round((time.perf_counter() - started) / captions, 4),
    }


def _forms(name: str) -> tuple[str, str]:
    return name, nouns_by_name()[name].plural


def _says(caption: str, form: str) -> bool:
    return f" {form} " in f" {caption} "


if __name__ == "__main__":
    main()
