"""TAS's tables 4 and 3 on emoji scenes: what each part of its score and the rectifier are worth, and its weights.

    python -m benchmarks.second_look.tas_tables scenes/test/test.json --tower runs/clip --sam parts/sam
        --captioner parts/captioner --out tas

Every expression of the first pictures is asked in its own picture, as the paper does: which of SAM's masks is meant?
Masks, crops and captions are made once with ``sam-clip`` and kept in files that its weights name; scores come from the
stages ``tas`` and ``rectifier``. Each table is made twice: with the captions of the small captioner, and with true
captions written from the scene graph (of the object that a mask lies on, and of all objects of the picture), which no
captioner can beat: what the method could give at best. All rows answer the same queries; differences are paired,
intervals are 95% bootstraps over queries. Nothing is chosen here: α and λ are the paper's, the thresholds of the
proposals were chosen on validation scenes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.bridging.scene_objects import ScenePicture, read_scenes
from benchmarks.machine import print_machine
from benchmarks.second_look.train_captioner import PLACES, crop_caption, scene_caption
from benchmarks.second_look.train_sam import PROPOSALS
from reir.geometry.masks import decode_rle, resize_rle
from reir.metrics.segmentation import mask_counts, segmentation_figures
from reir.models.sam_clip import SamClip
from reir.models.sam_clip import load as load_sam_clip
from reir.models.sam_clip.captioner import Captioner
from reir.models.sam_clip.crops import blurred_crop
from reir.models.sam_clip.described import describe
from reir.models.sam_clip.scores import Layout
from reir.models.specification import ModelSpec
from reir.rerank import PictureLook, load_stage, run_stage
from reir.rerank.tas import Parts
from reir.types import FloatArray, Hit, Instances, Picture

SIDE = 384
"""Longer side in pixels at which pictures are decoded: that of the scenes the parts were trained on."""
ALPHAS, LAMBDAS = (0.0, 0.05, 0.1, 0.2, 0.4), (0.0, 0.3, 0.5, 0.7, 0.9)
ALPHA, LAMBDA = 0.1, 0.7
ON_OBJECT = 0.3
"""IoU with an object's mask from which a true caption names that object; below it names the place."""
PAPERS_RULE = "rectifier:mode=paper"
RESAMPLES = 2000
SECONDS = 1e6

ROWS: dict[str, tuple[float, float, str | None]] = {
    "V": (0.0, 0.0, None),
    "V + P": (ALPHA, 0.0, None),
    "V + P + N": (ALPHA, LAMBDA, None),
    "V + P + N + rectifier, the paper's rule": (ALPHA, LAMBDA, PAPERS_RULE),
    "V + P + N + rectifier, all places": (ALPHA, LAMBDA, "rectifier"),
    "V + rectifier, all places": (0.0, 0.0, "rectifier"),
}
"""Table 4's rows, and two that the paper has not: α, λ, and the rectifier that follows."""
DIFFERENCES = ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 4))
"""Which rows are compared: the second less the first."""


