"""Searches a second over a snapshot beside raw FAISS on the same vectors, and the metadata of 100 hits.

Vectors are encoded beforehand; both sides get the same batches and one thread pool. Raw FAISS is the exact
``IndexFlatIP`` over float32 copies of the stored float16 values, so both must find the same scores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
from machine import print_machine

from reir.store import FileFacts, Index
from reir.types import Instances, ModelIdentity

PER_PICTURE = 10


def build(folder: Path, rows: int, dimension: int, rng: np.random.Generator) -> Index:
    """An index of ``rows`` random unit vectors, ten a picture, in segments of 100,000 rows."""
    root = folder / "gallery"
    root.mkdir()
    index = Index.create(root, db=folder / "db", model=ModelIdentity("random", "random", dimension))
    boxes = np.tile(np.array([[0, 0, 10, 10]], dtype=np.float32), (PER_PICTURE, 1))
    objectness = np.ones(PER_PICTURE, dtype=np.float32)
    with index.writer() as writer:
        for picture in range(rows // PER_PICTURE):
            vectors = rng.standard_normal((PER_PICTURE, dimension), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            facts = FileFacts(f"{picture:07d}.jpg", 1, 1, content_hash=str(picture), width=100, height=100)
            writer.add(facts, Instances(boxes, objectness, vectors))
            if (picture + 1) % (100_000 // PER_PICTURE) == 0:
                writer.commit()
        writer.commit()
    return index


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of ``repeats`` runs after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    arguments = parser.parse_args()
    print_machine(
        ["faiss-gpu" if hasattr(faiss, "StandardGpuResources") else "faiss-cpu", "numpy"], seed=arguments.seed
    )
    rng = np.random.default_rng(arguments.seed)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder), arguments.rows, arguments.dimension, rng)
        with index.snapshot() as snapshot:
            raw = faiss.IndexFlatIP(arguments.dimension)
            ids = []
            for block in snapshot.blocks():
                raw.add(block.vectors)
                ids.append(block.instance_ids)
            numbers = np.concatenate(ids)
            for batch in arguments.batches:
                queries = rng.standard_normal((batch, arguments.dimension), dtype=np.float32)
                ours, found = snapshot.search(queries, arguments.top)
                theirs, rows = raw.search(queries, arguments.top)
                np.testing.assert_allclose(ours, theirs, rtol=1e-4)
                agreement = float((found == numbers[rows]).mean())
                mine = median_seconds(
                    lambda queries=queries: snapshot.search(queries, arguments.top), arguments.repeats
                )
                peer = median_seconds(lambda queries=queries: raw.search(queries, arguments.top), arguments.repeats)
                figures[f"batch {batch}"] = peer / mine
                print(
                    f"batch {batch:>3}: {batch / mine:8.1f} queries/s, raw FAISS {batch / peer:8.1f}, "
                    f"ratio {peer / mine:.2f}, same ids {agreement:.1%}"
                )
            _, hits = snapshot.search(rng.standard_normal((1, arguments.dimension), dtype=np.float32), 100)

            def metadata() -> None:
                rows = snapshot.instances(hits[0])
                snapshot.resolve(sorted(set(rows.image_ids.tolist())))

            figures["metadata_ms"] = 1e3 * median_seconds(metadata, 5 * arguments.repeats)
            print(f"metadata of 100 hits: {figures['metadata_ms']:.2f} ms")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
