"""From a query to ranked hits: encode, inner product, filter, group by picture."""

from reir.search.current import CurrentSnapshot
from reir.search.dates import parse_date
from reir.search.grouping import BOXES_PER_IMAGE, Candidate, group_by_image
from reir.search.query import Query, check_expression, encode_query
from reir.search.searcher import Searcher

__all__ = [
    "BOXES_PER_IMAGE",
    "Candidate",
    "CurrentSnapshot",
    "Query",
    "Searcher",
    "check_expression",
    "encode_query",
    "group_by_image",
    "parse_date",
]