@dataclass(frozen=True, slots=True)
class Question:
    """An expression, its kind, and what the stages say of its picture's masks."""

    expression: str
    kind: str
    truth: dict[str, Any]
    hits: tuple[Hit, ...]
    look: PictureLook
    counts: tuple[tuple[int, int], ...]
    """Intersection and union with the truth, of each mask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--tower", required=True)
    parser.add_argument("--sam", required=True)
    parser.add_argument("--captioner", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=250)
    parser.add_argument("--masks-only", action="store_true", help="extract masks and crops and stop")
    arguments = parser.parse_args()
    print_machine(["torch", "transformers", "open_clip_torch"])
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = read_scenes(arguments.dataset)[0][: arguments.images]
    settings = {key: str(value) for key, value in PROPOSALS.items()}
    plain = load_sam_clip(ModelSpec("sam-clip", arguments.tower, {"sam": arguments.sam, **settings}))
    found = list(_extracted(plain, pictures, arguments.out / f"masks-{_mark(plain)}.jsonl"))
    if arguments.masks_only:
        return
    options = {"sam": arguments.sam, "captioner": arguments.captioner, "reader": "rules", **settings}
    model = load_sam_clip(ModelSpec("sam-clip", arguments.tower, options))
    truths = _truths(arguments.dataset, len(pictures))
    captions = {
        "captioner": _captions(arguments.captioner, pictures, found, arguments.out / f"captions-{_mark(model)}.jsonl"),
        "true captions": [_true_captions(*each) for each in zip(pictures, found, truths, strict=True)],
    }
    report: dict[str, Any] = {"pictures": len(pictures), "masks": sum(map(len, found)), "settings": settings}
    report["captioner_names_the_object"] = _agreement(captions["captioner"], captions["true captions"])
    for name, said in captions.items():
        began = time.perf_counter()
        questions = list(_questions(model, arguments.dataset, pictures, found, truths, said))
        parts = [_parts(question) for question in questions]
        table4 = {row: _answers(questions, parts, *weights) for row, weights in ROWS.items()}
        ceiling = [max(question.counts, key=lambda pair: pair[0] / max(pair[1], 1)) for question in questions]
        by_alpha = {f"{a:g}": _answers(questions, parts, a, LAMBDA, PAPERS_RULE) for a in ALPHAS}
        by_lambda = {f"{weight:g}": _answers(questions, parts, ALPHA, weight, PAPERS_RULE) for weight in LAMBDAS}
        report["queries"] = len(questions)
        report[name] = {
            "table4": {row: _figures(counts) for row, counts in table4.items()},
            "best_mask": _figures(ceiling),
            "differences": {
                f"{second} - {first}": _difference(table4[first], table4[second])
                for first, second in ((list(ROWS)[a], list(ROWS)[b]) for a, b in DIFFERENCES)
            },
            "by_kind": _by_kind(questions, table4),
            "alpha": {key: _figures(counts) for key, counts in by_alpha.items()},
            "lambda": {key: _figures(counts) for key, counts in by_lambda.items()},
            "left_out": sum(bool(part.left_out) for each in parts for part in each) / max(sum(map(len, parts)), 1),
        }
        print(f"{name}: {len(questions)} queries, {time.perf_counter() - began:.0f} s", flush=True)
    (arguments.out / "tas_tables.json").write_text(json.dumps(report, indent=1))
    text = _markdown(report)
    (arguments.out / "tas_tables.md").write_text(text)
    print(text)


def _mark(model: SamClip) -> str:
    """What stands in the name of a file with its answers, so that those of other weights are not taken for them."""
    return model.identity.fingerprint[:12]


def _read(picture: ScenePicture) -> Picture:
    with Image.open(picture.path) as file:
        image = file.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return Picture(np.asarray(image), picture.width, picture.height)


def _extracted(model: SamClip, pictures: Sequence[ScenePicture], path: Path) -> Iterator[Instances]:
    """Masks, boxes and crop embeddings of each picture; those that the file has are read from it."""
    known = path.read_text().splitlines() if path.is_file() else []
    with path.open("a") as file:
        for number, picture in enumerate(pictures):
            if number >= len(known):
                (made,) = model.extract([_read(picture)])
                line = json.dumps(
                    [made.boxes.tolist(), made.objectness.tolist(), made.vectors.tolist(), list(made.details or ())]
                )
                file.write(line + "\n")
                file.flush()
            else:
                line = known[number]
            boxes, objectness, vectors, details = json.loads(line)
            yield Instances(
                np.array(boxes, dtype=np.float32).reshape(-1, 4),
                np.array(objectness, dtype=np.float32),
                np.array(vectors, dtype=np.float32).reshape(len(boxes), -1),
                tuple(details),
            )


def _captions(
    captioner: str, pictures: Sequence[ScenePicture], found: Sequence[Instances], path: Path
) -> list[list[str]]:
    """The captioner's words: of the picture, then of each mask; those that the file has are read from it."""
    from reir.models.sam_clip.parts import CAPTIONER_TYPES, Network

    asked = Captioner(Network.find(captioner, CAPTIONER_TYPES, option="captioner"))
    known = path.read_text().splitlines() if path.is_file() else []
    with path.open("a") as file:
        for picture, instances in list(zip(pictures, found, strict=True))[len(known) :]:
            decoded = _read(picture)
            scale = decoded.pixels.shape[1] / picture.width, decoded.pixels.shape[0] / picture.height
            crops = [
                blurred_crop(decoded.pixels, decode_rle(detail["mask"]), np.round(box * np.array(scale * 2)))
                for detail, box in zip(instances.details or (), instances.boxes, strict=True)
            ]
            known.append(json.dumps(asked.caption([decoded.pixels, *crops])))
            file.write(known[-1] + "\n")
            file.flush()
    return [json.loads(line) for line in known[: len(pictures)]]


def _truths(dataset: Path, count: int) -> list[list[dict[str, Any]]]:
    """Each picture's objects' masks, in the order of ``read_scenes``."""
    content = json.loads(dataset.read_text())
    masks: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        masks[annotation["image_id"]].append(annotation["segmentation"])
    return list(masks.values())[:count]


