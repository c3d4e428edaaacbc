"""One immutable segment: a Parquet file that is the truth, and memory-mapped arrays for random rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from reir.errors import IndexDamagedError
from reir.store.details import Details
from reir.store.layout import ARRAYS, PARQUET, ROW_BITS, measure, sync
from reir.store.records import Columns
from reir.types import Array, FloatArray, IntArray

FileRecords = dict[str, tuple[int, str]]
"""File name -> size and hash."""

_MAPPED_FROM = 1 << 18
"""Bytes; smaller arrays are read."""

_DTYPES = {
    "image_ids": "<i8",
    "boxes": "<f4",
    "objectness": "<f4",
    "vectors": "<f2",
    "old_ids": "<i8",
    "detail_ends": "<i8",
    "detail_text": "|u1",
}


@dataclass(frozen=True)
class Segment:
    """A published segment, opened for reading. Arrays are mapped on first use.

    Rows are ordered by their source image id, and every segment's sources lie above those of the segments before it.
    """

    number: int
    row_count: int
    first_source: int
    last_source: int
    files: FileRecords
    folder: Path
    dimension: int

    @property
    def compacted(self) -> bool:
        """Whether the segment was made from others and knows its rows' former ids."""
        return "old_ids.npy" in self.files

    @property
    def first_id(self) -> int:
        """The instance id of row 0."""
        return self.number << ROW_BITS

    @cached_property
    def image_ids(self) -> IntArray:
        """Source image ids (N,), ascending."""
        return self._map("image_ids", ())

    @cached_property
    def boxes(self) -> FloatArray:
        """Boxes (N, 4) float32."""
        return self._map("boxes", (4,))

    @cached_property
    def objectness(self) -> FloatArray:
        """Objectness (N,) float32."""
        return self._map("objectness", ())

    @cached_property
    def vectors(self) -> Array:
        """Vectors (N, D) float16."""
        return self._map("vectors", (self.dimension,))

    @cached_property
    def old_ids(self) -> IntArray:
        """Former instance ids (N,), ascending; empty for a segment that was indexed."""
        return self._map("old_ids", ()) if self.compacted else np.empty(0, np.int64)

    @cached_property
    def details(self) -> Details | None:
        """What the model knows of the instances beside box and vector, or None if it knows no more."""
        if "detail_ends.npy" not in self.files:
            return None
        ends = self._map("detail_ends", ())
        return Details(ends, self._map("detail_text", (), int(ends[-1])))

    def rows_of(self, sources: IntArray) -> IntArray:
        """The rows (ascending) of ``sources``, which are sorted and unique; those of other segments are passed over."""
        inside = sources[
            np.searchsorted(sources, self.first_source) : np.searchsorted(sources, self.last_source, "right")
        ]
        if len(inside) == 0:
            return np.empty(0, np.int64)
        starts = np.searchsorted(self.image_ids, inside, "left")
        counts = np.searchsorted(self.image_ids, inside, "right") - starts
        # Concatenated ranges: row = start of its range + place within it.
        places = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        rows: IntArray = (np.repeat(starts, counts) + places).astype(np.int64)
        return rows

    def columns(self) -> Columns:
        """All rows, from the arrays."""
        old_ids = self.old_ids if self.compacted else None
        return Columns(self.image_ids, self.boxes, self.objectness, self.vectors, old_ids, self.details)

    def _map(self, name: str, inner: tuple[int, ...], length: int | None = None) -> Array:
        path = self.folder / f"{name}.npy"
        try:
            # A map holds its file open for as long as somebody reads the snapshot; a gallery that grows picture by
            # picture has thousands of small segments, and would run out of handles.
            array: Array = np.load(path, mmap_mode="r" if path.stat().st_size >= _MAPPED_FROM else None)
        except (OSError, ValueError, EOFError) as error:
            raise IndexDamagedError(path, str(error)) from error
        expected = (self.row_count if length is None else length, *inner)
        if array.shape != expected or array.dtype != np.dtype(_DTYPES[name]):
            raise IndexDamagedError(path, f"{array.shape} {array.dtype} instead of {expected} {_DTYPES[name]}")
        return array


