"""``POST /v1/search``."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from reir.errors import ReirError
from reir.imaging import decode_picture
from reir.rerank import StagePlan
from reir.search import Cursor, Example, Query, SearchRequest, parse_date
from reir.server.callers import reader
from reir.server.errors import ServiceError, response_to
from reir.server.schemas import FilterBody, SearchAnswer, SearchAnswers, SearchBody, SearchOptions, failures
from reir.server.service import Service, get_service
from reir.store import ImageFilter
from reir.types import Picture

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[Depends(reader)])


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema with no reference in it: one that FastAPI does not know has no place for definitions."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rsplit("/", 1)[1]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(value) for value in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = resolve(schema)
    return inlined


_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": _inlined(SearchBody)},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "image": {"type": "string", "format": "binary", "description": "A crop of the thing."},
                    "request": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": _inlined(SearchOptions),
                        "description": "The other fields of a search, as JSON.",
                    },
                },
                "required": ["image"],
                "additionalProperties": False,
            }
        },
    },
}


@router.post(
    "/search",
    summary="Find the thing that is described, or shown.",
    response_model=SearchAnswer | SearchAnswers,
    responses=failures(400, 401, 410, 413, 415),
    openapi_extra={"requestBody": _BODY},
)
async def search(request: Request, service: Annotated[Service, Depends(get_service)]) -> JSONResponse:
    """Ranked hits for an expression, several expressions, an instance found before, or an uploaded crop.

    By default pictures are ranked by their best box, and the boxes of one picture share its rank. Several expressions
    are answered as `{"results": [...]}`. `next_cursor` asks for the next page: it holds the snapshot of the
    gallery and the place, so that pages neither repeat nor skip a hit; 410 says that the snapshot is no longer kept.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = SearchBody.model_validate_json(await request.body())
        where = _where(body.filter)
        if isinstance(body.expression, list):
            searches = [_request(expression, body, where, service) for expression in body.expression]
            answers = await service.search(searches)
            failed = next((answer for answer in answers if isinstance(answer, ReirError)), None)
            if failed is not None:
                return response_to(failed)
            return JSONResponse({"results": [answer.to_json() for answer in answers]})  # type: ignore[union-attr]
        asked = _request(_query(body), body, where, service)
    elif kind == "multipart/form-data":
        crop, options = await _form(request, service)
        asked = _request(await service.encode_example(crop), options, _where(options.filter), service)
    else:
        message = "send application/json, or multipart/form-data with a file field named image"
        raise ServiceError(415, "unsupported_media", message)
    (answer,) = await service.search([asked])
    return response_to(answer) if isinstance(answer, ReirError) else JSONResponse(answer.to_json())


def _query(body: SearchBody) -> Query:
    given = [value for value in (body.expression, body.instance_id, body.cursor) if value is not None]
    if len(given) != 1:
        raise ServiceError(
            422, "invalid_request", "give exactly one of expression, instance_id and cursor, or upload an image"
        )
    if isinstance(body.expression, str):
        return body.expression
    return Example(body.instance_id) if body.instance_id is not None else Cursor.decode(str(body.cursor))


def _request(query: Query, options: SearchOptions, where: ImageFilter | None, service: Service) -> SearchRequest:
    most = service.settings.stage_seconds
    seconds = most if options.stage_seconds is None else min(options.stage_seconds, most)
    name = service.stages.full_name
    stages = StagePlan(
        tuple(name(stage, "rerank") for stage in options.rerank),
        None if options.refine is None else name(options.refine, "refine"),
        None if options.mask is None else name(options.mask, "mask"),
        options.stage_top,
        seconds,
    )
    # One filter for all expressions of a request: searches that have it in common share a pass over the vectors.
    return SearchRequest(
        query,
        top=options.top,
        flat=options.group_by == "none",
        where=where,
        min_score=options.min_score,
        boxes=options.boxes_per_image,
        stages=stages,
        blend=options.blend or None,
    )


def _where(given: FilterBody | None) -> ImageFilter | None:
    if given is None:
        return None
    where = ImageFilter(
        path_prefix=given.path_prefix,
        after=None if given.after is None else parse_date(given.after),
        before=None if given.before is None else parse_date(given.before),
        image_ids=given.image_ids,
        external_ids=given.external_ids,
    )
    return None if where.lets_all_through else where


async def _form(request: Request, service: Service) -> tuple[Picture, SearchOptions]:
    async with request.form(max_files=1, max_fields=1, max_part_size=service.settings.json_limit) as form:
        image, options = form.get("image"), form.get("request", "{}")
        if not isinstance(image, UploadFile) or not isinstance(options, str):
            raise ServiceError(422, "invalid_request", "image must be a file, and request must be JSON text")
        parsed = SearchOptions.model_validate_json(options)
        data = await image.read()
    side = service.gallery.model.decode_side
    decoded = await run_in_threadpool(decode_picture, BytesIO(data), max_side=side)
    return decoded.picture, parsed
