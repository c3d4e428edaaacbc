"""``POST`` and ``DELETE /v1/session``: the cookie with which a page's pictures are shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from reir.server.access import COOKIE, SESSION_SECONDS, unauthorized
from reir.server.schemas import failures
from reir.server.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["session"])


class SessionBody(BaseModel):
    """The key that the session stands for."""

    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(min_length=1, max_length=512)


@router.post(
    "/session",
    status_code=204,
    response_class=Response,
    summary="Begin a session.",
    responses={204: {"description": f"The cookie {COOKIE} is set."}, **failures(400, 401, 413)},
)
def begin(body: SessionBody, request: Request, service: Annotated[Service, Depends(get_service)]) -> Response:
    """A cookie that stands for an API key, for pages: an `<img>` cannot send a key.

    It ends after seven days, with `DELETE /v1/session`, or when the key is taken out of the key file.
    """
    value = service.keys.session(body.api_key)
    if value is None:
        raise unauthorized("this API key is not known")
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        value,
        max_age=SESSION_SECONDS,
        path=_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.delete(
    "/session",
    status_code=204,
    response_class=Response,
    summary="End a session.",
    responses={204: {"description": "The cookie is taken back."}},
)
def end(request: Request) -> Response:
    """Nothing, and the cookie is gone."""
    response = Response(status_code=204)
    secure = request.url.scheme == "https"
    response.delete_cookie(COOKIE, path=_path(request), secure=secure, httponly=True, samesite="strict")
    return response


def _path(request: Request) -> str:
    """Where the service is mounted: the cookie is for nothing else on that host."""
    return str(request.scope.get("root_path", "")) or "/"
