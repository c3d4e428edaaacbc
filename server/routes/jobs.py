"""``GET /v1/jobs``: what became of additions and removals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from reir.server.callers import administrator
from reir.server.errors import not_found
from reir.server.job_book import Job
from reir.server.schemas import failures
from reir.server.service import Service, get_service

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(administrator)])


class JobProgress(BaseModel):
    """How far a running addition is."""

    phase: Literal["looking", "indexing", "saving"]
    done: int
    total: int | None
    failed: int


class JobPicture(BaseModel):
    """What became of one picture."""

    path: str | None = Field(description="In the gallery; null for an upload that was not kept.")
    name: str | None = Field(description="The name under which it was uploaded.")
    image_id: int | None
    status: Literal["indexed", "failed", "deleted"]
    cause: str | None = Field(description="Why it failed.")


class JobSummary(BaseModel):
    """One job, and how far it is."""

    model_config = ConfigDict(from_attributes=True)

    job_id: str
    kind: Literal["add", "remove"]
    state: Literal["waiting", "running", "done", "failed"]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    message: str | None = Field(description="What it waits for, or why it failed.")
    image_id: int | None = Field(description="The picture that is removed.")
    snapshot: int | None = Field(description="The snapshot that shows what was done.")
    progress: JobProgress | None
    counts: dict[str, int] | None = Field(
        description="Of an ended job: new, changed, moved, duplicates, deleted, unchanged, failed, instances, removed."
    )


class JobAnswer(JobSummary):
    """One job, and what became of each picture."""

    pictures: list[JobPicture] = Field(description="The first thousand, once the job has ended; folders are counted.")


class JobsAnswer(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobSummary]


@router.get("", summary="The newest jobs.", responses=failures(401, 403))
def jobs(
    service: Annotated[Service, Depends(get_service)],
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> JobsAnswer:
    """The jobs of every process that serves this index, newest first."""
    return JobsAnswer(jobs=[JobSummary.model_validate(job) for job in service.jobs.newest(limit)])


@router.get("/{job_id}", summary="One job.", responses=failures(401, 403, 404))
def job(
    job_id: Annotated[
        str, Path(max_length=64, description="job_id of an answer.", examples=["18a0c55d9f3b2e417c0ffee1"])
    ],
    service: Annotated[Service, Depends(get_service)],
) -> JobAnswer:
    """How far it is and what came of it. The last 200 that have ended are kept."""
    found = service.jobs.get(job_id)
    if found is None:
        raise not_found("no job has this id, or it has been forgotten")
    return JobAnswer.model_validate(found)


def accepted(request: Request, response: Response, job: Job) -> JobAnswer:
    """The answer to a request that became a job; ``Location`` says where it can be followed."""
    response.headers["Location"] = request.url_for("job", job_id=job.job_id).path
    return JobAnswer.model_validate(job)
