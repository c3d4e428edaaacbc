import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from reir.errors import UsageError
from reir.server.access import COOKIE, SESSION_SECONDS, Keys, Role, from_same_origin
from tests.search.galleries import make_index
from tests.server.serving import ADMIN_KEY, ADMINISTRATOR, READ_KEY, READER, key_file, serving

KEYS = Keys({READ_KEY: Role.READ, ADMIN_KEY: Role.ADMIN})
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def test_each_key_has_its_role(tmp_path: Path) -> None:
    keys = Keys.load(key_file(tmp_path))
    assert keys.required
    assert keys.administration
    assert keys.role_of(READ_KEY) is Role.READ
    assert keys.role_of(ADMIN_KEY) is Role.ADMIN
    for wrong in ("", READ_KEY[:-1], READ_KEY + "x", READ_KEY.upper(), "ü" * 20, "\ud800" * 20):
        assert keys.role_of(wrong) is None


def test_without_a_file_there_are_no_keys() -> None:
    keys = Keys.load(None)
    assert not keys.required
    assert not keys.administration
    assert keys.role_of("") is None
    assert keys.session("") is None


def test_keys_are_not_kept_in_memory() -> None:
    kept = repr([(key.digest, key.role) for key in KEYS._keys])
    assert READ_KEY not in kept
    assert ADMIN_KEY not in kept


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        ("read\n", "line 1"),
        ("write 0123456789abcdef0123\n", "line 1"),
        ("READ 0123456789abcdef0123\n", "line 1"),
        ("0123456789abcdef0123\n", "line 1"),
        ("# a\nread 0123456789abcdef0123 more\n", "line 2"),
        ("admin short-secret\n", "shorter than 16"),
        ("admin 0123456789abcde\n", "shorter than 16"),
        ("admin ключ-ключ-ключ-ключ\n", "ASCII"),
        ("read 0123456789abcdef\nadmin 0123456789abcdef\n", "line 2: this key stands in the file twice"),
    ],
)
def test_what_is_wrong_with_a_key_file_is_said_without_the_keys(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=complaint) as raised:
        Keys.load(path)
    assert str(path) in str(raised.value)
    for word in text.replace("#", "").split():
        if len(word) >= 12:
            assert word not in str(raised.value)


def test_a_key_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        with pytest.raises(UsageError, match="cannot be read"):
            Keys.load(path)


def test_a_key_file_that_others_can_read_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = key_file(tmp_path)
    with caplog.at_level(logging.WARNING):
        Keys.load(path)
        assert not caplog.records
        path.chmod(0o644)
        Keys.load(path)
    assert "chmod 600" in caplog.text
    assert READ_KEY not in caplog.text


def test_a_session_stands_for_its_key_until_it_expires() -> None:
    value = KEYS.session(ADMIN_KEY, now=1000.0)
    assert value is not None
    assert ADMIN_KEY not in value
    assert KEYS.role_of_session(value, now=1000.0) is Role.ADMIN
    assert KEYS.role_of_session(value, now=999.0 + SESSION_SECONDS) is Role.ADMIN
    assert KEYS.role_of_session(value, now=1000.0 + SESSION_SECONDS) is None
    assert KEYS.session("no key of this service") is None


def test_a_session_ends_with_its_key_and_is_good_in_every_process() -> None:
    value = KEYS.session(READ_KEY)
    assert value is not None
    assert Keys({READ_KEY: Role.READ}).role_of_session(value) is Role.READ
    assert Keys({ADMIN_KEY: Role.ADMIN}).role_of_session(value) is None


def test_a_session_cannot_be_made_longer_or_better() -> None:
    value = KEYS.session(READ_KEY, now=1000.0)
    assert value is not None
    expiry, _, signature = value.partition(".")
    for forged in (f"{int(expiry) + 1}.{signature}", f"{expiry}.{signature[:-1]}0", f" {value}", f"{expiry}.", expiry):
        assert forged == value or KEYS.role_of_session(forged, now=1000.0) is None


@given(st.text())
def test_no_cookie_is_good_by_chance(value: str) -> None:
    assert KEYS.role_of_session(value.encode("utf-8", "replace").decode()) is None


@pytest.mark.parametrize("value", ["9" * 5000 + ".", "9" * 5000 + "." + "0" * 64, "-1.x", "١٢٣.x", ".", ""])
def test_odd_cookies(value: str) -> None:
    assert KEYS.role_of_session(value) is None


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://a:8080", "host": "a:8080"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://a:8080", "host": "a:8080"}, True),
        ({"origin": "HTTP://A:8080", "host": "a:8080"}, True),
        ({"origin": "http://a:8081", "host": "a:8080"}, False),
        ({"origin": "http://b", "host": "a"}, False),
        ({"origin": "null", "host": "a"}, False),
        ({"origin": "null", "host": ""}, False),
        ({"origin": "", "host": ""}, False),
    ],
)
def test_requests_of_the_same_origin(headers: dict[str, str], same: bool) -> None:
    assert from_same_origin(headers) is same


# Over HTTP.


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery") / "photos"
    make_index(root, {"a.png": ("red", "green", "blue", "yellow")})
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with serving(root) as client:
        yield client


