"""What the hub has of a repository: its commit, its files, their sizes and hashes. One short request."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from queue import Empty, SimpleQueue
from typing import TypeVar

from reir.models.hub.cache import MAIN, hub_endpoint, is_offline

T = TypeVar("T")

_HASH = re.compile("[0-9a-fA-F]{40,64}")
"""Of commits and files. They become names in the cache, so nothing else is taken from a hub."""

PATIENCE = 2.5
"""Seconds after which a hub that has not answered counts as out of reach."""


class HubUnreachableError(Exception):
    """The hub gave no usable answer; the text says why. Callers turn it into what the user can do."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub states it: ``sha256`` for a large one, ``git_sha1`` of git's blob for a small one."""

    name: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repository at one commit."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]


def ask_hub(repo: str, revision: str | None = None) -> Listing:
    """The hub's answer on a repository, within ``PATIENCE`` seconds whatever the network does.

    Raises:
        HubUnreachableError: the network is forbidden, does not answer in time, or answers with something else.
    """
    if is_offline():
        raise HubUnreachableError("HF_HUB_OFFLINE forbids the network")
    endpoint = hub_endpoint()
    try:
        return within(PATIENCE, lambda: _request(endpoint, repo, revision))
    except TimeoutError:
        raise HubUnreachableError(f"{endpoint} did not answer within {PATIENCE:g} seconds") from None


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call, or ``TimeoutError``. Name resolution knows no time limit, so it runs in a thread."""
    outcomes: SimpleQueue[T | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            outcomes.put(call())
        except BaseException as error:  # raised again below, in the thread that waits
            outcomes.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        outcome = outcomes.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _request(endpoint: str, repo: str, revision: str | None) -> Listing:
    import httpx

    url = f"{endpoint}/api/models/{repo}/revision/{(revision or MAIN).replace('/', '%2F')}?blobs=true"
    try:
        answer = httpx.get(url, headers=token_headers(), timeout=PATIENCE, follow_redirects=True)
    except httpx.HTTPError as error:
        raise HubUnreachableError(f"{endpoint} cannot be reached: {error or type(error).__name__}") from error
    if answer.status_code in (401, 403):
        raise HubUnreachableError(
            f"{endpoint} refuses {repo}: it is private or gated (log in with: hf auth login), or does not exist"
        )
    if answer.status_code != 200:
        raise HubUnreachableError(f"{endpoint} answers {answer.status_code} for {repo} at {revision or MAIN}")
    try:
        record = answer.json()
        files = tuple(
            RemoteFile(
                name=str(file["rfilename"]),
                size=int(file["size"]),
                sha256=(file.get("lfs") or {}).get("sha256"),
                git_sha1=file.get("blobId"),
            )
            for file in record["siblings"]
        )
        if any(PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts for file in files):
            raise ValueError("a file outside the repository")
        listing = Listing(repo, str(record["sha"]), files)
        hashes = {listing.commit, *(file.sha256 for file in files), *(file.git_sha1 for file in files)} - {None}
        if not all(_HASH.fullmatch(str(each)) for each in hashes):
            raise ValueError("a hash that is none")
        return listing
    except (ValueError, KeyError, TypeError) as error:
        raise HubUnreachableError(f"{endpoint} answers with something else than the hub") from error


def token_headers() -> dict[str, str]:
    """The user's own key to the hub, if there is one: for repositories that ask for it."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}
