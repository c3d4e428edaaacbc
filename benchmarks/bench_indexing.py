"""Images a second of the whole pipeline beside those of the bare model on the same pictures, decoded beforehand.

The bare model gets the same pictures in the same batches; the pipeline also walks, hashes, decodes, keeps the rows and
commits. On a machine without a GPU decoding and the model share the cores, so the processor time that decoding takes
bounds the ratio; it is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from machine import print_machine
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from reir.data.registry import find_dataset
from reir.imaging import SUFFIXES, decode_picture
from reir.indexer import IndexOptions, open_or_create, run_index
from reir.models import load_model
from reir.protocols import Model
from reir.types import Picture
from tests.grid_colour_model import GridColourModel


def write_gallery(source: Path, root: Path, count: int, side: int | None) -> list[Path]:
    """``count`` different files with the pictures of ``source``, in turn, as JPEG; enlarged to ``side`` if given."""
    originals = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not originals:
        raise SystemExit(f"no pictures in {source}")
    encoded: list[bytes] = []
    for path in originals[:count]:
        with Image.open(path) as image:
            picture = image.convert("RGB")
            if side is not None:
                scale = side / max(picture.size)
                picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            target = root.with_suffix(".jpg")
            picture.save(target, quality=90)
        encoded.append(target.read_bytes())
    root.mkdir()
    paths = []
    for number in range(count):
        path = root / f"{number:06d}.jpg"
        # Bytes behind the end mark: another file with the same pixels.
        path.write_bytes(encoded[number % len(encoded)] + number.to_bytes(4, "little"))
        paths.append(path)
    return paths


def decode_all(paths: list[Path], side: int) -> tuple[list[Picture], float]:
    """The pictures, and the processor seconds that decoding one takes."""
    begun = time.process_time()
    pictures = [decode_picture(path, side).picture for path in paths]
    return pictures, (time.process_time() - begun) / len(paths)


def bare_seconds(model: Model, pictures: list[Picture], batch: int) -> float:
    """Seconds of ``extract`` alone."""
    begun = time.perf_counter()
    for start in range(0, len(pictures), batch):
        model.extract(pictures[start : start + batch])
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="auto", help="a model's name, or grid-colour: nearly nothing but pipeline")
    options.add_argument("--device", default="auto")
    options.add_argument("--gallery", type=Path, help="folder of pictures; by default the gallery that ships with reir")
    options.add_argument("--pictures", type=int, default=1000)
    options.add_argument("--side", type=int, help="longer side of the files; by default as they are")
    options.add_argument("--batch", type=int, default=IndexOptions().batch)
    options.add_argument("--workers", type=int)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--json", action="store_true", help="print one JSON object at the end")
    given = options.parse_args()
    print_machine(["reir", "torch", "pillow", "numpy"])

    model: Model = GridColourModel() if given.model == "grid-colour" else load_model(given.model, device=given.device)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        source = given.gallery or find_dataset("demo").parent
        root = Path(folder) / "photos"
        paths = write_gallery(source, root, given.pictures, given.side)
        pictures, decode_cost = decode_all(paths, model.decode_side)
        bare_seconds(model, pictures[: 2 * given.batch], given.batch)  # Loads the weights, warms up.
        bare, pipeline = [], []
        for repeat in range(given.repeats):
            bare.append(len(paths) / bare_seconds(model, pictures, given.batch))
            index = open_or_create(root, model, db=Path(folder) / f"index{repeat}")
            report = run_index(index, model, IndexOptions(batch=given.batch, workers=given.workers))
            assert report.new == len(paths), report
            pipeline.append(report.images_per_second)
            print(f"bare model {bare[-1]:8.1f} images/s   pipeline {pipeline[-1]:8.1f} images/s")
    ratios = [ours / theirs for ours, theirs in zip(pipeline, bare, strict=True)]
    ratio = statistics.median(ratios)
    bound = 1 / (1 + decode_cost * statistics.median(bare) / cores)
    print(
        f"{model.identity.name}, {len(paths)} pictures: pipeline / bare model {ratio:.2f} (median of {given.repeats})"
    )
    print(
        f"decoding takes {decode_cost * 1e3:.2f} ms of processor time a picture: "
        f"if the model keeps all {cores} cores busy, the ratio cannot pass {bound:.2f}"
    )
    if given.json:
        figures = {"bare": statistics.median(bare), "pipeline": statistics.median(pipeline), "ratio": ratio}
        print(json.dumps({"model": model.identity.name, "pictures": len(paths), "bound": bound, **figures}))


if __name__ == "__main__":
    main()
