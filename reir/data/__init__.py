"""Data: readers of expression files, and the emoji world that makes them (``scenes``, ``layout``, ``expressions``)."""

from reir.data.annotated import AnnotatedPicture, Annotations
from reir.data.annotations import read_annotations
from reir.data.coco import load_dataset
from reir.data.dataset import Dataset, DatasetImage, Query, Target
from reir.data.registry import DatasetEntry, find_dataset, registered_datasets

__all__ = [
    "AnnotatedPicture",
    "Annotations",
    "Dataset",
    "DatasetEntry",
    "DatasetImage",
    "Query",
    "Target",
    "find_dataset",
    "load_dataset",
    "read_annotations",
    "registered_datasets",
]
