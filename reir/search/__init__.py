"""From a query to ranked hits: encode, inner product, filter, group by picture."""

from reir.search.dates import parse_date
from reir.search.grouping import BOXES_PER_IMAGE, Candidate, group_by_image
from reir.search.query import Query, check_expression, encode_query
from reir.search.searcher import Searcher, check_model

__all__ = [
    "BOXES_PER_IMAGE",
    "Candidate",
    "Query",
    "Searcher",
    "check_expression",
    "check_model",
    "encode_query",
    "group_by_image",
    "parse_date",
]
