"""A hub in this process: enough of its protocol for listings, downloads that break off, and ranges."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1_000
"""Bytes from which this hub states a SHA-256, as the hub does for what it keeps outside git."""


@dataclass
class TinyHub:
    """Repositories by name, each a mapping from file name to content; ``cut`` breaks off the next answers."""

    url: str
    repositories: dict[str, dict[str, bytes]]
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request; of a ranged one with its range behind a blank."""
    cut: dict[str, int] = field(default_factory=dict)
    """Bytes after which the connection breaks, once, by file name."""
    down_after_cut: bool = False
    """Whether every connection for a file breaks at once after that."""
    instead: dict[str, bytes] = field(default_factory=dict)
    """What is sent, whole and whatever the range, in place of a file; the listing still states the file."""
    commit: str = COMMIT
    """What listings state."""


@contextmanager
def tiny_hub(repositories: Mapping[str, Mapping[str, bytes]]) -> Iterator[TinyHub]:
    """A hub with these files on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = TinyHub(f"http://127.0.0.1:{server.server_port}", {name: dict(files) for name, files in repositories.items()})
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def git_sha1(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        hub: TinyHub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        wanted = self.headers.get("Range", "")
        hub.requests.append((self.command, f"{path} {wanted}".strip()))
        if path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            if repo not in hub.repositories or revision not in ("main", COMMIT):
                return self._send(404, b"", {}, with_body)
            listing = {**_listing(hub.repositories[repo]), "sha": hub.commit}
            return self._send(200, json.dumps(listing).encode(), {}, with_body)
        repo, _, rest = path.lstrip("/").partition("/resolve/")
        commit, _, name = rest.partition("/")
        content = hub.repositories.get(repo, {}).get(name)
        if hub.down_after_cut and not hub.cut and with_body:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if name in hub.instead:
            return self._send(200, hub.instead[name], {}, with_body)
        if content is None or commit != COMMIT:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
        tag = hashlib.sha256(content).hexdigest() if len(content) >= LARGE else git_sha1(content)
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if wanted.startswith("bytes="):
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            stop = int(end) + 1 if end else len(content)
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            return self._send(206, content[int(start) : stop], headers, with_body, cut=hub.cut.pop(name, None))
        return self._send(200, content, headers, with_body, cut=hub.cut.pop(name, None) if with_body else None)

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool, *, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def _listing(files: Mapping[str, bytes]) -> dict[str, object]:
    siblings = []
    for name, content in files.items():
        record: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
        if len(content) >= LARGE:
            record["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        siblings.append(record)
    return {"sha": COMMIT, "siblings": siblings}
