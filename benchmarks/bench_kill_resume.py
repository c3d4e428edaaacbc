"""Index runs that are killed at random moments and resumed, compared with a run that nobody disturbed.

Equal means: the same pictures, each with the same boxes (to a hundredth of a pixel) and vectors (within 1e-3), whatever
batches they went through the model in, and the same answers to the same queries, up to near-ties in score.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import print_machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from reir.indexer import IndexOptions, ProgressState, open_or_create, run_index
from reir.models import load_model
from reir.protocols import Model
from reir.store import Index
from reir.types import Array
from tests.grid_colour_model import GridColourModel
from tests.indexer.galleries import fill

NEAR = 1e-3


def make_model(name: str) -> Model:
    """The model of a name; the test suite's small one has none that is registered."""
    return GridColourModel() if name == "grid-colour" else load_model(name)


def index_once(root: Path, db: Path, model: Model, commit_pictures: int) -> None:
    """What the child process does: it tells on standard output how many pictures it is through with."""

    def tell(state: ProgressState) -> None:
        print(state.done if state.phase == "indexing" else 0, flush=True)

    index = open_or_create(root, model, db=db)
    options = IndexOptions(commit_pictures=commit_pictures, workers=2, batch=8)
    run_index(index, model, options, progress=tell)


def instances(db: Path) -> dict[str, Array]:
    """Path -> (N, 4 + D) boxes and vectors of its instances, in a fixed order."""
    with Index.open(db).snapshot() as snapshot:
        paths = {row.source_image_id: row.path for row in snapshot.all_images("indexed")}
        rows: dict[str, list[Array]] = {path: [] for path in paths.values()}
        for block in snapshot.blocks():
            for source, box, vector in zip(block.image_ids, block.boxes, block.vectors, strict=True):
                rows[paths[int(source)]].append(np.concatenate([box, vector]))
    return {path: np.stack(found) if found else np.zeros((0, 0)) for path, found in rows.items()}


def same_instances(ours: Array, theirs: Array) -> bool:
    """Whether each instance of one set has its equal in the other."""
    if len(ours) != len(theirs):
        return False
    if not len(ours):
        return True
    boxes = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(-1) <= 1e-2
    vectors = np.abs(ours[:, None, 4:] - theirs[None, :, 4:]).max(-1) <= NEAR
    equal = boxes & vectors
    return bool(equal.any(0).all() and equal.any(1).all())


def answers(db: Path, model: Model, expressions: list[str], k: int = 20) -> list[list[tuple[float, str]]]:
    """Scores and paths of the best instances for each expression."""
    with Index.open(db).snapshot() as snapshot:
        scores, ids = snapshot.search(model.encode(expressions), k)
        found = []
        for row, numbers in zip(scores, ids, strict=True):
            hits = snapshot.instances(numbers[numbers >= 0])
            images = snapshot.resolve(hits.image_ids.tolist())
            found.append([(float(s), images[int(i)].path) for s, i in zip(row, hits.image_ids, strict=False)])
    return found


def same_answers(ours: list[list[tuple[float, str]]], theirs: list[list[tuple[float, str]]]) -> bool:
    """Whether every place has the same score, and the same picture unless its neighbours score alike."""
    for mine, other in zip(ours, theirs, strict=True):
        if len(mine) != len(other):
            return False
        for (score, path), (expected, _) in zip(mine, other, strict=True):
            near = {p for s, p in other if abs(s - score) <= NEAR}
            if abs(score - expected) > NEAR or (path not in near and score > other[-1][0] + NEAR):
                return False
    return True


def main() -> None:
    """Measure and print, or be the child."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="grid-colour", help="a model's name; grid-colour is the test suite's")
    options.add_argument("--gallery", type=Path, help="folder of pictures; by default generated ones")
    options.add_argument("--pictures", type=int, default=400, help="how many are generated")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--commit-pictures", type=int, default=16)
    options.add_argument("--query", action="append", help="default: a few colours")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options.add_argument("--child", nargs=2, type=Path, metavar=("ROOT", "DB"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        index_once(given.child[0], given.child[1], make_model(given.model), given.commit_pictures)
        return
    print_machine(["reir", "sqlalchemy", "pyarrow", "numpy"], seed=given.seed)

    model, rng = make_model(given.model), random.Random(given.seed)
    queries = given.query or ["red", "blue", "green", "yellow", "white"]
    equal = 0
    kept = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = given.gallery or folder / "photos"
        if not given.gallery:
            fill(root, given.pictures)

        def child(db: Path) -> list[str]:
            facts = ["--model", given.model, "--commit-pictures", str(given.commit_pictures)]
            return [sys.executable, __file__, *facts, "--child", str(root), str(db)]

        begun = time.perf_counter()
        subprocess.run(child(folder / "undisturbed"), check=True, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - begun
        expected = instances(folder / "undisturbed")
        expected_answers = answers(folder / "undisturbed", model, queries)
        print(f"undisturbed: {len(expected)} pictures in {whole:.1f} s")
        for number in range(given.kills):
            db = folder / f"killed{number}"
            # Anywhere between the first picture and the last; the seconds make it anywhere within the work on one.
            target = rng.randrange(len(expected))
            with subprocess.Popen(child(db), stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                next((line for line in process.stdout if int(line) >= target), None)
                time.sleep(rng.uniform(0.0, 0.2))
                process.kill()
            there = len(instances(db)) if (db / "index.json").exists() else 0
            subprocess.run(child(db), check=True, stdout=subprocess.DEVNULL)
            found = instances(db)
            good = (
                found.keys() == expected.keys()
                and all(same_instances(found[path], expected[path]) for path in expected)
                and same_answers(answers(db, model, queries), expected_answers)
                and not [finding for finding in Index.open(db).check() if finding.severity == "error"]
            )
            equal += good
            kept.append(there)
            outcome = "equal" if good else "DIFFERENT"
            print(f"killed after picture {target:4d}, {there:4d} kept; resumed: {outcome}")
            shutil.rmtree(db)
    print(f"{equal} of {given.kills} resumed runs equal the undisturbed one")
    if given.json:
        print(json.dumps({"kills": given.kills, "equal": equal, "kept": kept, "pictures": len(expected)}))
    raise SystemExit(0 if equal == given.kills else 1)


if __name__ == "__main__":
    main()
