"""Errors as answers: one table from exception to status and code, one JSON shape for all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from reir.errors import (
    ImageUnreadableError,
    IndexDamagedError,
    IndexLockedError,
    IndexNotFoundError,
    InstanceGoneError,
    ModelMismatchError,
    ReirError,
    RootMismatchError,
    SnapshotGoneError,
    UsageError,
    WeightsMissingError,
)

_log = logging.getLogger("reir.server")


class ServiceError(ReirError):
    """An error that only the service knows: a status, a code for programs, a message for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.details, self.headers = status, code, details, headers
        super().__init__(message)


def not_found(message: str) -> ServiceError:
    """The error of something that is not there."""
    return ServiceError(404, "not_found", message)


def overloaded(retry_after: int = 1) -> ServiceError:
    """The error of a full queue; ``retry_after`` in seconds."""
    message = f"the service is busy. Try again in {retry_after} s"
    return ServiceError(503, "overloaded", message, headers={"Retry-After": str(retry_after)})


class _Answer(NamedTuple):
    status: int
    code: str
    message: str | None = None
    """In place of the error's own, where that names folders of the server."""


_ANSWERS: dict[type[ReirError], _Answer] = {
    InstanceGoneError: _Answer(410, "instance_gone"),
    SnapshotGoneError: _Answer(410, "snapshot_gone", "the gallery changed since that page was made. Search anew"),
    ImageUnreadableError: _Answer(422, "unreadable_image"),
    IndexLockedError: _Answer(409, "conflict", "another process is writing to the index. Try again later"),
    RootMismatchError: _Answer(400, "bad_request", "the path lies outside the gallery"),
    ModelMismatchError: _Answer(503, "not_ready", "the index was given to another model. Restart the service"),
    IndexNotFoundError: _Answer(503, "not_ready", "the index is not there"),
    IndexDamagedError: _Answer(503, "not_ready", "the index is damaged. Look with: reir doctor"),
    WeightsMissingError: _Answer(503, "not_ready", "the weights of the index's model are not on this machine"),
    UsageError: _Answer(400, "bad_request"),
    ReirError: _Answer(500, "internal", "the service could not answer"),
}

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "gone",
    413: "too_large",
    415: "unsupported_media",
    422: "invalid_request",
    503: "overloaded",
}


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer to a request that failed: ``{"error": {"code", "message", "details"}}``."""
    content = {"error": {"code": code, "message": message, "details": details}}
    return JSONResponse(content, status, headers=dict(headers or {}))


def response_to(error: ReirError) -> JSONResponse:
    """The answer to a request that ended in this error."""
    if isinstance(error, ServiceError):
        return error_response(error.status, error.code, str(error), details=error.details, headers=error.headers)
    answer = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    if answer.status >= 500:
        _log.error("%s: %s", type(error).__name__, error)
    headers = {"Retry-After": "5"} if answer.status == 503 else None
    return error_response(
        answer.status, answer.code, answer.message or str(error), details=_details(error), headers=headers
    )


def _details(error: ReirError) -> dict[str, Any] | None:
    """What a program must know of an error to tell its own user, see ``reir.client``."""
    if isinstance(error, InstanceGoneError):
        return {"instance_id": error.instance_id}
    return {"snapshot": error.number} if isinstance(error, SnapshotGoneError) else None


def register_handlers(app: FastAPI) -> None:
    """Give every error of every route the one shape."""

    @app.exception_handler(ReirError)
    async def on_reir_error(_: Request, error: ReirError) -> Response:
        return response_to(error)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError | ValidationError) -> Response:
        # Without the input, which may be long or hold what must not be echoed, and without links.
        kept = [{key: problem[key] for key in ("loc", "msg", "type")} for problem in error.errors()]
        first = kept[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        message = f"{where}: {first['msg']}" if where else str(first["msg"])
        return error_response(422, "invalid_request", message, details={"errors": jsonable_encoder(kept)})

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "error")
        headers = error.headers
        if error.status_code == 405:
            headers = {"Allow": ", ".join(sorted(_methods_of(request)))}
        return error_response(error.status_code, code, str(error.detail), headers=headers)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_response(500, "internal", "the service could not answer. Its log says why")


def _methods_of(request: Request) -> set[str]:
    """The methods that this path takes; Starlette names those of the first route only."""
    return {
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }
