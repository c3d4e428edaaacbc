"""Recall of boxes and of pictures, streaming over a gallery that need not fit in memory. numpy only.

One evaluation is: :func:`place` each query among the instances of its true picture, feed every block of the gallery
to a :class:`RankCounter`, turn its :class:`Ranks` into :func:`outcomes` (right or wrong, a query and figure each), and
those into :func:`shares` and bootstrap :func:`intervals`. :func:`box_recall_from_arrays` does it for arrays in memory.
:func:`reliability` and :func:`no_match_figures` judge a calibrated model's chances. Masks have their own figures,
:func:`segmentation_figures` of :func:`mask_counts`; they are in ``reir.metrics.segmentation``, imported by that name
because it needs pycocotools.
"""

from reir.metrics.arrays import box_recall_from_arrays
from reir.metrics.bootstrap import bootstrap_intervals, bootstrap_ratio_interval
from reir.metrics.calibration import NoMatchFigures, Reliability, ReliabilityBin, no_match_figures, reliability
from reir.metrics.figures import (
    IOUS,
    KS,
    PROTOCOLS,
    Protocol,
    inside_outcomes,
    intervals,
    outcomes,
    paired_differences,
    picture_outcomes,
    shares,
)
from reir.metrics.placement import Placement, Truth, place
from reir.metrics.ranks import RankCounter, Ranks
from reir.metrics.scores import exact_scores, rounding_margin

__all__ = [
    "IOUS",
    "KS",
    "PROTOCOLS",
    "NoMatchFigures",
    "Placement",
    "Protocol",
    "RankCounter",
    "Ranks",
    "Reliability",
    "ReliabilityBin",
    "Truth",
    "bootstrap_intervals",
    "bootstrap_ratio_interval",
    "box_recall_from_arrays",
    "exact_scores",
    "inside_outcomes",
    "intervals",
    "no_match_figures",
    "outcomes",
    "paired_differences",
    "picture_outcomes",
    "place",
    "reliability",
    "rounding_margin",
    "shares",
]
