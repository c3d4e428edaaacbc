"""The cache folder of the Hugging Face hub on this machine, as its own library lays it out.

``models--ORG--NAME/refs/BRANCH`` names a commit, ``models--ORG--NAME/snapshots/COMMIT`` holds its files. The variables
are read at each call, not once at import as the hub's library does.
"""

from __future__ import annotations

import os
from pathlib import Path

MAIN = "main"
"""The revision that is meant where none is named."""


def hub_cache() -> Path:
    """The cache folder: ``HF_HUB_CACHE``, else ``hub`` in ``HF_HOME``, else in the user's cache folder."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    return _user_cache() / "huggingface" / "hub"


def torch_cache() -> Path:
    """Where torchvision keeps weights: ``hub/checkpoints`` in ``TORCH_HOME``, else in torch's cache folder."""
    home = os.environ.get("TORCH_HOME") or str(_user_cache() / "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def clip_cache() -> Path:
    """Where open_clip keeps weights that it has from a plain address."""
    return Path("~/.cache/clip").expanduser()


def is_offline() -> bool:
    """Whether the user has forbidden the network: ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE``."""
    values = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in values)


def hub_endpoint() -> str:
    """The address of the hub: ``HF_ENDPOINT``, by default that of Hugging Face."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def repository_cache(repo: str) -> Path:
    """Where the cache keeps all revisions of a repository."""
    return hub_cache() / f"models--{repo.replace('/', '--')}"


def cached_snapshot(repo: str, revision: str | None = None) -> Path | None:
    """The folder of a repository's files at a revision (a branch or a commit), or None where it is not cached."""
    storage = repository_cache(repo)
    wanted = revision or MAIN
    try:
        commit = (storage / "refs" / wanted).read_text().strip()
    except OSError:
        commit = wanted
    folder = storage / "snapshots" / commit
    return folder if folder.is_dir() else None


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
