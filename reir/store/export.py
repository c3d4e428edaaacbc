"""All live instances of a snapshot in one Parquet file, for other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reir.store.records import ImageRow, InstanceBlock
from reir.types import IntArray


def export_parquet(
    path: Path,
    blocks: Iterable[InstanceBlock],
    details: Callable[[IntArray], list[dict[str, Any]]],
    pictures: Mapping[int, list[ImageRow]],
    dimension: int,
) -> int:
    """How many rows were written: one for each picture and instance, so a copy's instances come again under its path.

    Args:
        path: the file to write; replaced as a whole.
        blocks: the instances.
        details: gives what is known of instances, by their ids, beside box and vector.
        pictures: source image id -> the pictures with that content.
        dimension: D of the vectors.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("path", pa.string()),
            ("image_id", pa.int64()),
            ("external_id", pa.string()),
            ("instance_id", pa.int64()),
            *((name, pa.float32()) for name in ("x0", "y0", "x1", "y1", "objectness")),
            ("vector", pa.list_(pa.float16(), dimension)),
            ("details", pa.string()),
        ]
    )
    fresh = path.with_name(path.name + ".new")
    count = 0
    try:
        with pq.ParquetWriter(fresh, schema, compression="zstd", use_dictionary=["path", "external_id"]) as file:
            for columns in _tables(blocks, details, pictures):
                vectors = columns.pop("vector").astype(np.float16)
                arrays = {name: pa.array(values, schema.field(name).type) for name, values in columns.items()}
                flat = pa.array(vectors.reshape(-1), pa.float16())
                arrays["vector"] = pa.FixedSizeListArray.from_arrays(flat, dimension)
                file.write_table(pa.table(arrays, schema=schema))
                count += len(vectors)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _tables(
    blocks: Iterable[InstanceBlock],
    details: Callable[[IntArray], list[dict[str, Any]]],
    pictures: Mapping[int, list[ImageRow]],
) -> Iterator[dict[str, Any]]:
    for block in blocks:
        texts = [json.dumps(known) if known else None for known in details(block.instance_ids)]
        owners = [pictures.get(source, []) for source in block.image_ids.tolist()]
        rows = np.repeat(np.arange(len(block)), [len(found) for found in owners])
        named = [picture for found in owners for picture in found]
        yield {
            "path": [picture.path for picture in named],
            "image_id": [picture.image_id for picture in named],
            "external_id": [picture.external_id for picture in named],
            "instance_id": block.instance_ids[rows],
            **{name: block.boxes[rows, place] for place, name in enumerate(("x0", "y0", "x1", "y1"))},
            "objectness": block.objectness[rows],
            "vector": block.vectors[rows],
            "details": [texts[row] for row in rows.tolist()],
        }
