"""The index on disk: pictures in SQL, instances in Parquet, vectors in FAISS shards, published snapshot by snapshot."""

from reir.store.database import SchemaError
from reir.store.faiss_exact import FaissExactStore
from reir.store.index import Index
from reir.store.plain_store import PlainStore
from reir.store.records import (
    FileFacts,
    Finding,
    ImageFilter,
    ImageRow,
    IndexInfo,
    InstanceBlock,
    InstanceRows,
    KnownFile,
    Ranking,
)
from reir.store.snapshot import Snapshot
from reir.store.writer import Writer

__all__ = [
    "FaissExactStore",
    "FileFacts",
    "Finding",
    "ImageFilter",
    "ImageRow",
    "Index",
    "IndexInfo",
    "InstanceBlock",
    "InstanceRows",
    "KnownFile",
    "PlainStore",
    "Ranking",
    "SchemaError",
    "Snapshot",
    "Writer",
]
