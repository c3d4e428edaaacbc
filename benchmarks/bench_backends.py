"""Images and instances a second of each pretrained backend, and what share of it its networks take.

Networks are of full size with random weights (``random_backends.py``). ``extract`` gets decoded pictures in batches;
``networks`` is the share of its time that passes inside the networks' own forward passes, in the same run. The rest is
our preparation of pixels, choice of boxes and bookkeeping. Medians over rounds. ``encode`` is one expression alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import print_machine
from PIL import Image
from random_backends import BACKENDS, random_backend

from reir.data.registry import find_dataset
from reir.imaging import SUFFIXES, decode_picture
from reir.models import load_model
from reir.protocols import Model
from reir.types import Picture


def pictures_of(folder: Path, count: int, side: int, decode_side: int) -> list[Picture]:
    """So many pictures of the folder, enlarged to ``side``, decoded as indexing would."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:count]
    pictures = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            with Image.open(path) as image:
                picture = image.convert("RGB")
                scale = side / max(picture.size)
                picture.resize((round(picture.width * scale), round(picture.height * scale))).save(f"{scratch}/p.jpg")
            pictures.append(decode_picture(Path(scratch) / "p.jpg", decode_side).picture)
    return pictures


class NetworkClock:
    """Seconds spent inside networks: in calls of modules that no other module's call surrounds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._begun = 0.0

    def __enter__(self) -> NetworkClock:
        self._before = register_module_forward_pre_hook(self._enter)
        self._after = register_module_forward_hook(self._leave, always_call=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._before.remove()
        self._after.remove()

    def _enter(self, *_: object) -> None:
        if self._depth == 0:
            synchronize()
            self._begun = time.perf_counter()
        self._depth += 1

    def _leave(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            synchronize()
            self.seconds += time.perf_counter() - self._begun


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def extract_seconds(model: Model, pictures: list[Picture], batch: int) -> tuple[float, int, float]:
    """Seconds of ``extract`` over all pictures, the instances found, and the networks' part of the seconds."""
    begun, found = time.perf_counter(), 0
    with NetworkClock() as clock:
        for start in range(0, len(pictures), batch):
            found += sum(len(instances) for instances in model.extract(pictures[start : start + batch]))
        synchronize()
    return time.perf_counter() - begun, found, clock.seconds


def measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Images and instances a second of a backend."""
    given = "".join(f",{option}" for option in options.option)
    model = load_model(random_backend(name, options.cache) + given, device=options.device)
    pictures = pictures_of(options.images, options.count, options.side, model.decode_side)
    model.extract(pictures[:1])
    rounds = [extract_seconds(model, pictures, options.batch) for _ in range(options.rounds)]
    seconds = statistics.median(taken for taken, _, _ in rounds)
    texts = [f"thing number {number}" for number in range(16)]
    model.encode(texts)
    begun = time.perf_counter()
    for text in texts:
        model.encode([text])
    encode = (time.perf_counter() - begun) / len(texts)
    return {
        "images_per_second": len(pictures) / seconds,
        "instances_per_second": rounds[0][1] / seconds,
        "instances_per_image": rounds[0][1] / len(pictures),
        "spread": (max(taken for taken, _, _ in rounds) - min(taken for taken, _, _ in rounds)) / seconds,
        "networks": statistics.median(inside / taken for taken, _, inside in rounds),
        "encode_ms": 1000 * encode,
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=Path, default=find_dataset("demo").parent, help="folder of pictures")
    options.add_argument("--count", type=int, default=8)
    options.add_argument("--side", type=int, default=1600, help="longer side of the files")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--device", default="auto")
    options.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "reir-random-backends")
    options.add_argument("--only", action="append", choices=sorted(BACKENDS))
    options.add_argument("--option", action="append", default=[], help="of the models' names: precision=bfloat16")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    print_machine(["torch", "torchvision", "transformers", "open_clip_torch"], seed=0)
    results = {}
    print("backend                          images/s  instances/s  an image  spread  networks    encode")
    for name in chosen.only or BACKENDS:
        found = results[name] = measure(name, chosen)
        columns = [
            f"{name:<32} {found['images_per_second']:>8.2f}",
            f"{found['instances_per_second']:>11.1f}",
            f"{found['instances_per_image']:>8.1f}",
            f"{100 * found['spread']:>5.0f}%",
            f"{100 * found['networks']:>7.0f}%",
            f"{found['encode_ms']:>5.0f} ms",
        ]
        print("  ".join(columns))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
