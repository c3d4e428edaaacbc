"""Weights from the Hugging Face hub: found in its cache, fetched when asked for, held to their hashes."""

from reir.models.hub.cache import cached_snapshot, hub_cache, hub_endpoint, is_offline
from reir.models.hub.fetch import HubDownload, plan_download
from reir.models.hub.fetch_file import FileDownload, plan_file
from reir.models.hub.find import expected_hashes, find_folder, find_published_file, pinned_revision
from reir.models.hub.hashes import compute_sha256, digest_of_folder, matching_files, sha256_of
from reir.models.hub.listing import HubUnreachableError
from reir.models.hub.records import RECORD_FILE, Record
from reir.models.hub.sources import (
    TOKENIZER_REPOSITORIES,
    FileSource,
    HubSource,
    Source,
    hub_source,
    model_source,
    published_file,
    tokenizer_source,
)
from reir.models.hub.verify import CheckedFile, check_folder, check_source, is_here

__all__ = [
    "RECORD_FILE",
    "TOKENIZER_REPOSITORIES",
    "CheckedFile",
    "FileDownload",
    "FileSource",
    "HubDownload",
    "HubSource",
    "HubUnreachableError",
    "Record",
    "Source",
    "cached_snapshot",
    "check_folder",
    "check_source",
    "compute_sha256",
    "digest_of_folder",
    "expected_hashes",
    "find_folder",
    "find_published_file",
    "hub_cache",
    "hub_endpoint",
    "hub_source",
    "is_here",
    "is_offline",
    "matching_files",
    "model_source",
    "pinned_revision",
    "plan_download",
    "plan_file",
    "published_file",
    "sha256_of",
    "tokenizer_source",
]
