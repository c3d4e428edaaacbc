"""What stands before every route: allowed host names, limits on bodies, security headers. Plain ASGI, no buffering."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from anyio import move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reir.server.errors import error_response

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not set them itself (the page has a policy of its own)."""

_DRAINED = 4
_DRAIN_SECONDS = 5.0
"""So many times the limit, and so long, a body that has grown too large is read on and thrown away: a client that is
still sending would otherwise see a broken connection, and never the answer that says why."""


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to every answer, that to a fault of ours included.

    Starlette makes the latter outside of all middleware; so it is made here, by the same handler.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            handler = scope["app"].exception_handlers.get(Exception)
            if started or handler is None:
                raise
            response = await handler(Request(scope), error)
            await response(scope, receive, send_with_headers)


class HostCheck:
    """Refuses requests to a host name that is not this service's.

    A page of somebody else's can have its own name resolve to 127.0.0.1 and so become of one origin with a service
    there (DNS rebinding); its requests still carry that name.

    Args:
        app: what is protected.
        allowed: names without port; ``*.example.org`` for all below one, ``*`` for any. Loopback names and addresses
            are always allowed.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str] = ()) -> None:
        self._app = app
        self._allowed = {name.lower().rstrip(".") for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] in ("http", "websocket") and "*" not in self._allowed:
            named = Headers(scope=scope).getlist("host")
            if len(named) != 1 or not self._allows(host_name(named[0])):
                await _refuse(
                    send,
                    400,
                    "bad_request",
                    "this service does not answer to that host name. Allow it with REIR_ALLOWED_HOSTS",
                    scope,
                )
                return
        await self._app(scope, receive, send)

    def _allows(self, name: str) -> bool:
        if name in self._allowed or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            _, dot, parent = name.partition(".")
            return bool(dot) and any(f"*.{above}" in self._allowed for above in _parents(parent))


class BodyLimit:
    """Refuses bodies beyond a limit with 413, by what they announce and by what arrives.

    Args:
        app: what is protected.
        most: bytes of a body.
        most_uploaded: bytes of a multipart body, which carries pictures.
    """

    def __init__(self, app: ASGIApp, most: int, most_uploaded: int) -> None:
        self._app = app
        self._most = most
        self._most_uploaded = most_uploaded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        multipart = headers.get("content-type", "").lower().startswith("multipart/")
        limit = self._most_uploaded if multipart else self._most
        announced = headers.get("content-length", "0")
        body = _CountedBody(receive, limit)
        if not announced.isdecimal() or len(announced) > 18:
            await _refuse(send, 400, "bad_request", "Content-Length is not a number", scope)
        elif int(announced) > limit:
            # One that waits for "100 Continue" has sent nothing yet, and need not.
            await _refuse_body(send, scope, body, drain="expect" not in headers)
        else:
            await self._answer(scope, body, send)

    async def _answer(self, scope: Scope, body: _CountedBody, send: Send) -> None:
        started = False

        async def send_unless_refused(message: Message) -> None:
            # What the application makes of a body that was cut short is not what the client should read.
            nonlocal started
            if started or not body.exceeded:
                started = True
                await send(message)

        try:
            await self._app(scope, body.receive, send_unless_refused)
        except Exception:
            if not body.exceeded or started:
                raise
        if body.exceeded and not started:
            await _refuse_body(send, scope, body)


class BodyTooLargeError(Exception):
    """Raised inside the application where it reads on in a body that has grown too large."""


class _CountedBody:
    """The receiving side of one request, which counts what passes."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.limit = limit
        self.exceeded = False
        self._receive = receive
        self._size = 0
        self._more = True

    async def receive(self) -> Message:
        """The next message. Raises BodyTooLargeError beyond the limit."""
        message = await self._next()
        if self._size > self.limit:
            self.exceeded = True
            raise BodyTooLargeError
        return message

    async def drain(self) -> None:
        """Read on to the end, or to where it is too much to be patient with."""
        while self._more and self._size <= _DRAINED * self.limit:
            await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._more = message.get("more_body", False)
        else:
            self._more = False
        return message


def host_name(host: str) -> str:
    """The name in a ``Host`` header, lower case, without port, brackets and a final dot."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.rpartition(":")[0] or name
    return name.rstrip(".")


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))]


async def _refuse_body(send: Send, scope: Scope, body: _CountedBody, *, drain: bool = True) -> None:
    if drain:
        with move_on_after(_DRAIN_SECONDS):
            await body.drain()
    message = f"the body is larger than {body.limit:,} bytes"
    await _refuse(send, 413, "too_large", message, scope, {"limit": body.limit})


async def _refuse(
    send: Send, status: int, code: str, message: str, scope: Scope, details: Mapping[str, object] | None = None
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    response = error_response(status, code, message, details=details, headers={"Connection": "close"})
    await response(scope, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
