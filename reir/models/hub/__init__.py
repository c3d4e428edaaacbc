"""Weights from the Hugging Face hub: found in its cache, fetched when asked for, held to their hashes."""

from reir.models.hub.cache import cached_snapshot, hub_cache, hub_endpoint, is_offline
from reir.models.hub.find import find_folder
from reir.models.hub.hashes import compute_sha256, digest_of_folder, matching_files, sha256_of

__all__ = [
    "cached_snapshot",
    "compute_sha256",
    "digest_of_folder",
    "find_folder",
    "hub_cache",
    "hub_endpoint",
    "is_offline",
    "matching_files",
    "sha256_of",
]
