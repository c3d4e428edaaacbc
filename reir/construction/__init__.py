"""REIRCOCO construction: descriptions from a model that sees, a filter by one that reads, rivals from the index."""

from reir.construction.asking import Asked, Limits, Progress, run_step
from reir.construction.describe import DescribeSettings, DescribeStep
from reir.construction.endpoint import EndpointError, EndpointSettings, key_from
from reir.construction.generate import Generated, Generation
from reir.construction.journal import Journal, journal_path
from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.construction.quality import QualityRule
from reir.construction.reading import read_annotated
from reir.construction.tokens import Estimate, Prices

__all__ = [
    "AnnotatedInstance",
    "AnnotatedPicture",
    "AnnotatedSet",
    "Asked",
    "DescribeSettings",
    "DescribeStep",
    "EndpointError",
    "EndpointSettings",
    "Estimate",
    "Generated",
    "Generation",
    "Journal",
    "Limits",
    "Prices",
    "Progress",
    "QualityRule",
    "journal_path",
    "key_from",
    "read_annotated",
    "run_step",
]
