"""The JSON that the service takes and gives, for its OpenAPI document; the fields are those of `reir.types`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reir.rerank import STAGE_TOP
from reir.search import BOXES_PER_IMAGE

LARGEST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]
"""A picture's or an instance's id, as the store has it (int64)."""

Box = Annotated[
    list[float],
    Field(
        min_length=4,
        max_length=4,
        description="x0, y0, x1, y1 in pixels of the upright original.",
        examples=[[1, 2, 9, 8]],
    ),
]


StageName = Annotated[str, Field(min_length=1, max_length=64, examples=["templates"])]
"""A stage by the name under which the service offers it (``stages`` of ``/v1/stats``)."""


class ErrorBody(BaseModel):
    """What went wrong: a code for programs, a message for people."""

    code: str = Field(examples=["instance_gone"])
    message: str
    details: dict[str, Any] | None


class ErrorAnswer(BaseModel):
    """The answer to every request that fails, on every route."""

    error: ErrorBody


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of these statuses, each with the one error shape."""
    return {status: {"model": ErrorAnswer, "description": _FAILURES[status]} for status in statuses}


_FAILURES = {
    400: "The request contradicts itself or names something that cannot be.",
    401: "A key is needed, or the one given is not known.",
    403: "The key does not allow this, or administration is off.",
    404: "There is no such thing.",
    405: "The route does not take this method.",
    409: "What is stored contradicts the request: the file changed, or another process is writing.",
    410: "It was there and is gone: the gallery changed. Search anew.",
    413: "The request is too large.",
    415: "The body is neither JSON nor a form, or the file is of no known format.",
    422: "The request does not fit its schema, or a picture in it cannot be read.",
    503: "Too much waits, or the index is not ready. Try again after Retry-After seconds.",
}


class FilterBody(BaseModel):
    """Which pictures may answer: all given conditions hold."""

    model_config = ConfigDict(extra="forbid")

    path_prefix: str | None = Field(None, max_length=4096, description="The path in the gallery begins so.")
    after: str | None = Field(
        None, max_length=64, description="Taken then or later by the camera's clock.", examples=["2024", "2024-05-17"]
    )
    before: str | None = Field(None, max_length=64, description="Taken earlier than that.", examples=["2025-01"])
    image_ids: list[Id] | None = Field(None, max_length=100_000, description="Only these pictures.")
    external_ids: list[Annotated[str, Field(max_length=1024)]] | None = Field(
        None, max_length=100_000, description="Only the pictures with these ids of yours."
    )


class SearchOptions(BaseModel):
    """How much of the answer is wanted, and from which pictures."""

    model_config = ConfigDict(extra="forbid")

    top: int = Field(10, ge=1, le=1000, description="How many pictures, or boxes with group_by none.")
    group_by: Literal["image", "none"] = Field("image", description="Rank pictures by their best box, or single boxes.")
    boxes_per_image: int = Field(BOXES_PER_IMAGE, ge=1, le=100, description="Boxes of one picture at most.")
    min_score: float | None = Field(None, allow_inf_nan=False, description="Leave out boxes scored lower.")
    filter: FilterBody | None = None
    rerank: list[StageName] = Field(
        [], max_length=8, description="Stages that rank the best boxes anew, in this order."
    )
    refine: StageName | None = Field(None, description="The stage that betters the boxes that are shown.")
    mask: StageName | None = Field(None, description="The stage that gives the boxes that are shown masks.")
    stage_top: int = Field(STAGE_TOP, ge=1, le=1000, description="How many boxes are ranked anew.")
    stage_seconds: float | None = Field(
        None, gt=0, le=3600, description="Time budget of each stage; the service's own limit holds as well."
    )
    blend: dict[Annotated[str, Field(max_length=64)], Annotated[float, Field(allow_inf_nan=False)]] = Field(
        {}, max_length=16, description="Numbers that mix the parts of the model's score, in place of its own."
    )


class SearchBody(SearchOptions):
    """One search: exactly one of ``expression``, ``instance_id`` and ``cursor``."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"expression": "brown dog on a cushion near a fireplace", "top": 5},
                {"expression": ["a red cup", "second dog from the left"], "filter": {"after": "2024"}},
                {"instance_id": 123, "group_by": "none"},
            ]
        },
    )

    expression: str | Annotated[list[str], Field(min_length=1, max_length=32)] | None = Field(
        None, description="A description of one thing, or several descriptions, each with an answer of its own."
    )
    instance_id: Id | None = Field(None, description="An instance found before: more like this.")
    cursor: str | None = Field(
        None,
        max_length=100_000,
        description="next_cursor of an answer: its next page, with all but top sent again as before.",
    )


class HitAnswer(BaseModel):
    """One (picture, box) hit."""

    rank: int
    score: float = Field(description="The raw inner product, or the last stage's score.")
    probability: float | None = Field(description="Calibrated chance that it is the described object.")
    image_id: int
    external_id: str | None
    path: str = Field(description="Relative to the gallery.")
    width: int
    height: int
    box: Box
    objectness: float
    instance_id: int
    mask: dict[str, Any] | None = Field(description="COCO RLE.")
    stages: dict[str, Any]


class SearchAnswer(BaseModel):
    """The answer to one query."""

    expression: str | None
    model: str
    snapshot: int
    no_match: bool | None = Field(description="Whether nothing in the gallery fits; null without calibration.")
    next_cursor: str | None
    timings_ms: dict[str, float] = Field(description="Of each step: wait, encode, search, metadata, total.")
    warnings: list[str]
    hits: list[HitAnswer]


class SearchAnswers(BaseModel):
    """The answers to several expressions, in their order."""

    results: list[SearchAnswer]


class ModelAnswer(BaseModel):
    """The model that made the index."""

    name: str
    fingerprint: str
    dimension: int
    notice: str | None = Field(description="What every user must be told, for example of a demo model's narrow world.")
    calibrated: bool = Field(description="Whether hits carry a probability.")


class AccessAnswer(BaseModel):
    """What the caller may do."""

    role: Literal["read", "admin"]
    key_required: bool
    administration: bool = Field(description="Whether pictures can be added and removed over HTTP at all.")


class StageAnswer(BaseModel):
    """A stage that searches may ask for."""

    name: str = Field(description="What rerank, refine or mask of a search takes.")
    kind: Literal["rerank", "refine", "mask"]
    summary: str
    needs_expression: bool = Field(description="Whether it has nothing to say on a search by example.")


class StatsAnswer(BaseModel):
    """What the service serves."""

    version: str
    model: ModelAnswer
    snapshot: int
    images: int
    instances: int
    failed: int
    stages: list[StageAnswer] = Field(description="Those that can look at this model's index.")
    stage_seconds: float = Field(description="Most seconds that one stage of a search may take.")
    access: AccessAnswer


class InstanceInImage(BaseModel):
    """One stored object of a picture."""

    instance_id: int
    box: Box
    objectness: float


class ImageAnswer(BaseModel):
    """One picture of the index with its objects."""

    image_id: int
    external_id: str | None
    path: str
    width: int
    height: int
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None
    status: Literal["indexed", "failed"]
    snapshot: int
    instances: list[InstanceInImage]


class InstanceAnswer(BaseModel):
    """One stored object and the picture that it stands in."""

    instance_id: int
    image_id: int
    external_id: str | None
    path: str
    width: int
    height: int
    box: Box
    objectness: float
    snapshot: int
