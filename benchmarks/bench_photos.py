"""Pictures a second that one worker makes batches of, at full training size: decoding, changing, padding, labels.

The pictures are the shipped scenes, stored as JPEGs of COCO's usual 640 x 480; the shorter side is 800 throughout. The
peer is the same pictures decoded and resized by Pillow alone, in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from machine import print_machine
from PIL import Image

from reir.data import find_dataset
from reir.text import WordTokenizer
from reir.training.photos import PhotoBatches, PhotoConfig, PhotoSource

WIDTH, HEIGHT = 640, 480


def write_pictures(folder: Path, count: int) -> Path:
    """A data set of ``count`` scenes, each stretched to 640 x 480."""
    demo = find_dataset("demo")
    content = json.loads(demo.read_text())
    (folder / "images").mkdir()
    images = content["images"][:count]
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    for image in images:
        with Image.open(demo.parent / "images" / image["file_name"]) as picture:
            picture.convert("RGB").resize((WIDTH, HEIGHT)).save(folder / "images" / image["file_name"], quality=92)
        image |= {"width": WIDTH, "height": HEIGHT}
    annotations = [annotation for annotation in content["annotations"] if annotation["image_id"] in sizes]
    for annotation in annotations:
        width, height = sizes[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x * WIDTH / width, y * HEIGHT / height, w * WIDTH / width, h * HEIGHT / height]
        annotation.pop("segmentation", None)
    path = folder / "set.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": content["categories"]}))
    return path


def by_pillow(paths: list[Path]) -> float:
    """CPU seconds to decode and resize these pictures and nothing else."""
    begun = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            image.convert("RGB").resize((round(WIDTH * 800 / HEIGHT), 800), Image.Resampling.BILINEAR)
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print_machine(["reir", "pillow", "numpy", "torch"], seed=0)
    tokenizer = WordTokenizer.from_words(["a", "red", "dog"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write_pictures(folder, 64)
        paths = sorted((folder / "images").iterdir())
        for task in ("detection", "reir"):
            source = PhotoSource(file=str(file), task=task)
            config = PhotoConfig(sources=(source,), short_side=(800, 800))
            batches = PhotoBatches(config, tokenizer=tokenizer, seed=0, steps=1000)
            pictures = len(batches[0].pixels) * given.batches
            ours, bare = [], []
            for repeat in range(given.repeats):
                begun = time.process_time()
                for step in range(given.batches):
                    batches[repeat * given.batches + step]
                ours.append(pictures / (time.process_time() - begun))
                bare.append(len(paths) / by_pillow(paths))
            rate, peer = statistics.median(ours), statistics.median(bare)
            print(f"{task}: {rate:.1f} pictures a CPU second, Pillow alone {peer:.1f}, ratio {rate / peer:.2f}")


if __name__ == "__main__":
    main()
