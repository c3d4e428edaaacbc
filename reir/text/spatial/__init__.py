"""Words of place in expressions: halves, ranks, relations, and the things that they are said of."""

from reir.text.spatial.meaning import (
    RELATION_NAMES,
    Axis,
    Clock,
    Constraint,
    Described,
    Rank,
    Region,
    Related,
    RelationName,
    Side,
)
from reir.text.spatial.parse import read_places
from reir.text.spatial.wording import say

__all__ = [
    "RELATION_NAMES",
    "Axis",
    "Clock",
    "Constraint",
    "Described",
    "Rank",
    "Region",
    "Related",
    "RelationName",
    "Side",
    "read_places",
    "say",
]