OPEN = {"/", "/v1/session", "/healthz", "/readyz", "/metrics", "/openapi.json"}
ADMINISTRATIVE = {
    ("POST", "/v1/images"),
    ("DELETE", "/v1/images/{image_id}"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"),
}


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every route of the OpenAPI document."""
    return {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}


def ask(client: TestClient, method: str, path: str, **kwargs: object) -> int:
    url = path.format(image_id=999, instance_id=999, job_id="0" * 24)
    return client.request(method, url, **kwargs).status_code  # type: ignore[arg-type]


def test_every_route_asks_for_its_key(client: TestClient) -> None:
    guarded = {route for route in routes(client.app) if route[1].startswith("/v1/") and route[1] not in OPEN}  # type: ignore[arg-type]
    assert len(guarded) >= 11
    assert guarded >= ADMINISTRATIVE
    for method, path in guarded:
        assert ask(client, method, path) == 401, (method, path)
        assert ask(client, method, path, headers={"X-API-Key": "wrong" * 5}) == 401, (method, path)
        assert ask(client, method, path, headers={"Authorization": "Basic cmVhZDpyZWFk"}) == 401, (method, path)
        as_reader = ask(client, method, path, headers=READER)
        assert (as_reader == 403) == ((method, path) in ADMINISTRATIVE), (method, path, as_reader)
        assert as_reader != 401
        assert ask(client, method, path, headers=ADMINISTRATOR) not in (401, 403), (method, path)


def test_no_route_is_left_out_of_the_document_but_the_page(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    hidden = {route.path for route in app.routes if isinstance(route, APIRoute) and not route.include_in_schema}
    assert all(not path.startswith("/v1") for path in hidden)


def test_a_missing_key_is_answered_as_http_says(client: TestClient) -> None:
    answer = client.get("/v1/images/1")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {READ_KEY}"},
        {"Authorization": f"bearer   {READ_KEY}"},
        {"X-API-Key": READ_KEY},
        {"Authorization": "Basic eDp5", "X-API-Key": READ_KEY},
    ],
)
def test_ways_to_send_a_key(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/v1/images/1", headers=headers).status_code == 200


def test_a_key_in_the_address_counts_for_nothing(client: TestClient) -> None:
    assert client.get(f"/v1/images/1?api_key={READ_KEY}&key={READ_KEY}&X-API-Key={READ_KEY}").status_code == 401


@pytest.fixture
def session(root: Path) -> Iterator[TestClient]:
    """A browser with a session of the administrator."""
    with serving(root) as client:
        assert client.post("/v1/session", json={"api_key": ADMIN_KEY}).status_code == 204
        yield client


def test_a_session_lets_pictures_be_shown(session: TestClient) -> None:
    assert session.get("/v1/images/1/thumbnail").status_code == 200
    assert session.post("/v1/search", json={"expression": "red"}).status_code == 200
    assert session.delete("/v1/session").status_code == 204
    assert session.get("/v1/images/1/thumbnail").status_code == 401


def test_a_wrong_key_gives_no_session(session: TestClient) -> None:
    session.cookies.clear()
    answer = session.post("/v1/session", json={"api_key": "wrong" * 5})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert not session.cookies
    assert "wrong" * 5 not in answer.text


def test_a_wrong_key_is_not_made_good_by_a_session(session: TestClient) -> None:
    assert session.get("/v1/images/1", headers={"X-API-Key": "wrong" * 5}).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/images"), ("DELETE", "/v1/images/999")])
def test_other_pages_cannot_use_an_administrators_session(session: TestClient, method: str, path: str) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil"}):
        assert ask(session, method, path, headers=headers) == 403, headers
    for headers in (SAME_ORIGIN, {"Origin": "http://testserver"}):
        assert ask(session, method, path, headers=headers) in (404, 415), headers
    assert session.get("/v1/jobs").status_code == 200


@pytest.mark.parametrize(
    ("scheme", "mount", "path"), [("http", "", "/"), ("https", "/photos/search", "/photos/search")]
)
def test_the_cookie_is_kept_from_scripts_other_sites_and_other_applications(
    root: Path, scheme: str, mount: str, path: str
) -> None:
    with serving(root) as client:
        browser = TestClient(client.app, base_url=f"{scheme}://testserver", root_path=mount)
        cookie = browser.post(f"{mount}/v1/session", json={"api_key": READ_KEY}).headers["set-cookie"]
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=strict", f"path={path}"} <= parts
        assert ("secure" in parts) == (scheme == "https")
        assert cookie.startswith(f"{COOKIE}=")
        assert READ_KEY not in cookie
        ended = browser.delete(f"{mount}/v1/session").headers["set-cookie"].lower()
        assert f"path={path}" in ended
        assert "max-age=0" in ended


def test_without_keys_everybody_reads_and_nobody_administers(root: Path) -> None:
    with serving(root, keys=False) as client:
        assert client.get("/v1/images/1").status_code == 200
        assert client.get("/v1/images/1", headers={"X-API-Key": "any key will do, 16+"}).status_code == 200
        assert client.get("/v1/stats").json()["access"] == {
            "role": "read",
            "key_required": False,
            "administration": False,
        }
        for method, path in ADMINISTRATIVE:
            url = path.format(image_id=1, job_id="0" * 24)
            answer = client.request(method, url, headers=ADMINISTRATOR | SAME_ORIGIN)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
            assert "--api-key-file" in answer.json()["error"]["message"]
        assert client.post("/v1/session", json={"api_key": ADMIN_KEY}).status_code == 401


def test_stats_say_who_is_asking(client: TestClient) -> None:
    for headers, role in ((READER, "read"), (ADMINISTRATOR, "admin")):
        access = client.get("/v1/stats", headers=headers).json()["access"]
        assert access == {"role": role, "key_required": True, "administration": True}
