"""Chances of hits, and "nothing fits", on the test split of emoji scenes at several sizes of the gallery.

Every expression is asked once at each size, through the search itself: half of them, by lot, in a gallery from which
their picture was left out. By the scene graphs it is checked that they fit nothing there, and that the others fit
their own object alone. The peer is a flat cut-off on the best score, given the benefit of being chosen on these very
queries to make as many claims over all sizes.

    .venv/bin/python benchmarks/bench_no_match.py [scenes/test.json]

The data set is one that ``reir data synth`` wrote; without it, 1,000 pictures are rendered first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import print_machine

from reir.data import Dataset, Query, load_dataset
from reir.data.expressions import SceneFacts
from reir.data.expressions.facts import label_pairs
from reir.data.synth import build_split, synthesise
from reir.geometry import iou_matrix
from reir.indexer import open_or_create, run_index
from reir.metrics import Reliability, no_match_figures, reliability
from reir.models import load_model
from reir.search import Encoder, Searcher
from reir.store import ImageFilter, Snapshot

HITS = 10
UNKNOWN = ("zebra xylophone", "a wooden table", "my grandmother", "invoice from last year", "a zebra left of the dog")


@dataclass(frozen=True)
class Answers:
    """What Q queries were answered at one size: chances and truths (Q, HITS), best scores, claims, facts."""

    chances: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    best: npt.NDArray[np.float64]
    said: npt.NDArray[np.bool_]
    unanswerable: npt.NDArray[np.bool_]


def where_each_fits(dataset: Dataset, split: str) -> list[set[int]]:
    """For each expression of the data set, the scenes in which it is true, or undefined, of anything."""
    scenes, selection = build_split(split, len(dataset.images))
    names = [image.file_name for image in dataset.images]
    made = {(item.expression.text, names[item.scene]): item for item in selection.unique}
    programs = [made[query.text, query.file_name].expression.program for query in dataset.queries]
    fits: list[set[int]] = [set() for _ in programs]
    for program, scene, _ in label_pairs(programs, [SceneFacts(scene) for scene in scenes]):
        fits[program].add(scene)
    for query, found in zip(dataset.queries, fits, strict=True):
        assert found == {names.index(query.file_name)}, f"{query.text!r} fits elsewhere too"
    return fits


def right_hits(query: Query, paths: Sequence[str], boxes: Sequence[tuple[float, ...]]) -> list[bool]:
    overlaps = iou_matrix(np.array(boxes), np.array([query.box]))[:, 0]
    return [path == query.file_name and bool(iou > 0.5) for path, iou in zip(paths, overlaps, strict=True)]


def ask(searcher: Searcher, dataset: Dataset, fits: Sequence[set[int]], size: int, rng: np.random.Generator) -> Answers:
    ids = {row.path: row.image_id for row in searcher.snapshot.all_images("indexed")}
    image_ids = np.array([ids[image.file_name] for image in dataset.images])
    queries = dataset.queries
    unanswerable = rng.permutation(np.arange(len(queries)) % 2 == 0)
    chances, right = np.zeros((len(queries), HITS)), np.zeros((len(queries), HITS), dtype=bool)
    best, said = np.zeros(len(queries)), np.zeros(len(queries), dtype=bool)
    for q, query in enumerate(queries):
        (own,) = fits[q]
        others = rng.permutation(np.delete(np.arange(len(image_ids)), own))
        gallery = others[:size] if unanswerable[q] else np.append(others[: size - 1], own)
        assert fits[q] & set(gallery.tolist()) == (set() if unanswerable[q] else {own})
        where = ImageFilter(image_ids=image_ids[gallery].tolist())
        found = searcher.search(query.text, flat=True, top=HITS, where=where)
        assert found.no_match is not None
        said[q], best[q] = found.no_match, found.hits[0].score
        chances[q, : len(found.hits)] = [hit.probability for hit in found.hits]
        right[q, : len(found.hits)] = right_hits(
            query, [hit.path for hit in found.hits], [hit.box for hit in found.hits]
        )
    assert not right[unanswerable].any()
    return Answers(chances, right, best, said, unanswerable)


def flat_cutoff(answers: Sequence[Answers]) -> float:
    """The best score below which, over all sizes, as many queries fall as were said to have no answer."""
    best = np.sort(np.concatenate([each.best for each in answers]))
    return float(best[sum(int(each.said.sum()) for each in answers)])


def share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "never said"
    return f"{100 * value:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def print_reliability(title: str, found: Reliability) -> None:
    print(f"\n{title}: ECE {share(found.ece, found.interval)}, {found.queries:,} queries")
    print("chance        hits    mean chance   right")
    for part in found.bins:
        print(
            f"{part.low:.1f} to {part.high:.1f}  {part.hits:>7,}  {100 * part.mean_probability:>12.1f}  "
            f"{100 * part.share_right:>6.1f}"
        )


def no_match(sizes: Sequence[int], answers: Sequence[Answers], said: Sequence[npt.NDArray[np.bool_]]) -> dict[str, Any]:
    """The figures of each size, and of all together, printed."""
    rows = [f"{size:,}" for size in sizes]
    found = [no_match_figures(claims, each.unanswerable) for claims, each in zip(said, answers, strict=True)]
    if len(answers) > 1:
        together = np.concatenate([each.unanswerable for each in answers])
        rows.append("all")
        found.append(no_match_figures(np.concatenate(said), together))
    for row, figures in zip(rows, found, strict=True):
        print(
            f"{row:>8}  {figures.queries:>7,}  {share(figures.precision, figures.precision_interval):<22}  "
            f"{share(figures.recall, figures.recall_interval)}"
        )
    return {row.replace(",", ""): figures.to_json() for row, figures in zip(rows, found, strict=True)}


def report(snapshot: Snapshot, dataset: Dataset, sizes: Sequence[int], answers: Sequence[Answers]) -> dict[str, Any]:
    print(f"\nNothing fits ({snapshot.instance_count:,} instances in {len(dataset.images):,} pictures)")
    print("pictures  queries  precision               recall")
    ours = no_match(sizes, answers, [each.said for each in answers])
    cutoff = flat_cutoff(answers)
    print(f"a flat cut-off on the best score, at {cutoff:.3f}, for as many claims")
    flat = no_match(sizes, answers, [each.best < cutoff for each in answers])
    first = {
        str(size): reliability(each.chances[:, 0], each.right[:, 0]) for size, each in zip(sizes, answers, strict=True)
    }
    for size, found in first.items():
        print_reliability(f"First hit, {int(size):,} pictures", found)
    page = {str(size): reliability(each.chances, each.right) for size, each in zip(sizes, answers, strict=True)}
    print(f"\nFirst {HITS} hits")
    for size, found in page.items():
        print(f"{int(size):>8,} pictures: ECE {share(found.ece, found.interval)}")
    return {
        "no_match": ours,
        "flat_cutoff": flat,
        "first_hit": {size: found.to_json() for size, found in first.items()},
        f"first_{HITS}_hits": {size: found.to_json() for size, found in page.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?", help="SPLIT.json of reir data synth, images beside it")
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, default=1000, help="pictures to render where no data set is given")
    parser.add_argument("--model", default="clare-tiny")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    arguments = parser.parse_args()
    print_machine(["numpy", "onnxruntime", "torch"], seed=arguments.seed)
    model = load_model(arguments.model)
    if model.calibration is None:
        parser.error(f"{arguments.model} is not calibrated: reir models calibrate")
    print(f"model     {model.identity.name} {model.identity.fingerprint[:12]}")
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.dataset or synthesise(Path(folder), arguments.split, arguments.images).path
        dataset = load_dataset(path)
        fits = where_each_fits(dataset, arguments.split)
        index = open_or_create(dataset.images_root, model, db=Path(folder) / "db")
        run_index(index, model)
        with index.snapshot() as snapshot:
            searcher = Searcher(snapshot, Encoder(model, remembered=len(dataset.queries)))
            answers = [ask(searcher, dataset, fits, size, rng) for size in arguments.sizes]
            figures = report(snapshot, dataset, arguments.sizes, answers)
            print("\nWords that the model does not know")
            for text in UNKNOWN:
                found = searcher.search(text)
                print(f"no match {found.no_match!s:<5}  first hit {found.hits[0].probability:.2f}  {text}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
