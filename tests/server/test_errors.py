"""Every failure on every route has the one JSON shape, and says nothing of the server's insides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import reir.errors
from reir import Gallery
from reir.errors import (
    ImageUnreadableError,
    IndexDamagedError,
    IndexLockedError,
    IndexNotFoundError,
    InstanceGoneError,
    MissingPackageError,
    ModelMismatchError,
    PicturesMissingError,
    ReirError,
    RootMismatchError,
    SnapshotGoneError,
    UnknownModelError,
    WeightsMissingError,
)
from reir.server import ServiceSettings, create_app
from reir.server.errors import ServiceError, overloaded, response_to

SECRET = Path("/srv/secret")
EXAMPLES: list[tuple[ReirError, int]] = [
    (ReirError(f"something about {SECRET}"), 500),
    (IndexNotFoundError(SECRET), 503),
    (IndexDamagedError(SECRET, "cut off"), 503),
    (IndexLockedError(SECRET, "process 1"), 409),
    (RootMismatchError(SECRET, SECRET, SECRET), 400),
    (ModelMismatchError(SECRET, SECRET, "a", "1", "b", "2"), 503),
    (PicturesMissingError(SECRET, SECRET, []), 500),
    (MissingPackageError("x", "y"), 500),
    (WeightsMissingError("owlv2-base", f"not in {SECRET}", "Get them"), 503),
    (SnapshotGoneError(SECRET, 3), 410),
    (InstanceGoneError(3), 410),
    (ImageUnreadableError("a.jpg", "cut off"), 422),
    (UnknownModelError("x", []), 400),
    (ServiceError(418, "teapot", "short and stout"), 418),
    (overloaded(7), 503),
]


def check_shape(answer: Any) -> None:
    error = answer["error"]
    assert set(answer) == {"error"}
    assert set(error) == {"code", "message", "details"}
    assert isinstance(error["code"], str)
    assert error["message"]


@pytest.mark.parametrize(("error", "status"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_every_error_has_an_answer_without_paths(error: ReirError, status: int) -> None:
    answer = response_to(error)
    body = bytes(answer.body).decode()
    check_shape(json.loads(body))
    assert answer.status_code == status
    assert str(SECRET) not in body
    assert (status == 503) == ("retry-after" in answer.headers)


def test_the_examples_are_all_errors_that_there_are() -> None:
    """A new error should be thought of here: what would its answer be?"""
    named = {kind for kind in vars(reir.errors).values() if isinstance(kind, type) and issubclass(kind, ReirError)}
    seen = {parent for error, _ in EXAMPLES for parent in type(error).__mro__}
    assert len(named) >= 14
    of_commands_only = {"DatasetError", "CalibrationError"}
    assert {kind.__name__ for kind in named - seen} <= of_commands_only


def test_every_route_answers_wrong_methods_and_wrong_ids_in_one_shape(client: TestClient) -> None:
    routes = [
        (path, set(methods) & {"get", "post", "delete"})
        for path, methods in client.get("/openapi.json").json()["paths"].items()
    ]
    assert len(routes) >= 14
    for path, methods in routes:
        address = path
        for name, wrong in (("{image_id}", "no-number"), ("{instance_id}", "no-number"), ("{job_id}", "no-job")):
            address = address.replace(name, wrong)
        answer = client.put(address)
        assert answer.status_code == 405, path
        check_shape(answer.json())
        if "{" in path:
            for method in methods:
                answer = client.request(method, address)
                assert answer.status_code in (401, 403, 404, 422), path
                check_shape(answer.json())
    for address in ("/nothing", "/v1", "/v2/search", "/static/nothing.js", "/v1/images/1/original"):
        answer = client.get(address)
        assert answer.status_code == 404
        check_shape(answer.json())


def test_a_fault_of_ours_is_an_answer_too(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(create_app(ServiceSettings(), gallery=gallery), raise_server_exceptions=False) as client:
        monkeypatch.setattr("reir.search.Searcher.search_many", lambda *_: 1 / 0)
        answer = client.post("/v1/search", json={"expression": "red"})
        assert answer.status_code == 500
        check_shape(answer.json())
        assert "division" not in answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert client.get("/healthz").status_code == 200
