"""Requests to one service: keys, waiting when it is busy, and its errors as exceptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from reir.errors import ImageUnreadableError, InstanceGoneError, ReirError, SnapshotGoneError, UsageError

LONGEST_WAIT = 30.0
"""Seconds. A service that asks for more patience is not worth waiting for: its answer is passed on at once."""


class ServiceError(ReirError):
    """The service refused or failed; ``code`` is one of the words in docs/serving.md, ``status`` the HTTP status."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.status, self.code, self.message = status, code, message
        self.details = dict(details or {})
        super().__init__(f"{message} ({code}, HTTP {status})")


class ServiceUnreachableError(ReirError):
    """No answer came: nothing listens there, the name is unknown, or the time was up."""

    def __init__(self, url: str, cause: str) -> None:
        self.url, self.cause = url, cause
        super().__init__(f"no answer from {url} ({cause}). Is the service running? Start it with: reir serve")


class Connection:
    """Sends requests to a service at ``url``; safe to use from several threads."""

    def __init__(self, url: str, *, api_key: str | None, timeout: float, retries: int) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UsageError(f"{url!r} is not the URL of a service. Write it like http://127.0.0.1:8080")
        self.url = url
        self._retries = retries
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=parsed,
            headers={} if api_key is None else {"Authorization": f"Bearer {api_key}"},
            timeout=timeout,
            # A redirect would carry the key and the pictures to wherever an answer points.
            follow_redirects=False,
        )

    def json(self, method: str, path: str, *, more_seconds: float = 0.0, **content: Any) -> Any:
        """The JSON body of an answer; ``content`` as for ``httpx.Client.request``.

        The service may take ``more_seconds`` than other requests.
        """
        if more_seconds:
            content["timeout"] = self._timeout + more_seconds
        response = self._request(method, path, **content)
        try:
            return response.json()
        except ValueError:
            raise self._not_reir(response) from None

    def bytes(self, path: str, **content: Any) -> bytes:
        """The body of a picture."""
        return self._request("GET", path, **content).content

    def close(self) -> None:
        """Close the connections that are kept open for further requests."""
        self._http.close()

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        for attempts_left in range(self._retries, -1, -1):
            try:
                response = self._http.request(method, path, **content)
            except httpx.TransportError as error:
                raise ServiceUnreachableError(self.url, str(error) or type(error).__name__) from error
            wait = _retry_after(response)
            if wait is None or wait > LONGEST_WAIT or not attempts_left:
                break
            time.sleep(wait)
        if not response.is_success:
            raise self._error(response)
        return response

    def _error(self, response: httpx.Response) -> ReirError:
        if response.is_redirect:
            target = response.headers.get("location", "nowhere")
            return UsageError(f"{self.url} points to {target}, and redirects are not followed: use that URL itself")
        try:
            told = response.json()["error"]
            code, message, details = told["code"], told["message"], told.get("details") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._not_reir(response)
        make = _ERRORS.get(code)
        if make is not None:
            error = make(self.url, message, details)
            if error is not None:
                return error
        return ServiceError(response.status_code, code, message, details)

    def _not_reir(self, response: httpx.Response) -> ServiceError:
        kind = response.headers.get("content-type", "no type")
        return ServiceError(response.status_code, "not_reir", f"{response.url} does not answer as reir does ({kind})")


def _instance_gone(_: str, __: str, details: Mapping[str, Any]) -> ReirError | None:
    number = details.get("instance_id")
    return None if number is None else InstanceGoneError(int(number))


def _snapshot_gone(url: str, _: str, details: Mapping[str, Any]) -> ReirError | None:
    number = details.get("snapshot")
    return None if number is None else SnapshotGoneError(url, int(number))


def _usage(_: str, message: str, __: Mapping[str, Any]) -> ReirError:
    return UsageError(message)


def _unreadable(_: str, message: str, __: Mapping[str, Any]) -> ReirError:
    name, colon, cause = message.partition(": ")
    return ImageUnreadableError(name if colon else "image", cause if colon else message)


_ERRORS: dict[str, Callable[[str, str, Mapping[str, Any]], ReirError | None]] = {
    "bad_request": _usage,
    "invalid_request": _usage,
    "instance_gone": _instance_gone,
    "snapshot_gone": _snapshot_gone,
    "unreadable_image": _unreadable,
}
"""Codes whose meaning ``reir.errors`` has a class for; a None means that the details do not say enough to make it."""


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds after which a busy service wants to be asked again, or None if it does not say so."""
    told = response.headers.get("retry-after")
    if response.status_code != 503 or told is None:
        return None
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
