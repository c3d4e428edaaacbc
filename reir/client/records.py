"""What the service says of itself, of a picture, of an instance and of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from reir.errors import ReirError
from reir.types import Box, ModelIdentity


@dataclass(frozen=True, slots=True)
class StageInfo:
    """A stage that searches may ask for: ``name`` is what their option of this ``kind`` takes."""

    name: str
    kind: Literal["rerank", "refine", "mask"]
    summary: str
    needs_expression: bool
    """Whether it has nothing to say on a search by example."""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What a service holds, as of its newest snapshot, and what the caller may do there."""

    version: str
    model: ModelIdentity
    notice: str | None
    """What every user of the model must be told."""
    calibrated: bool
    """Whether hits have a ``probability`` and answers a ``no_match``."""
    snapshot: int
    images: int
    instances: int
    failed: int
    role: Literal["read", "admin"]
    key_required: bool
    administration: bool
    """Whether the service takes additions and removals at all."""
    stages: tuple[StageInfo, ...]
    stage_seconds: float
    """Most seconds that one stage of a search may take."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The facts of a JSON object."""
        model, access = record["model"], record["access"]
        return cls(
            version=record["version"],
            model=ModelIdentity(model["name"], model["fingerprint"], model["dimension"]),
            notice=model["notice"],
            calibrated=model["calibrated"],
            snapshot=record["snapshot"],
            images=record["images"],
            instances=record["instances"],
            failed=record["failed"],
            role=access["role"],
            key_required=access["key_required"],
            administration=access["administration"],
            stages=tuple(
                StageInfo(one["name"], one["kind"], one["summary"], one["needs_expression"]) for one in record["stages"]
            ),
            stage_seconds=record["stage_seconds"],
        )


@dataclass(frozen=True, slots=True)
class InstanceInfo:
    """One stored instance: its picture, and its box in pixels of the upright original."""

    instance_id: int
    image_id: int
    box: Box
    objectness: float

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, image_id: int | None = None) -> Self:
        """The instance of a JSON object; ``image_id`` where the object does not repeat it."""
        x0, y0, x1, y1 = record["box"]
        owner = record["image_id"] if image_id is None else image_id
        return cls(record["instance_id"], owner, (x0, y0, x1, y1), record["objectness"])


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One picture of the gallery with its instances, best objectness first."""

    image_id: int
    external_id: str | None
    path: str
    width: int
    height: int
    taken_at: datetime | None
    """By the camera's clock, without a zone."""
    latitude: float | None
    longitude: float | None
    status: str
    snapshot: int
    instances: tuple[InstanceInfo, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The picture of a JSON object; fields that a later version may have added are passed over."""
        known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        instances = tuple(InstanceInfo.from_json(one, image_id=record["image_id"]) for one in record["instances"])
        return cls(**{**known, "taken_at": _moment(record["taken_at"]), "instances": instances})


@dataclass(frozen=True, slots=True)
class Job:
    """A change of the gallery that runs in the background; ``detail`` has what else the service says of it."""

    job_id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed"]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    detail: Mapping[str, Any]

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed")

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The job of a JSON object."""
        detail = {name: value for name, value in record.items() if name not in cls.__dataclass_fields__}
        return cls(
            job_id=record["job_id"],
            kind=record["kind"],
            state=record["state"],
            created_at=datetime.fromisoformat(record["created_at"]),
            started_at=_moment(record["started_at"]),
            ended_at=_moment(record["ended_at"]),
            detail=detail,
        )


class JobFailedError(ReirError):
    """A job that was waited for has failed; ``job`` says what is known of it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.job_id} ({job.kind}) failed: {job.detail.get('message') or 'no cause was told'}")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
