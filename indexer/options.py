"""What a run is asked to do, and what it reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_MAX_INSTANCES = 30
"""Instances kept of a picture, as in CLARE (section 4.1)."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to bring an index up to date.

    Args:
        paths: folders or files under the root, absolute or from the working folder; only these are brought up to date.
            None, or the root itself, means everything.
        exclude_dirs: folders to leave out, by name or by path relative to the root.
        workers: decoding processes; by default one for each usable core. 0: pictures are decoded in this process, which
            starts sooner and ends with the first picture that crashes the decoder.
        max_instances: instances kept of a picture, best objectness first. None: as the index was made (30 for a new
            one). It is one of the settings of an index: another number is refused.
        verify: hash every file, also those whose size and time have not changed.
        prune: let pictures go even if the root is missing or more than half of the known files have vanished.
        dry_run: only say what would be done; nothing is written and no model is loaded.
        rebuild: look at every picture again, whether it has changed or not.
        batch: pictures that are given to the model at once at most; a slow model gets fewer, and it may sort them into
            smaller batches by their shapes.
        commit_pictures: new pictures after which a snapshot is published.
        commit_seconds: seconds after which one is published, if there is anything new.
        external_ids: the caller's own ids of pictures, by path relative to the root.
    """

    paths: Sequence[Path] | None = None
    exclude_dirs: Collection[str] = ()
    workers: int | None = None
    max_instances: int | None = None
    verify: bool = False
    prune: bool = False
    dry_run: bool = False
    rebuild: bool = False
    batch: int = 32
    commit_pictures: int = 4096
    commit_seconds: float = 60.0
    external_ids: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "commit_pictures"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers must be at least 0, got {self.workers}")
        if self.max_instances is not None and self.max_instances < 1:
            raise ValueError(f"max_instances must be at least 1, got {self.max_instances}")


@dataclass(slots=True)
class IndexReport:
    """What a run did: numbers of pictures, the ones it could not read, and what the user should know.

    ``unchanged`` counts pictures whose content is as the index knows it, whatever their time says; ``failed_before``
    those that could not be read earlier and have not changed since. ``failed`` holds (path, cause) of this run.
    ``images_per_second`` is the pace over all files that were opened. ``interrupted`` tells that the run was stopped
    by Ctrl-C; what it had done is kept.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    duplicates: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed_before: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    instances: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    snapshot: int = 0
    messages: list[str] = field(default_factory=list)
    dry_run: bool = False
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record["failed"] = [{"path": path, "cause": cause} for path, cause in self.failed]
        record["seconds"] = round(self.seconds, 3)
        record["images_per_second"] = round(self.images_per_second, 2)
        return record
