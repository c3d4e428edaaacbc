"""``/`` and ``/static/...``: the page, its script and its stylesheet. Nothing of the gallery: no key is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from jinja2 import Environment, StrictUndefined

import reir
from reir.server.errors import not_found

router = APIRouter(include_in_schema=False)

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

_MEDIA_TYPES = {"app.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8"}
_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Document:
    """One of the page's files as it is sent."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.body, digest_size=10).hexdigest()


@router.get("/")
def page(request: Request) -> Response:
    """The page. Its links are relative, so that it works under any path."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache"}
    return _answer(request, _page(), headers)


@router.get("/static/{name}")
def static(request: Request, name: str, v: Annotated[str, Query()] = "") -> Response:
    """The script or the stylesheet; under the address that holds its digest it never changes."""
    document = _static().get(name)
    if document is None:
        raise not_found(f"there is no file {name!r}")
    fixed = v == document.digest
    return _answer(request, document, {"Cache-Control": f"public, max-age={_YEAR}, immutable" if fixed else "no-cache"})


def _answer(request: Request, document: _Document, headers: Mapping[str, str]) -> Response:
    """The document, or only the word that the browser has it already."""
    etag = f'"{document.digest}"'
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    headers = {**headers, "ETag": etag}
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(document.body, media_type=document.media_type, headers=headers)


@cache
def _static() -> Mapping[str, _Document]:
    return {name: _Document(_read(name), media_type) for name, media_type in _MEDIA_TYPES.items()}


@cache
def _page() -> _Document:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_read("index.html").decode())
    addresses = {name: f"static/{name}?v={document.digest}" for name, document in _static().items()}
    html = template.render(version=reir.__version__, script=addresses["app.js"], style=addresses["style.css"])
    return _Document(html.encode(), "text/html; charset=utf-8")


def _read(name: str) -> bytes:
    return (resources.files("reir.server") / "page" / name).read_bytes()
