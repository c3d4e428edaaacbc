"""Stages and blends over HTTP mean what they mean in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from reir import Client, Gallery
from reir.server import ServiceSettings, create_app
from tests.colour_crop_model import ColourCropModel
from tests.search.galleries import paint
from tests.serving import running


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    root = tmp_path_factory.mktemp("gallery")
    for number, colours in enumerate([("red", "dark", "blue", "green"), ("green", "red", "dark", "yellow")]):
        paint(root / f"{number}.png", colours, (300, 180))
    with Gallery.create(root, model=ColourCropModel()) as made:
        made.add([root], workers=0)
        yield made


@pytest.fixture(scope="module")
def client(gallery: Gallery) -> Iterator[TestClient]:
    with TestClient(create_app(ServiceSettings(), gallery=gallery)) as client:
        yield client


@pytest.mark.parametrize(
    "options",
    [
        {"rerank": ["templates"]},
        {"rerank": ["templates"], "stage_top": 3},
        {"rerank": ["templates"], "refine": "box-search", "mask": "stored"},
        {"blend": {"lambda": 0.1}},
        {"blend": {"tau": 2.0}, "rerank": ["templates"]},
    ],
)
def test_the_answer_is_that_of_the_gallery(client: TestClient, gallery: Gallery, options: dict[str, Any]) -> None:
    answer = client.post("/v1/search", json={"expression": "red", "top": 2, **options}).json()
    assert answer["hits"] == [hit.to_json() for hit in gallery.search("red", top=2, **options).hits]
    for name in [*options.get("rerank", []), *filter(None, [options.get("refine"), options.get("mask")])]:
        assert answer["timings_ms"][name] >= 0


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"rerank": ["template"]}, 400),
        ({"rerank": ["box-search"]}, 400),
        ({"blend": {"alpha": 1.0}}, 400),
        ({"refine": "box-search:step=0.2"}, 422),
        ({"mask": "../etc"}, 422),
        ({"stage_seconds": 0}, 422),
        ({"stage_top": 1001}, 422),
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, options: dict[str, Any], status: int) -> None:
    answer = client.post("/v1/search", json={"expression": "red", **options})
    assert answer.status_code == status, answer.text


def test_the_service_has_the_last_word_on_time(gallery: Gallery) -> None:
    app = create_app(ServiceSettings(stage_seconds=1e-6), gallery=gallery)
    with TestClient(app) as client:
        asked = {"expression": "red", "refine": "box-search", "stage_seconds": 3600, "group_by": "none"}
        answer = client.post("/v1/search", json=asked).json()
    assert "ran out of time" in answer["warnings"][0]
    assert [bool(hit["stages"]) for hit in answer["hits"]] == [True] + [False] * (len(answer["hits"]) - 1)


def test_a_client_pages_through_the_order_of_the_stages(gallery: Gallery, tmp_path: Path) -> None:
    options: dict[str, Any] = {"rerank": ["templates"], "mask": "stored", "blend": {"lambda": 0.6}, "flat": True}
    whole = gallery.search("green", top=100, **options)
    with running(create_app(ServiceSettings(), gallery=gallery)) as url, Client(url) as client:
        pages = list(client.pages("green", top=3, **options))
    assert [hit for page in pages for hit in page.hits] == [type(hit).from_json(hit.to_json()) for hit in whole.hits]
