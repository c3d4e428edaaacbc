"""Searches a second of the service under load, beside a bare loop of text branch and FAISS in one process.

``wrk`` sends different expressions over 1, 8 and 32 connections to ``reir serve``. The ceiling takes as many
expressions at once as there are connections, encodes them in one batch with the same ONNX text branch, and searches
the same float16 vectors in FAISS: no HTTP, no JSON, no pictures, no grouping. Both may use all cores; wrk runs beside
the service, on the same cores. All expressions of a run are different, so that the service remembers none of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from machine import print_machine
from platformdirs import user_cache_path
from service import RunningService

from reir import Client, Gallery
from reir.data.registry import find_dataset
from reir.models import load_model
from reir.protocols import Model
from reir.store import FileFacts, Index
from reir.types import Instances

MODEL = "clare-tiny"
PER_PICTURE = 30
TOP = 10
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
NOUNS = ("dog", "cat", "horse", "couch", "apple", "ball", "book", "cup", "car", "tree", "owl", "hat", "key", "chair")
RELATIONS = ("left of", "right of", "above", "below", "near")


def expressions() -> list[str]:
    """All different, in an order that is always the same."""
    every = itertools.product(COLOURS, NOUNS, RELATIONS, COLOURS, NOUNS)
    texts = [f"{colour} {noun} {relation} the {other} {anchor}" for colour, noun, relation, other, anchor in every]
    random.Random(0).shuffle(texts)
    return texts


def demo_index(cache: Path) -> Path:
    """The index of the gallery that ships with reir."""
    db = cache / f"demo-{load_model(MODEL).identity.fingerprint[:8]}"
    with Gallery.create(find_dataset("demo").parent / "images", db=db, model=MODEL) as gallery:
        gallery.add([gallery.root])
    return db


def random_index(cache: Path, rows: int) -> Path:
    """An index of ``rows`` random unit vectors of the model's dimension, thirty a picture, made once."""
    identity = load_model(MODEL).identity
    root = cache / f"random-{rows}x{identity.dimension}-{identity.fingerprint[:8]}"
    db = root / ".reir"
    root.mkdir(parents=True, exist_ok=True)
    boxes = np.tile(np.array([[0, 0, 10, 10]], dtype=np.float32), (PER_PICTURE, 1))
    objectness = np.ones(PER_PICTURE, dtype=np.float32)
    index = Index.create(root, db=db, model=identity, settings={"max_instances": PER_PICTURE})
    pictures = -(-rows // PER_PICTURE)
    with index.writer() as writer:
        begin = len(writer.known_files())
        rng = np.random.default_rng(begin)
        for picture in range(begin, pictures):
            vectors = rng.standard_normal((PER_PICTURE, identity.dimension), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            facts = FileFacts(f"{picture:07d}.jpg", 1, 1, content_hash=str(picture), width=100, height=100)
            writer.add(facts, Instances(boxes, objectness, vectors))
            if (picture + 1) % (100_000 // PER_PICTURE) == 0:
                writer.commit()
                print(f"\rbuilding {picture + 1:,} of {pictures:,} pictures", end="", file=sys.stderr)
        writer.commit()
    index.close()
    return db


@dataclass(frozen=True)
class Bare:
    """The ceiling: the text branch and FAISS over all vectors of an index, in this process."""

    model: Model
    index: Any
    ids: Any

    @classmethod
    def of(cls, db: Path, model: Model) -> Bare:
        """Over the vectors that the index has, as it has them."""
        dimension = model.identity.dimension
        raw = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        ids = []
        with Index.open(db).snapshot() as snapshot:
            for block in snapshot.blocks():
                raw.add(block.vectors)
                ids.append(block.instance_ids)
        return cls(model, raw, np.concatenate(ids))

    def answer(self, batch: list[str]) -> tuple[Any, Any]:
        """Scores and ids of the best instances of each expression."""
        scores, rows = self.index.search(self.model.encode(batch), TOP)
        return scores, self.ids[rows]

    def rate(self, texts: Iterator[str], batch: int, seconds: float) -> float:
        """Expressions a second, ``batch`` at once."""
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            self.answer(list(itertools.islice(texts, batch)))
            done += batch
        return done / (time.perf_counter() - begun)


def load(url: str, bodies: Path, *, connections: int, seconds: float, start: int) -> dict[str, float]:
    """What wrk measured."""
    script = Path(__file__).with_name("bench_serve.lua")
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "30s", "--script", str(script), f"{url}/v1/search", "--", str(bodies), str(start)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if figures["refused"] or figures["broken"]:
        raise RuntimeError(f"not every search was answered: {figures}")
    return figures


def check_answers(bare: Bare, url: str, texts: list[str]) -> None:
    """Both sides find the same scores, or a ratio of their speeds says nothing."""
    scores, _ = bare.answer(texts)
    with Client(url) as client:
        for text, expected in zip(texts, scores, strict=True):
            found = [hit.score for hit in client.search(text, flat=True, top=TOP).hits]
            np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-3, atol=1e-4)
            if len(found) != TOP:
                raise RuntimeError(f"{len(found)} hits for {text!r}, not {TOP}")


def measure(name: str, db: Path, given: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Figures by connections, medians over the rounds; each round has both sides, in alternating order."""
    model = load_model(MODEL)
    bare = Bare.of(db, model)
    texts = expressions()
    endless = itertools.cycle(texts)
    bodies = folder / "bodies"
    bodies.write_text("".join(json.dumps({"expression": text, "top": TOP}) + "\n" for text in texts))
    print(f"\n{name}: {bare.index.ntotal:,} instances x {bare.index.d}")
    figures = {}
    start = 0
    with RunningService(db, options=given.serve, log=folder / "serve.log") as service:
        check_answers(bare, service.url, texts[:20])
        load(service.url, bodies, connections=8, seconds=2, start=len(texts) // 2)
        for connections in given.connections:
            rates, ceilings, p50, p99 = [], [], [], []
            for number in range(given.rounds):

                def ceiling(connections: int = connections, ceilings: list[float] = ceilings) -> None:
                    ceilings.append(bare.rate(endless, connections, given.seconds))

                if number % 2:
                    ceiling()
                run = load(service.url, bodies, connections=connections, seconds=given.seconds, start=start)
                start = (start + int(run["requests"])) % len(texts)
                rates.append(run["requests"] / run["seconds"])
                p50.append(run["p50_ms"])
                p99.append(run["p99_ms"])
                if not number % 2:
                    ceiling()
            rate, most = statistics.median(rates), statistics.median(ceilings)
            figures[str(connections)] = {
                "requests_per_second": rate,
                "p50_ms": statistics.median(p50),
                "p99_ms": statistics.median(p99),
                "ceiling_per_second": most,
                "ratio": rate / most,
                "memory_mb": service.resident_bytes / 2**20,
                "with_files_mb": service.mapped_bytes / 2**20,
            }
            print(
                f"{connections:>3} connections: {rate:7.1f} requests/s, p50 {statistics.median(p50):7.1f} ms, "
                f"p99 {statistics.median(p99):7.1f} ms, bare {most:8.1f}/s, ratio {rate / most:.2f}, "
                f"memory {service.resident_bytes / 2**20:.0f} MB ({service.mapped_bytes / 2**20:.0f} with mapped files)"
            )
    return figures


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cache", type=Path, default=user_cache_path("reir") / "benchmarks", help="for the indexes")
    options.add_argument("--rows", type=int, default=1_000_000, help="instances of the large index; 0 for none")
    options.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--seconds", type=float, default=10.0, help="of one run of one side")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="further options of reir serve")
    options.add_argument("--json", type=Path, help="a file for the figures")
    given = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed (Debian package wrk): scripts/setup-system.sh wrk")
    print_machine(["reir", "fastapi", "uvicorn", "onnxruntime", "numpy"], seed=0)
    with tempfile.TemporaryDirectory() as folder:
        figures = {"demo": measure("demo gallery", demo_index(given.cache), given, Path(folder))}
        if given.rows:
            db = random_index(given.cache, given.rows)
            figures["random"] = measure("random vectors", db, given, Path(folder))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