def grouped(segments: Iterable[Segment], most_rows: int) -> list[list[Segment]]:
    """The segments, in their order, in groups of at most ``most_rows`` rows; a larger one by itself."""
    groups: list[list[Segment]] = []
    rows = 0
    for segment in segments:
        if not groups or rows + segment.row_count > most_rows:
            groups.append([])
            rows = 0
        groups[-1].append(segment)
        rows += segment.row_count
    return groups


def write_segment(folder: Path, columns: Columns) -> FileRecords:
    """Writes the files of a new segment and waits until they are on the disk; their sizes and hashes."""
    folder.mkdir(parents=True)
    write_parquet(folder / PARQUET, columns)
    names = [PARQUET, *write_arrays(folder, columns)]
    sync(folder / PARQUET)
    sync(folder)
    sync(folder.parent)
    return {name: measure(folder / name) for name in names}


def write_arrays(folder: Path, columns: Columns) -> list[str]:
    """Writes the arrays that are derived from a segment's Parquet file, each replaced as a whole; their file names."""
    arrays = {name: getattr(columns, name) for name in ARRAYS}
    if columns.old_ids is not None:
        arrays["old_ids"] = columns.old_ids
    if columns.details is not None:
        arrays |= {"detail_ends": columns.details.ends, "detail_text": columns.details.text}
    for name, array in arrays.items():
        fresh = folder / f"{name}.npy.new"
        with fresh.open("wb") as file:
            np.save(file, np.ascontiguousarray(array, dtype=_DTYPES[name]))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / f"{name}.npy")
    return [f"{name}.npy" for name in arrays]


def write_parquet(path: Path, columns: Columns) -> None:
    """Writes rows as the Parquet file of a segment."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    dimension = columns.vectors.shape[1]
    vectors = pa.array(np.ascontiguousarray(columns.vectors).reshape(-1), pa.float16())
    table = {"image_id": pa.array(columns.image_ids, pa.int64())}
    for place, name in enumerate(("x0", "y0", "x1", "y1")):
        table[name] = pa.array(np.ascontiguousarray(columns.boxes[:, place]), pa.float32())
    table["objectness"] = pa.array(columns.objectness, pa.float32())
    table["vector"] = pa.FixedSizeListArray.from_arrays(vectors, dimension)
    if columns.old_ids is not None:
        table["old_instance_id"] = pa.array(columns.old_ids, pa.int64())
    if columns.details is not None:
        table["details"] = pa.array([columns.details.json_text(row) for row in range(len(columns))], pa.string())
    # Embeddings do not compress; a dictionary would only slow the writing down.
    compression = {name: "zstd" if name == "details" else "none" for name in table}
    pq.write_table(pa.table(table), path, compression=compression, use_dictionary=False, row_group_size=1 << 17)


def read_parquet(path: Path) -> Columns:
    """All rows of a segment's Parquet file. Raises IndexDamagedError when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, memory_map=True).combine_chunks()
        vectors = table.column("vector").combine_chunks()
        boxes = np.stack([table.column(name).to_numpy() for name in ("x0", "y0", "x1", "y1")], axis=1)
        return Columns(
            table.column("image_id").to_numpy(),
            boxes,
            table.column("objectness").to_numpy(),
            vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, vectors.type.list_size),
            table.column("old_instance_id").to_numpy() if "old_instance_id" in table.column_names else None,
            Details.from_texts(table.column("details").to_pylist()) if "details" in table.column_names else None,
        )
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise IndexDamagedError(path, str(error)) from error


def verified_columns(segment: Segment) -> Columns:
    """All rows from the Parquet file. Raises IndexDamagedError unless the file is the one that was written."""
    path = segment.folder / PARQUET
    cause = damage(path, segment.files[PARQUET])
    if cause:
        raise IndexDamagedError(path, cause)
    return read_parquet(path)


def damage(path: Path, record: tuple[int, str], *, hashes: bool = True) -> str | None:
    """What is wrong with a file of this recorded size and hash, or None."""
    try:
        size = path.stat().st_size
        if size != record[0]:
            return f"{size:,} bytes instead of {record[0]:,}"
        if hashes and measure(path)[1] != record[1]:
            return "its content is not what was written"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return error.strerror or str(error)
    return None
