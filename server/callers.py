"""Who is calling: dependencies that let a route's readers or administrators through.

They are coroutines though they wait for nothing: plain functions would go through the thread pool on every request.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from reir.server.access import COOKIE, Role, forbidden, from_same_origin, unauthorized
from reir.server.service import Service, get_service

_bearer = HTTPBearer(auto_error=False, description="An API key.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Given by POST /v1/session, for pages.")


async def reader(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Role:
    """The role of a caller who may read.

    A cookie counts for reading only, which includes the one reading POST route: answers to a page of another origin
    are kept from it by its browser. An administrator's cookie counts as such where the browser says that a page of
    this very origin sent the request.

    Raises:
        ServiceError: 401, a key is needed.
    """
    keys = service.keys
    if not keys.required:
        return Role.READ
    key = (bearer.credentials.strip() if bearer is not None else "") or header
    if key:
        role = keys.role_of(key)
        if role is None:
            raise unauthorized("this API key is not known")
        return role
    role = keys.role_of_session(cookie) if cookie else None
    if role is None:
        raise unauthorized("an API key is needed: send Authorization: Bearer KEY, or X-API-Key: KEY")
    if role is Role.ADMIN and request.method not in ("GET", "HEAD") and not from_same_origin(request.headers):
        return Role.READ
    return role


async def administrator(
    role: Annotated[Role, Depends(reader)], service: Annotated[Service, Depends(get_service)]
) -> Role:
    """The role of a caller who may change the gallery.

    Raises:
        ServiceError: 401, a key is needed; 403, it is not an administrator's, or there are none.
    """
    if not service.keys.administration:
        raise forbidden("administration is off: start the service with --api-key-file, and an admin key in that file")
    if role is not Role.ADMIN:
        raise forbidden("this needs the API key of an administrator; the cookie of one counts on this service's page")
    return role


Reader = Annotated[Role, Depends(reader)]
Administrator = Annotated[Role, Depends(administrator)]
