"""From a query to ranked hits: encode, inner product, filter, group by picture."""

from reir.search.current import CurrentSnapshot
from reir.search.cursor import Cursor
from reir.search.dates import parse_date
from reir.search.encoder import Encoder, check_blend
from reir.search.grounding import PictureSearcher, ground
from reir.search.grouping import BOXES_PER_IMAGE, Candidate, group_by_image
from reir.search.query import Example, Query, check_expression
from reir.search.request import MOST_HITS, SearchRequest
from reir.search.searcher import Searcher
from reir.search.second_look import SecondLook

__all__ = [
    "BOXES_PER_IMAGE",
    "MOST_HITS",
    "Candidate",
    "CurrentSnapshot",
    "Cursor",
    "Encoder",
    "Example",
    "PictureSearcher",
    "Query",
    "SearchRequest",
    "Searcher",
    "SecondLook",
    "check_blend",
    "check_expression",
    "ground",
    "group_by_image",
    "parse_date",
]