def _true_captions(picture: ScenePicture, found: Instances, truths: Sequence[dict[str, Any]]) -> list[str]:
    """What a perfect captioner says: of the picture, then of each mask."""
    captions = [scene_caption(picture.objects, picture.place) if picture.objects else PLACES[picture.place]]
    for detail in found.details or ():
        overlaps = [_iou(*pair) for pair in _counts(detail["mask"], truths, picture)]
        best = int(np.argmax(overlaps)) if overlaps else -1
        named = best >= 0 and overlaps[best] >= ON_OBJECT
        captions.append(crop_caption(picture.objects[best]) if named else PLACES[picture.place].partition(" ")[2])
    return captions


def _counts(mask: dict[str, Any], truths: Sequence[dict[str, Any]], picture: ScenePicture) -> list[tuple[int, int]]:
    prediction = decode_rle(resize_rle(mask, picture.width, picture.height))
    return [mask_counts(prediction, decode_rle(truth)) for truth in truths]


def _iou(intersection: int, union: int) -> float:
    return intersection / max(union, 1)


def _questions(
    model: SamClip,
    dataset: Path,
    pictures: Sequence[ScenePicture],
    found: Sequence[Instances],
    truths: Sequence[Sequence[dict[str, Any]]],
    captions: Sequence[Sequence[str]],
) -> Iterator[Question]:
    """Every expression with its picture's masks, scored by the stage ``tas``."""
    tas = load_stage("tas", "rerank")
    kinds = _kinds(dataset)
    layout = Layout(model.parts.tower.dimension, captions=True)
    for picture, instances, masks, said in zip(pictures, found, truths, captions, strict=True):
        p, n, details = describe(said[0], said[1:], instances.vectors, tower=model.parts.tower, reader="rules")
        merged = tuple({**one, **more} for one, more in zip(instances.details or (), details, strict=True))
        stored = replace(instances, vectors=layout.instances(instances.vectors, p, n), details=merged)
        look = PictureLook(lambda _, picture=picture: _read(picture), stored, model)  # type: ignore[misc]
        hits = [_hit(row, stored, picture) for row in range(len(stored))]
        counts = [_counts(detail["mask"], masks, picture) for detail in merged]
        for number, (thing, truth) in enumerate(zip(picture.objects, masks, strict=True)):
            of_truth = tuple(each[number] for each in counts) or ((0, int(decode_rle(truth).sum())),)
            for expression in thing.expressions:
                scored = run_stage(tas, expression, hits, look, seconds=SECONDS).hits
                yield Question(
                    expression, kinds[picture.path.name, thing.box, expression], truth, scored, look, of_truth
                )


