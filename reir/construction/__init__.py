"""REIRCOCO construction: descriptions from a model that sees, a filter by one that reads, rivals from the index."""

from reir.construction.asking import Asked, Limits, Progress, estimate, run_step
from reir.construction.audit import Sampled, sample, write_table
from reir.construction.audit_sheet import draw_sheet
from reir.construction.confirm import ConfirmStep
from reir.construction.describe import DescribeSettings, DescribeStep
from reir.construction.endpoint import EndpointError, EndpointSettings, key_from
from reir.construction.filtering import FilterSettings, FilterStep
from reir.construction.filtration import Filtered, Filtration, Policy
from reir.construction.generate import Generated, Generation
from reir.construction.journal import Journal, journal_path
from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.construction.quality import QualityRule
from reir.construction.reading import read_annotated
from reir.construction.rivals import Flag, Rival, RivalRule, find_rivals, find_twins
from reir.construction.split import Split, read_ids
from reir.construction.tokens import Estimate, Prices
from reir.construction.verdicts import Verdicts, read_verdicts

__all__ = [
    "AnnotatedInstance",
    "AnnotatedPicture",
    "AnnotatedSet",
    "Asked",
    "ConfirmStep",
    "DescribeSettings",
    "DescribeStep",
    "EndpointError",
    "EndpointSettings",
    "Estimate",
    "FilterSettings",
    "FilterStep",
    "Filtered",
    "Filtration",
    "Flag",
    "Generated",
    "Generation",
    "Journal",
    "Limits",
    "Policy",
    "Prices",
    "Progress",
    "QualityRule",
    "Rival",
    "RivalRule",
    "Sampled",
    "Split",
    "Verdicts",
    "draw_sheet",
    "estimate",
    "find_rivals",
    "find_twins",
    "journal_path",
    "key_from",
    "read_annotated",
    "read_ids",
    "read_verdicts",
    "run_step",
    "sample",
    "write_table",
]
