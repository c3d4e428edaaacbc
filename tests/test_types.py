"""Results keep their meaning on the way through JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from reir.types import Hit, SearchResult

NUMBERS = st.floats(-1e6, 1e6)
# The JSON has boxes to a hundredth of a pixel and times to a microsecond.
BOXES = st.tuples(*[st.integers(0, 1_000_000).map(lambda n: n / 100)] * 4)
TIMES = st.integers(0, 10**9).map(lambda n: n / 1000)
HITS = st.builds(
    Hit,
    rank=st.integers(1, 1000),
    score=NUMBERS,
    image_id=st.integers(1, 2**40),
    path=st.text(min_size=1),
    width=st.integers(1, 10**5),
    height=st.integers(1, 10**5),
    box=BOXES,
    objectness=st.floats(0, 1),
    instance_id=st.integers(0, 2**62),
    external_id=st.none() | st.text(),
    probability=st.none() | st.floats(0, 1),
    mask=st.none() | st.just({"size": [4, 3], "counts": "0"}),
    stages=st.dictionaries(st.text(), NUMBERS, max_size=2),
)
RESULTS = st.builds(
    SearchResult,
    expression=st.none() | st.text(),
    model=st.text(),
    snapshot=st.integers(0, 2**31),
    hits=st.lists(HITS, max_size=3).map(tuple),
    timings_ms=st.dictionaries(st.text(), TIMES, max_size=3),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
    no_match=st.none() | st.booleans(),
    next_cursor=st.none() | st.text(),
)


@given(RESULTS)
def test_a_result_survives_json(result: SearchResult) -> None:
    assert SearchResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@given(RESULTS)
def test_fields_of_a_later_version_are_passed_over(result: SearchResult) -> None:
    record = result.to_json() | {"novelty": 1}
    record["hits"] = [hit | {"novelty": 2} for hit in record["hits"]]
    assert SearchResult.from_json(record) == result
