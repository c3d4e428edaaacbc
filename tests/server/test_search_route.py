"""``POST /v1/search`` gives what `Gallery` gives, whatever is asked at the same time and whatever changes meanwhile."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount

from reir import Gallery
from reir.server import ServiceSettings, create_app, lifespan
from reir.store import Ranking, Snapshot
from reir.types import FloatArray
from tests.search.galleries import COLOURS, paint
from tests.serving import running


def without_timings(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "timings_ms"}


def search(client: TestClient | httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def crop(colour: str) -> bytes:
    data = BytesIO()
    Image.new("RGB", (40, 40), COLOURS[colour]).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, {}),
        ({"top": 3}, {"top": 3}),
        ({"group_by": "none", "top": 7}, {"flat": True, "top": 7}),
        ({"boxes_per_image": 1}, {"boxes": 1}),
        ({"min_score": 0.9}, {"min_score": 0.9}),
        ({"filter": {"path_prefix": "a/"}}, {"path_prefix": "a/"}),
        ({"filter": {"image_ids": [2, 5, 999]}}, {"image_ids": [2, 5]}),
        ({"filter": {"external_ids": ["asset-3", "nobody's"]}}, {"external_ids": ["asset-3"]}),
        ({"filter": {"image_ids": []}}, {"image_ids": []}),
    ],
)
def test_options_mean_what_they_mean_in_python(
    client: TestClient, gallery: Gallery, body: dict[str, Any], options: dict[str, Any]
) -> None:
    answer = search(client, expression="red", **body)
    assert without_timings(answer) == without_timings(gallery.search("red", **options).to_json())
    assert set(answer["timings_ms"]) == {"wait", "encode", "search", "metadata", "total"}


def test_dates_limit_the_pictures(client: TestClient) -> None:
    found = search(client, expression="red", top=50, filter={"after": "2024-03", "before": "2024-06-01"})
    assert {hit["image_id"] for hit in found["hits"]} == {3, 4, 5}


def test_several_expressions_are_answered_in_their_order(client: TestClient) -> None:
    texts = ["red", "blue", "red", "no colour"]
    several = search(client, expression=texts)["results"]
    assert [answer["expression"] for answer in several] == texts
    assert [without_timings(answer) for answer in several] == [
        without_timings(search(client, expression=text)) for text in texts
    ]


def test_several_expressions_under_one_filter_share_a_pass(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    rank = Snapshot.rank

    def counted(self: Snapshot, queries: FloatArray, k: int, **options: Any) -> Ranking:
        passes.append(len(queries))
        return rank(self, queries, k, **options)

    monkeypatch.setattr(Snapshot, "rank", counted)
    search(client, expression=["red", "blue", "green"], top=1, filter={"image_ids": [2, 5, 7]})
    assert passes == [3]


def test_more_like_an_instance(client: TestClient, gallery: Gallery) -> None:
    instance = search(client, expression="blue", top=1)["hits"][0]["instance_id"]
    assert without_timings(search(client, instance_id=instance)) == without_timings(gallery.like(instance).to_json())


def test_an_uploaded_crop_is_the_query(client: TestClient, gallery: Gallery) -> None:
    answer = client.post(
        "/v1/search",
        files={"image": ("crop.png", crop("yellow"))},
        data={"request": json.dumps({"top": 2, "filter": {"path_prefix": "b/"}})},
    )
    expected = gallery.search(image=Image.new("RGB", (40, 40), COLOURS["yellow"]), top=2, path_prefix="b/")
    assert without_timings(answer.json()) == without_timings(expected.to_json())
    assert client.post("/v1/search", files={"image": ("crop.png", crop("yellow"))}).json()["hits"]


@pytest.mark.parametrize("group_by", ["image", "none"])
def test_pages_are_the_whole_answer(client: TestClient, group_by: str) -> None:
    whole = search(client, expression="red", top=100, group_by=group_by)
    assert whole["next_cursor"] is None
    page = search(client, expression="red", top=5, group_by=group_by)
    places = [(hit["rank"], hit["image_id"]) for hit in page["hits"]]
    while page["next_cursor"]:
        page = search(client, cursor=page["next_cursor"], top=5, group_by=group_by)
        places += [(hit["rank"], hit["image_id"]) for hit in page["hits"]]
    assert list(dict.fromkeys(places)) == list(dict.fromkeys((hit["rank"], hit["image_id"]) for hit in whole["hits"]))


def test_new_pictures_are_found_and_old_pages_go_on(client: TestClient, gallery: Gallery) -> None:
    first = search(client, expression="red", top=3)
    paint(gallery.root / "c/new.png", ("red",) * 4)
    gallery.add(["c"], workers=0)
    assert "c/new.png" in {hit["path"] for hit in search(client, expression="red", top=50)["hits"]}
    rest = search(client, cursor=first["next_cursor"], top=50)
    assert rest["snapshot"] == first["snapshot"]
    assert "c/new.png" not in {hit["path"] for hit in rest["hits"]}


def test_a_long_allow_list_is_taken(client: TestClient) -> None:
    ids = list(range(7, 100_007))
    found = search(client, expression="red", top=50, filter={"image_ids": ids})
    assert {hit["image_id"] for hit in found["hits"]} == {7, 8, 9, 10, 11, 12}
    names = [f"asset-{number}" for number in range(4, 100_004)]
    found = search(client, expression="red", top=50, filter={"external_ids": names})
    assert {hit["image_id"] for hit in found["hits"]} == set(range(5, 13))
    assert client.post("/v1/search", json={"expression": "red", "filter": {"image_ids": [*ids, 1]}}).status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"expression": "red", "instance_id": 1}, 422, "invalid_request"),
        ({"expression": "  "}, 400, "bad_request"),
        ({"expression": "red " * 1000}, 400, "bad_request"),
        ({"expression": ["red", ""]}, 400, "bad_request"),
        ({"expression": []}, 422, "invalid_request"),
        ({"expression": ["red"] * 33}, 422, "invalid_request"),
        ({"expression": "\ud800"}, 422, "invalid_request"),
        ({"expression": "red", "top": 0}, 422, "invalid_request"),
        ({"expression": "red", "top": 1001}, 422, "invalid_request"),
        ({"expression": "red", "tpo": 10}, 422, "invalid_request"),
        ({"expression": "red", "min_score": "nan"}, 422, "invalid_request"),
        ({"expression": "red", "filter": {"after": "yesterday"}}, 400, "bad_request"),
        ({"expression": "red", "filter": {"image_ids": [2**63]}}, 422, "invalid_request"),
        ({"expression": "red", "filter": {"path": "a"}}, 422, "invalid_request"),
        ({"cursor": "made up"}, 400, "bad_request"),
        ({"instance_id": 2**62}, 410, "instance_gone"),
        ({"instance_id": -1}, 422, "invalid_request"),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(client: TestClient, body: Any, status: int, code: str) -> None:
    answer = client.post("/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]


def test_other_bodies_are_refused(client: TestClient) -> None:
    broken = client.post("/v1/search", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "invalid_request")
    text = client.post("/v1/search", content=b"red", headers={"Content-Type": "text/plain"})
    assert (text.status_code, text.json()["error"]["code"]) == (415, "unsupported_media")
    no_picture = client.post("/v1/search", files={"image": ("crop.png", b"no picture")})
    assert (no_picture.status_code, no_picture.json()["error"]["code"]) == (422, "unreadable_image")
    no_file = client.post("/v1/search", data={"image": "red"})
    assert no_file.status_code == 415
    query_too = client.post(
        "/v1/search", files={"image": ("crop.png", crop("red"))}, data={"request": '{"expression": "red"}'}
    )
    assert query_too.status_code == 422
    two = client.post("/v1/search", files=[("image", ("1.png", crop("red"))), ("image", ("2.png", crop("red")))])
    assert two.status_code == 400


def test_many_callers_at_once_get_their_own_answers(gallery: Gallery) -> None:
    texts = [*COLOURS, "red blue", "green yellow", "nothing known"]
    expected = {text: without_timings(gallery.search(text).to_json()) for text in texts}
    app = create_app(ServiceSettings(batch=4), gallery=gallery)
    with running(app) as url, httpx.Client(base_url=url) as caller, ThreadPoolExecutor(16) as pool:
        assert re.fullmatch(r"total;dur=[0-9.]+", caller.get("/v1/images/1").headers["Server-Timing"])
        asked = texts * 12
        for text, answer in zip(asked, pool.map(lambda text: search(caller, expression=text), asked), strict=True):
            assert without_timings(answer) == expected[text]
        counted = caller.get("/metrics").text
    assert 'reir_requests_total{method="POST",route="/v1/search",status="200"} 96.0' in counted
    assert "reir_instances 48.0" in counted
    sizes = float(next(line.split()[1] for line in counted.splitlines() if line.startswith("reir_batch_size_sum")))
    batches = float(next(line.split()[1] for line in counted.splitlines() if line.startswith("reir_batch_size_count")))
    assert sizes == 96
    assert batches <= 96


def test_it_answers_below_a_path_of_another_application(gallery: Gallery) -> None:
    objects = create_app(ServiceSettings(), gallery=gallery)

    @asynccontextmanager
    async def both(_: Starlette) -> Any:
        async with lifespan(objects):
            yield

    outer = Starlette(routes=[Mount("/objects", objects)], lifespan=both)
    with TestClient(outer) as client:
        assert search_below(client)["hits"]
    with TestClient(Starlette(routes=[Mount("/objects", objects)])) as client:
        answer = client.post("/objects/v1/search", json={"expression": "red"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert "lifespan" in answer.json()["error"]["message"]
    assert gallery.search("red").hits, "a gallery that was given stays open"


def search_below(client: TestClient) -> dict[str, Any]:
    answer = client.post("/objects/v1/search", json={"expression": "red"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