def _kinds(dataset: Path) -> dict[tuple[str, Any, str], str]:
    content = json.loads(dataset.read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    kinds = {}
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        said = zip(annotation.get("expressions", ()), annotation.get("expression_kinds", ()), strict=True)
        for expression, kind in said:
            kinds[names[annotation["image_id"]], (x, y, x + width, y + height), expression] = kind
    return kinds


def _hit(row: int, found: Instances, picture: ScenePicture) -> Hit:
    x0, y0, x1, y1 = found.boxes[row].tolist()
    return Hit(
        *(row + 1, 0.0, 1, picture.path.name, picture.width, picture.height),
        box=(x0, y0, x1, y1),
        objectness=float(found.objectness[row]),
        instance_id=row,
    )


def _parts(question: Question) -> list[Parts]:
    """V, P and N of each hit of a question, in the order of its hits, as the stage tells them."""
    notes = [hit.stages["tas"] for hit in question.hits]
    return [Parts(note["v"], note["p"], note["n"], tuple(note["left_out"])) for note in notes]


def _answers(
    questions: Sequence[Question], parts: Sequence[Sequence[Parts]], alpha: float, lambda_: float, rectified: str | None
) -> list[tuple[int, int]]:
    """Intersection and union of each question's best mask with the truth."""
    rectifier = load_stage(rectified, "rerank") if rectified else None
    answers = []
    for question, each in zip(questions, parts, strict=True):
        if not question.hits:
            answers.append(question.counts[0])
            continue
        scored = [replace(hit, score=p.total(alpha, lambda_)) for hit, p in zip(question.hits, each, strict=True)]
        ranked = sorted(scored, key=lambda hit: -hit.score)
        if rectifier is not None:
            # The rectifier asks the model which masks a phrase means: by the same parts of the score.
            question.look.blend = {"alpha": alpha, "lambda": lambda_}
            ranked = list(run_stage(rectifier, question.expression, ranked, question.look, seconds=SECONDS).hits)
        answers.append(question.counts[ranked[0].instance_id])
    return answers


def _figures(counts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    above, below = np.array(counts).T
    figures, intervals = segmentation_figures(above, below)
    return {name: {"value": figures[name], "interval": intervals[name]} for name in ("overall_iou", "mean_iou")}


def _difference(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Second less first in oIoU and mIoU, with intervals over the same resampled queries."""
    a, b = np.array(first, dtype=np.float64), np.array(second, dtype=np.float64)
    rows = np.random.default_rng(0).integers(len(a), size=(RESAMPLES, len(a)))

    def figures(counts: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        over = counts[:, 0] / np.maximum(counts[:, 1], 1)
        return counts[rows, 0].sum(1) / counts[rows, 1].sum(1), over[rows].mean(1)

    told = {}
    for name, one, two in zip(("overall_iou", "mean_iou"), figures(a), figures(b), strict=True):
        low, high = np.quantile(two - one, (0.025, 0.975))
        told[name] = {"value": float((two - one).mean()), "interval": [float(low), float(high)]}
    return told


def _by_kind(questions: Sequence[Question], table: dict[str, list[tuple[int, int]]]) -> dict[str, Any]:
    """MIoU of each kind of expression, by row."""
    kinds = np.array([question.kind for question in questions])
    overlaps: dict[str, FloatArray] = {
        row: np.array([_iou(*pair) for pair in counts], dtype=np.float32) for row, counts in table.items()
    }
    return {
        kind: {
            "queries": int((kinds == kind).sum()),
            **{row: float(values[kinds == kind].mean()) for row, values in overlaps.items()},
        }
        for kind in sorted(set(kinds.tolist()))
    }


def _agreement(said: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares of the masks on objects whose caption has the object's noun, and its colour."""
    nouns, colours = [], []
    for words, truth in zip(said, true, strict=True):
        for caption, right in zip(words[1:], truth[1:], strict=True):
            if right.startswith(("a ", "an ")) and len(right.split()) > 2:
                _, colour, noun = right.split(" ", 2)
                nouns.append(caption.endswith(f" {noun}"))
                colours.append(f" {colour} " in caption)
    return {"masks": len(nouns), "noun": float(np.mean(nouns)), "colour": float(np.mean(colours))}


def _markdown(report: dict[str, Any]) -> str:
    def cell(figure: dict[str, Any]) -> str:
        low, high = figure["interval"]
        return f"{100 * figure['value']:.1f} ({100 * low:.1f} to {100 * high:.1f})"

    kinds = [key for key in ("captioner", "true captions") if key in report]
    names = {"overall_iou": "oIoU", "mean_iou": "mIoU"}
    columns = [f"{title}, {kind}" for kind in kinds for title in names.values()]

    def head(first: str, titles: Sequence[str]) -> list[str]:
        return ["", f"| {' | '.join([first, *titles])} |", f"| {' | '.join(['---'] * (1 + len(titles)))} |"]

    def line(title: str, pick: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
        return f"| {' | '.join([title, *(cell(pick(report[kind])[name]) for kind in kinds for name in names)])} |"

    lines = [f"{report['queries']} queries, {report['pictures']} pictures, {report['masks']} masks"]
    lines += head("Table 4", columns)
    lines += [line(row, lambda part, row=row: part["table4"][row]) for row in ROWS]  # type: ignore[misc]
    lines += [line("best of SAM's masks", lambda part: part["best_mask"])]
    lines += head("difference", columns)
    compared = [f"{list(ROWS)[b]} - {list(ROWS)[a]}" for a, b in DIFFERENCES]
    lines += [line(row, lambda part, row=row: part["differences"][row]) for row in compared]  # type: ignore[misc]
    for weight, fixed, values in (("alpha", f"lambda {LAMBDA:g}", ALPHAS), ("lambda", f"alpha {ALPHA:g}", LAMBDAS)):
        lines += head(f"Table 3: {weight}, with {fixed} and the paper's rule", columns)
        lines += [
            line(f"{value:g}", lambda part, key=f"{value:g}", weight=weight: part[weight][key])  # type: ignore[misc]
            for value in values
        ]
    for kind in kinds:
        lines += head(f"mIoU by kind of expression, {kind}", list(ROWS))
        for asked, figures in report[kind]["by_kind"].items():
            told = [f"{100 * figures[row]:.1f}" for row in ROWS]
            lines.append("| " + " | ".join([f"{asked} ({figures['queries']})", *told]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
