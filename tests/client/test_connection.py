"""How the client speaks HTTP, against a server that answers what a test tells it to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from reir import Client, ServiceError
from reir.client import ServiceUnreachableError
from reir.errors import ImageUnreadableError, InstanceGoneError, ReirError, SnapshotGoneError, UsageError

ANSWER = {
    "expression": "red",
    "model": "m",
    "snapshot": 1,
    "no_match": None,
    "next_cursor": None,
    "timings_ms": {},
    "warnings": [],
    "hits": [],
}


@dataclass
class Scripted:
    """A server's answers in order, the last one again and again, and the requests that it got."""

    port: int = 0
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    seconds: float = 0.0
    """How long it thinks about each."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def service() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            scripted.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, content = scripted.answers[min(len(scripted.requests), len(scripted.answers)) - 1]
            encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
            time.sleep(scripted.seconds)
            self.send_response(status)
            for name, value in ({"content-type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scripted.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield scripted
        server.shutdown()
        thread.join()


def error(code: str, message: str = "it is so", details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": details}}


def test_a_busy_service_is_asked_again(service: Scripted) -> None:
    service.answers = [(503, {"retry-after": "0"}, error("overloaded"))] * 2 + [(200, {}, ANSWER)]
    with Client(service.url) as client:
        assert client.search("red").expression == "red"
    assert len(service.requests) == 3
    assert len({body for _, _, body in service.requests}) == 1


def test_it_waits_as_long_as_it_was_told(service: Scripted) -> None:
    service.answers = [(503, {"retry-after": "0.3"}, error("overloaded")), (200, {}, ANSWER)]
    with Client(service.url) as client:
        began = time.monotonic()
        client.search("red")
        assert time.monotonic() - began >= 0.3


def test_a_search_with_stages_has_their_time_too(service: Scripted) -> None:
    service.answers, service.seconds = [(200, {}, ANSWER)], 0.6
    with Client(service.url, timeout=0.2) as client:
        assert client.search("red", rerank=["a"], mask="b", stage_seconds=5).expression == "red"
        assert client.search("red", refine="c").expression == "red"
        for options in ({}, {"stage_seconds": 9}, {"rerank": ["a"], "stage_seconds": 0.1}):
            with pytest.raises(ServiceUnreachableError):
                client.search("red", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "headers", "asked"),
    [
        (503, {"retry-after": "0"}, 3),
        (503, {"retry-after": format_datetime(datetime.now(UTC) - timedelta(minutes=1), usegmt=True)}, 3),
        (503, {"retry-after": "3600"}, 1),
        (503, {"retry-after": "soon"}, 1),
        (503, {}, 1),
        (500, {"retry-after": "0"}, 1),
    ],
)
def test_patience_has_bounds(service: Scripted, status: int, headers: dict[str, str], asked: int) -> None:
    service.answers = [(status, headers, error("overloaded"))]
    with Client(service.url, retries=2) as client, pytest.raises(ServiceError) as caught:
        client.search("red")
    assert (caught.value.status, caught.value.code, caught.value.message) == (status, "overloaded", "it is so")
    assert len(service.requests) == asked


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (410, error("instance_gone", details={"instance_id": 7}), InstanceGoneError),
        (410, error("snapshot_gone", details={"snapshot": 7}), SnapshotGoneError),
        (422, error("unreadable_image", "crop.jpg: cut off"), ImageUnreadableError),
        (422, error("invalid_request"), UsageError),
        (400, error("bad_request"), UsageError),
        (401, error("unauthorized"), ServiceError),
        (410, error("instance_gone"), ServiceError),
        (418, error("a_word_of_a_later_version"), ServiceError),
    ],
)
def test_errors_have_the_classes_of_the_library(
    service: Scripted, status: int, body: Any, expected: type[ReirError]
) -> None:
    service.answers = [(status, {}, body)]
    with Client(service.url) as client, pytest.raises(expected) as caught:
        client.like(7)
    assert type(caught.value) is expected
    for name in ("instance_id", "number"):
        assert getattr(caught.value, name, 7) == 7


@pytest.mark.parametrize("body", [b"<html>", [], {"error": "no"}, {"error": {"code": 1}}])
@pytest.mark.parametrize("status", [404, 502])
def test_an_error_of_something_else_than_reir_is_told_as_such(service: Scripted, status: int, body: Any) -> None:
    service.answers = [(status, {"content-type": "text/html"}, body)]
    with Client(service.url) as client, pytest.raises(ServiceError, match="does not answer as reir does") as caught:
        client.info()
    assert caught.value.status == status


def test_a_page_instead_of_an_answer_is_told_as_such(service: Scripted) -> None:
    service.answers = [(200, {"content-type": "text/html"}, b"<html>")]
    with Client(service.url) as client, pytest.raises(ServiceError, match="does not answer as reir does"):
        client.search("red")


def test_redirects_are_not_followed(service: Scripted) -> None:
    service.answers = [(307, {"location": f"http://localhost:{service.port}/elsewhere"}, b"")]
    with Client(service.url, api_key="secret") as client, pytest.raises(UsageError, match="localhost"):
        client.search("red")
    assert len(service.requests) == 1


def test_key_and_mount_path_go_with_every_request(service: Scripted) -> None:
    service.answers = [(200, {}, ANSWER)]
    with Client(f"{service.url}/photos/objects/", api_key="secret") as client:
        client.search("red")
        client.search(image=b"bytes")
    assert [path for path, _, _ in service.requests] == ["/photos/objects/v1/search"] * 2
    assert {headers["authorization"] for _, headers, _ in service.requests} == {"Bearer secret"}


def test_only_what_was_asked_for_is_sent(service: Scripted) -> None:
    service.answers = [(200, {}, ANSWER)]
    with Client(service.url) as client:
        client.search("red")
        client.search("red", top=3, flat=True, boxes=2, min_score=0.5, after=datetime(2024, 5, 1), image_ids=(1, 2))
        client.search("red", flat=False, path_prefix=None, external_ids=[])
    plain, full, empty = (json.loads(body) for _, _, body in service.requests)
    assert plain == {"expression": "red"}
    assert full == {
        "expression": "red",
        "top": 3,
        "group_by": "none",
        "boxes_per_image": 2,
        "min_score": 0.5,
        "filter": {"after": "2024-05-01T00:00:00", "image_ids": [1, 2]},
    }
    assert empty == {"expression": "red", "filter": {"external_ids": []}}, "no permitted picture is not: all pictures"


def test_a_service_that_is_not_there(service: Scripted) -> None:
    with Client("http://127.0.0.1:9", timeout=2) as client, pytest.raises(ServiceUnreachableError, match="reir serve"):
        client.info()


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://", "", "/v1"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="not the URL"):
        Client(url)


def test_mistakes_are_noticed_before_anything_is_sent(service: Scripted) -> None:
    with Client(service.url) as client:
        with pytest.raises(UsageError, match="exactly one"):
            client.search()
        with pytest.raises(UsageError, match="exactly one"):
            client.search("red", cursor="x")
        with pytest.raises(UsageError, match="exactly one"):
            next(client.pages("red", instance_id=1))
        with pytest.raises(TypeError, match="stop_at"):
            client.search("red", stop_at=3)  # type: ignore[call-arg]
        with pytest.raises(ImageUnreadableError, match=r"no-such\.jpg"):
            client.search(image="no-such.jpg")
    assert service.requests == []
