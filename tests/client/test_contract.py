"""The client answers as the gallery does: same options, same hits, same errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from PIL import Image

from reir import Client, Gallery, ServiceError
from reir.client import JobFailedError
from reir.errors import ImageUnreadableError, InstanceGoneError, ReirError, SnapshotGoneError, UsageError
from reir.gallery.arguments import as_request
from reir.imaging import decode_picture
from reir.search import Cursor
from reir.types import SearchOptions, SearchResult
from tests.client.conftest import READER, Served
from tests.grid_colour_model import WORDS
from tests.search.galleries import paint

DATES = st.datetimes(datetime(2023, 1, 1), datetime(2025, 1, 1)).map(lambda moment: moment.replace(fold=0))
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "top": st.integers(1, 40),
        "flat": st.booleans(),
        "boxes": st.integers(1, 6),
        "min_score": st.floats(-1, 1),
        "path_prefix": st.sampled_from(["", "a", "b/c/", "b/c/0", "none"]),
        "after": DATES,
        "before": DATES,
        "image_ids": st.lists(st.integers(1, 30), max_size=20),
        "external_ids": st.lists(st.integers(0, 25).map(lambda n: f"asset-{n}"), max_size=9),
    },
)
EXPRESSIONS = st.lists(st.sampled_from([*WORDS, "left", "of", "é"]), min_size=1, max_size=4).map(" ".join)


def meaning(result: SearchResult) -> dict[str, Any]:
    """All of an answer but what it cost."""
    record = result.to_json()
    del record["timings_ms"]
    return record


def test_both_take_the_same_options() -> None:
    (_, *options) = inspect.signature(as_request).parameters
    assert len(options) >= 9
    assert list(SearchOptions.__annotations__) == options
    for method in (Gallery.search, Gallery.like, Client.search, Client.like, Client.search_many, Client.pages):
        assert inspect.signature(method).parameters["options"].annotation == "Unpack[SearchOptions]"


def test_an_option_that_is_none_is_an_error_of_the_caller(served: Served) -> None:
    for either in (served.gallery, served.client):
        with pytest.raises(TypeError, match="colour"):
            either.search("red", colour="blue")  # type: ignore[call-arg]


@given(expression=EXPRESSIONS, options=OPTIONS)
@hypothesis(max_examples=60)
def test_expressions_find_the_same(served: Served, expression: str, options: SearchOptions) -> None:
    expected = served.gallery.search(expression, **options)
    assert meaning(served.client.search(expression, **options)) == meaning(expected)


@given(instance=st.integers(0, 95), options=OPTIONS)
@hypothesis(max_examples=30)
def test_instances_find_the_same(served: Served, instance: int, options: SearchOptions) -> None:
    every = served.gallery.search("red", top=100, flat=True).hits
    number = every[instance % len(every)].instance_id
    assert meaning(served.client.like(number, **options)) == meaning(served.gallery.like(number, **options))


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(lambda path: path, id="path"),
        pytest.param(str, id="text"),
        pytest.param(lambda path: Image.open(path), id="pillow"),
        pytest.param(lambda path: decode_picture(path).picture, id="picture"),
    ],
)
def test_example_pictures_find_the_same(served: Served, tmp_path: Path, example: Callable[[Path], Any]) -> None:
    file = paint(tmp_path / "crop.png", ("yellow", "yellow", "red", "yellow"), size=(30, 20))
    expected = meaning(served.gallery.search(image=example(file), top=3))
    assert len(expected["hits"]) >= 3
    assert meaning(served.client.search(image=example(file), top=3)) == expected
    assert meaning(served.client.search(image=file.read_bytes(), top=3)) == expected


def test_many_expressions_in_one_request(served: Served) -> None:
    expressions = ["red", "blue green", "red"]
    expected = [meaning(served.gallery.search(expression, top=2)) for expression in expressions]
    assert [meaning(result) for result in served.client.search_many(expressions, top=2)] == expected


@given(top=st.integers(2, 9), options=OPTIONS)
@hypothesis(max_examples=20)
def test_pages_are_those_of_the_gallery_and_the_whole_answer(served: Served, top: int, options: SearchOptions) -> None:
    options["top"] = top
    pages = list(served.client.pages("green", **options))
    expected = [served.gallery.search("green", **options)]
    while expected[-1].next_cursor is not None:
        expected.append(served.gallery.search(cursor=expected[-1].next_cursor, **options))
    assert [meaning(page) for page in pages] == [meaning(page) for page in expected]

    options["top"] = 200
    whole = served.gallery.search("green", **options)
    assert best_of_each_place(pages) == best_of_each_place([whole])


def best_of_each_place(pages: list[SearchResult]) -> list[tuple[int, int]]:
    """Rank and instance of the first hit at each rank; further boxes of a picture depend on where its page ends."""
    firsts: dict[int, int] = {}
    for page in pages:
        for hit in page.hits:
            firsts.setdefault(hit.rank, hit.instance_id)
    return list(firsts.items())


def test_pages_of_examples(served: Served, tmp_path: Path) -> None:
    file = paint(tmp_path / "crop.png", ("blue",) * 4)
    number = served.gallery.search("blue", top=1).hits[0].instance_id
    for pages in (served.client.pages(image=file, top=10), served.client.pages(instance_id=number, top=10)):
        images = [hit.image_id for page in pages for hit in page.hits]
        assert set(images) == set(range(1, 25))


def test_a_page_of_either_goes_on_with_the_other(served: Served) -> None:
    first = served.gallery.search("red", top=5)
    expected = served.gallery.search(cursor=first.next_cursor, top=5)
    assert meaning(served.client.search(cursor=first.next_cursor, top=5)) == meaning(expected)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda one: one.search("  "), id="empty expression"),
        pytest.param(lambda one: one.search("x" * 2001), id="endless expression"),
        pytest.param(lambda one: one.search("red", top=0), id="nothing wanted"),
        pytest.param(lambda one: one.search("red", boxes=0), id="no boxes"),
        pytest.param(lambda one: one.search(), id="no query"),
        pytest.param(lambda one: one.search("red", image="x.png"), id="two queries"),
        pytest.param(lambda one: one.search(cursor="not one"), id="cursor"),
        pytest.param(
            lambda one: one.search(cursor=one.search("red", top=2).next_cursor, path_prefix="a"), id="other filter"
        ),
    ],
)
def test_wrong_use_is_the_same_error(served: Served, call: Callable[[Any], object]) -> None:
    for one in (served.gallery, served.client):
        with pytest.raises(UsageError):
            call(one)


def test_an_instance_that_is_gone_is_the_same_error(served: Served) -> None:
    for one in (served.gallery, served.client):
        with pytest.raises(InstanceGoneError) as caught:
            one.like(77)
        assert caught.value.instance_id == 77
    for call in (served.client.instance, served.client.crop):
        with pytest.raises(InstanceGoneError, match="77"):
            call(77)


def test_a_page_of_a_snapshot_that_is_gone_is_the_same_error(served: Served) -> None:
    first = served.gallery.search("red", top=2)
    assert first.next_cursor is not None
    cursor = replace(Cursor.decode(first.next_cursor), snapshot=10**6).encode()
    for one in (served.gallery, served.client):
        with pytest.raises(SnapshotGoneError) as caught:
            one.search(cursor=cursor, top=2)
        assert caught.value.number == 10**6


def test_an_unreadable_example_is_the_same_error(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "crop.jpg"
    file.write_bytes(b"no picture")
    for one in (served.gallery, served.client):
        with pytest.raises(ImageUnreadableError):
            one.search(image=file)


def test_many_threads_share_a_client(served: Served) -> None:
    expressions = [f"{first} {second}" for first in WORDS for second in WORDS] * 3
    expected = {text: meaning(served.gallery.search(text)) for text in set(expressions)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(served.client.search, expressions))
    assert [meaning(answer) for answer in answers] == [expected[text] for text in expressions]


def test_info_image_and_instance(served: Served) -> None:
    held, info = served.gallery.info(), served.client.info()
    assert (info.model, info.snapshot, info.images, info.instances) == (
        held.model,
        held.snapshot,
        held.images,
        held.instances,
    )
    assert (info.role, info.key_required, info.administration) == ("admin", True, True)
    hit = served.gallery.search("red", top=1).hits[0]
    image = served.client.image(hit.image_id)
    assert (image.path, image.external_id, image.width) == (hit.path, hit.external_id, hit.width)
    assert image.taken_at is not None
    assert image.taken_at.tzinfo is None
    instance = served.client.instance(hit.instance_id)
    assert (instance.image_id, instance.box) == (hit.image_id, hit.box)
    assert instance in image.instances
    with pytest.raises(ServiceError, match="not_found"):
        served.client.image(9999)


def test_pictures_are_pictures(served: Served) -> None:
    hit = served.gallery.search("red", top=1).hits[0]
    bodies = [
        served.client.thumbnail(hit.image_id, side=160),
        served.client.annotated(hit.image_id, [hit.instance_id], side=320),
        served.client.crop(hit.instance_id, side=160, margin=0.0),
    ]
    assert [body[:2] for body in bodies] == [b"\xff\xd8"] * 3
    with pytest.raises(UsageError):
        served.client.thumbnail(hit.image_id, side=3)


def test_keys_decide(served: Served) -> None:
    with Client(served.url) as stranger, pytest.raises(ServiceError) as caught:
        stranger.search("red")
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    with Client(served.url, api_key=READER) as reader:
        assert reader.info().role == "read"
        assert reader.search("red").hits
        with pytest.raises(ServiceError) as caught:
            reader.remove(1)
    assert (caught.value.status, caught.value.code) == (403, "forbidden")


def test_pictures_come_and_go(served: Served) -> None:
    before = served.client.info()
    paint(served.root / "new" / "n.png", ("yellow", "green", "yellow", "yellow"))
    job = served.client.wait(served.client.add(["new/n.png"], external_ids={"new/n.png": "mine"}), timeout=60)
    assert (job.kind, job.state) == ("add", "done")
    (hit, *_) = served.client.search("yellow", external_ids=["mine"]).hits
    assert (hit.path, hit.external_id) == ("new/n.png", "mine")

    sent = paint(served.root.parent / "sent.png", ("green", "green", "green", "red"))
    served.client.wait(served.client.upload([sent], folder="new"), timeout=60)
    assert {hit.path for hit in served.client.search("green", path_prefix="new/").hits} >= {"new/sent.png"}

    for image_id in {hit.image_id for hit in served.client.search("green", path_prefix="new/").hits}:
        assert served.client.wait(served.client.remove(image_id), timeout=60).kind == "remove"
    assert served.client.search("green", path_prefix="new/").hits == ()
    after = served.client.info()
    assert (after.images, after.instances) == (before.images, before.instances)
    assert after.snapshot > before.snapshot


def test_a_job_that_cannot_be(served: Served) -> None:
    with pytest.raises(ReirError) as caught:
        served.client.wait(served.client.add(["../outside.png"]), timeout=60)
    assert isinstance(caught.value, UsageError | ServiceError | JobFailedError)
    with pytest.raises(ServiceError, match="not_found"):
        served.client.job("0" * 24)
