import asyncio
import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reir.server.protection import SECURITY_HEADERS, BodyLimit, HostCheck, host_name
from tests.search.galleries import make_index
from tests.server.serving import ADMINISTRATOR, READER, serving
from tests.serving import running

LIMIT = 100


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def limited() -> ASGIApp:
    return BodyLimit(Starlette(routes=[Route("/", length, methods=["POST"])]), most=LIMIT, most_uploaded=3 * LIMIT)


def ask(app: ASGIApp, headers: dict[str, str], chunks: list[bytes]) -> tuple[int, int]:
    """Status of the answer, and how many chunks were taken from the connection."""
    taken = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], taken


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("application/json", LIMIT, 200),
        ("application/json", LIMIT + 1, 413),
        ("multipart/form-data; boundary=x", LIMIT + 1, 200),
        ("Multipart/Form-Data; boundary=x", 3 * LIMIT, 200),
        ("multipart/form-data; boundary=x", 3 * LIMIT + 1, 413),
        ("text/plain, multipart/form-data", LIMIT + 1, 413),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("step", [7, 1000])
def test_a_body_is_limited_by_what_it_announces_and_by_what_arrives(
    kind: str, size: int, status: int, announced: bool, step: int
) -> None:
    body = bytes(size)
    headers = {"Content-Type": kind} | ({"Content-Length": str(size)} if announced else {})
    chunks = [body[start : start + step] for start in range(0, size, step)]
    assert ask(limited(), headers, chunks)[0] == status


def test_a_body_that_announces_less_than_it_sends_is_refused() -> None:
    assert ask(limited(), {"Content-Length": "1"}, [bytes(60), bytes(60)])[0] == 413


@pytest.mark.parametrize("announced", ["-1", "x", "1e3", "", "١", "9" * 5000, "1, 1"])
def test_a_length_that_is_no_number_is_refused(announced: str) -> None:
    raw = [(b"content-length", announced.encode())]

    async def go() -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""}
        await limited()(scope, _never, send)
        return int(sent[0]["status"])

    assert asyncio.run(go()) == 400


async def _never() -> Message:
    raise AssertionError("the body should not be read")


def test_an_endless_body_is_not_read_to_its_end() -> None:
    status, taken = ask(limited(), {}, [bytes(50)] * 10_000)
    assert status == 413
    assert taken <= 4 * LIMIT / 50 + 2


def test_who_waits_for_100_continue_is_not_asked_for_the_body() -> None:
    headers = {"Content-Length": str(10 * LIMIT), "Expect": "100-continue"}
    assert ask(limited(), headers, [bytes(10 * LIMIT)]) == (413, 0)


def test_what_the_application_makes_of_a_cut_body_is_not_sent() -> None:
    async def careless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive())["more_body"]:
                pass
        except Exception:
            await PlainTextResponse("all is well")(scope, receive, send)

    assert ask(BodyLimit(careless, most=10, most_uploaded=10), {}, [bytes(20), bytes(20)])[0] == 413


def test_a_fault_of_the_application_is_not_hidden() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        ask(BodyLimit(broken, most=10, most_uploaded=10), {}, [b""])


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("localhost.:80", "localhost"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:8080", "::1"),
        ("example.org", "example.org"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name


LOOPBACK = ["localhost", "localhost:9", "127.0.0.1", "127.0.0.1:9", "127.1.2.3", "[::1]", "[::1]:9", "reir.localhost"]
STRANGERS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "[::2]",
    "",
    "evil@localhost",
]


@pytest.mark.parametrize(
    ("allowed", "good", "bad"),
    [
        ((), LOOPBACK, [*STRANGERS, "photos.example.org"]),
        (("photos.example.org",), [*LOOPBACK, "Photos.Example.org:443"], [*STRANGERS, "x.photos.example.org"]),
        (("*.example.org",), ["a.example.org", "a.b.example.org:1"], [*STRANGERS, "example.org", "example.org.evil"]),
        (("*",), [*LOOPBACK, *STRANGERS], []),
    ],
)
def test_only_known_host_names_are_answered(allowed: tuple[str, ...], good: list[str], bad: list[str]) -> None:
    app = HostCheck(Starlette(routes=[Route("/", length, methods=["POST"])]), allowed)
    for host in good:
        assert ask(app, {"Host": host}, [b""])[0] == 200, host
    for host in bad:
        assert ask(app, {"Host": host}, [b""])[0] == 400, host


def test_a_request_without_a_host_or_with_two_is_refused() -> None:
    app = HostCheck(Starlette(routes=[Route("/", length, methods=["POST"])]))
    assert ask(app, {}, [b""])[0] == 400
    two = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
    two["headers"] = [(b"host", b"localhost"), (b"host", b"evil.example")]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(two, _never, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400


# The service.


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery") / "photos"
    make_index(root, {"a.png": ("red", "green", "blue", "yellow")})
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with serving(root, json_limit=2000, upload_limit=20_000, allowed_hosts=("testserver",)) as client:
        yield client


ERRORS: list[tuple[int, str, dict[str, Any]]] = [
    (400, "/v1/images/1", {"headers": {"Host": "evil.example"}}),
    (401, "/v1/images/1", {}),
    (403, "/v1/jobs", {"headers": READER}),
    (404, "/v1/images/9", {"headers": READER}),
    (404, "/nothing", {}),
    (405, "/v1/images/1", {"method": "PUT", "headers": READER}),
    (410, "/v1/instances/9", {"headers": READER}),
    (413, "/v1/search", {"method": "POST", "headers": READER, "json": {"expression": "x" * 3000}}),
    (413, "/v1/images", {"method": "POST", "headers": ADMINISTRATOR, "files": {"images": bytes(30_000)}}),
    (415, "/v1/search", {"method": "POST", "headers": READER, "content": b"x"}),
    (422, "/v1/images/x", {"headers": READER}),
]


@pytest.mark.parametrize(("status", "path", "options"), ERRORS)
def test_every_error_has_one_shape_and_every_header(
    client: TestClient, status: int, path: str, options: dict[str, Any]
) -> None:
    answer = client.request(options.get("method", "GET"), path, **{k: v for k, v in options.items() if k != "method"})
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value


@pytest.mark.parametrize("path", ["/v1/images/1", "/v1/images/1/thumbnail", "/v1/stats", "/healthz", "/openapi.json"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=READER)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_a_fault_is_answered_in_the_one_shape_with_every_header(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(root, keys=False, faults=False) as client:
        monkeypatch.setattr("reir.server.routes.images._find", lambda *_: 1 / 0)
        answer = client.get("/v1/images/1")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_other_origins_are_told_nothing_unless_they_are_listed(root: Path) -> None:
    asked = {"Origin": "https://photos.example", "Access-Control-Request-Method": "POST"}
    with serving(root, keys=False) as client:
        assert "access-control-allow-origin" not in client.get("/v1/images/1", headers=asked).headers
        assert client.options("/v1/search", headers=asked).status_code == 405
    with serving(root, keys=False, cors_origins=("https://photos.example",)) as client:
        answer = client.options("/v1/search", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://photos.example"
        assert "access-control-allow-credentials" not in answer.headers
        other = client.get("/v1/images/1", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_too_much_reads_why(chunked: bool) -> None:
    most = 1 << 20
    app = BodyLimit(Starlette(routes=[Route("/", length, methods=["POST"])]), most=most, most_uploaded=most)
    with running(app) as url:
        for _ in range(5):
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
            body = (bytes(1 << 16) for _ in range(48)) if chunked else bytes(3 * most)
            connection.request("POST", "/", body, encode_chunked=chunked)
            assert connection.getresponse().status == 413
            connection.close()
