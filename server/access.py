"""Who may do what: API keys from a file, and the cookie that lets the page show pictures without sending a key.

There is no delay after a wrong key and no counter of them: keys are long and random (at least 16 characters), so
guessing is hopeless at any rate, while a delay would hold connections and a counter could lock the owner out.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reir.errors import UsageError
from reir.server.errors import ServiceError

SHORTEST_KEY = 16
COOKIE = "reir_session"
SESSION_SECONDS = 7 * 24 * 3600

_LOG = logging.getLogger(__name__)
_LINE = re.compile(r"(\S+)\s+(\S+)")


class Role(StrEnum):
    """What a caller may do; an administrator may read too."""

    READ = "read"
    ADMIN = "admin"


def unauthorized(message: str) -> ServiceError:
    """The error of a caller without a key that is known."""
    return ServiceError(401, "unauthorized", message, headers={"WWW-Authenticate": 'Bearer realm="reir"'})


def forbidden(message: str) -> ServiceError:
    """The error of a caller who may not do this."""
    return ServiceError(403, "forbidden", message)


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    role: Role


class Keys:
    """The keys of a service, of which only hashes are kept in memory. Without any, everybody may read."""

    def __init__(self, keys: Mapping[str, Role] | None = None) -> None:
        self._keys = [_Key(_digest(key), role) for key, role in (keys or {}).items()]

    @classmethod
    def load(cls, path: Path | None) -> Keys:
        """The keys in a file; none without a file.

        One key a line: ``read KEY`` or ``admin KEY``. Empty lines and lines that begin with ``#`` are passed over.

        Raises:
            UsageError: the file cannot be read or holds no key, or a line is none of these; it is named by its number,
                never by what it says.
        """
        if path is None:
            return cls()
        try:
            lines = path.read_text("utf-8").splitlines()
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"API key file {path} cannot be read: {error}") from error
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            # A warning only: files that container platforms mount as secrets are often readable by all.
            _LOG.warning("API key file %s can be read by other users. Make it yours alone: chmod 600 %s", path, path)
        keys: dict[str, Role] = {}
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                role, key = _parse(line, f"{path}, line {number}")
                if key in keys:
                    raise UsageError(f"{path}, line {number}: this key stands in the file twice")
                keys[key] = role
        if not keys:
            raise UsageError(f"API key file {path} holds no key. Write one a line: read KEY, or admin KEY")
        return cls(keys)

    @property
    def required(self) -> bool:
        """Whether callers need a key."""
        return bool(self._keys)

    @property
    def administration(self) -> bool:
        """Whether anybody can be an administrator."""
        return any(key.role is Role.ADMIN for key in self._keys)

    def role_of(self, key: str) -> Role | None:
        """The role of a key, or None. Takes equally long whichever key it is, and whether it is one or not."""
        given = _digest(key)
        found = None
        for known in self._keys:
            if hmac.compare_digest(known.digest, given):
                found = known.role
        return found

    def session(self, key: str, *, now: float | None = None) -> str | None:
        """The value of a cookie that stands for a key for a while, or None for an unknown key.

        It does not hold the key, it is good in every process that has the same key file, and it ends with the key:
        an expiry, and its HMAC under the hash of the key.
        """
        if self.role_of(key) is None:
            return None
        expiry = str(int(time.time() if now is None else now) + SESSION_SECONDS)
        return f"{expiry}.{_sign(_digest(key), expiry)}"

    def role_of_session(self, value: str, *, now: float | None = None) -> Role | None:
        """The role of the key that a cookie stands for, or None when it stands for none or has expired."""
        expiry, _, signature = value.partition(".")
        given = signature.encode()
        found = None
        for known in self._keys:
            if hmac.compare_digest(_sign(known.digest, expiry).encode(), given):
                found = known.role
        # Only what was signed here is taken for a number.
        if found is None or int(expiry) <= (time.time() if now is None else now):
            return None
        return found


def from_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of this very origin sent the request.

    A cookie is sent by the browser whoever wrote the page, and ``SameSite`` counts every port of a host as the same
    site, so that it alone does not make a request the user's own.
    """
    fetch_site = headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    origin = headers.get("origin", "")
    _, scheme, host = origin.partition("://")
    return bool(scheme) and host.lower() == headers.get("host", "").lower()


def _parse(line: str, where: str) -> tuple[Role, str]:
    match = _LINE.fullmatch(line.strip())
    roles: Sequence[str] = [role.value for role in Role]
    if match is None or match[1] not in roles or not match[2].isascii():
        raise UsageError(f"{where}: expected read KEY or admin KEY, the key of ASCII characters")
    if len(match[2]) < SHORTEST_KEY:
        raise UsageError(
            f"{where}: the key is shorter than {SHORTEST_KEY} characters. "
            'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return Role(match[1]), match[2]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _sign(digest: bytes, expiry: str) -> str:
    return hmac.new(digest, f"reir session until {expiry}".encode(), hashlib.sha256).hexdigest()
