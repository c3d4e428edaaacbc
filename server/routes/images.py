"""``/v1/images``: pictures of the index, how they look, and the jobs that add and remove them."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from reir.server.callers import administrator, reader
from reir.server.errors import ServiceError, not_found
from reir.server.jobs import Upload
from reir.server.pictures import Side, View
from reir.server.routes.jobs import JobAnswer, accepted
from reir.server.routes.pictures import PICTURE, SideQuery, picture_answer
from reir.server.schemas import LARGEST_ID, ImageAnswer, InstanceInImage, failures
from reir.server.service import Service, get_service
from reir.store import ImageRow, Snapshot
from reir.types import Box

MOST_PATHS = 1000
"""Of one request; a folder counts as one."""
MOST_UPLOADS = 100

router = APIRouter(prefix="/v1/images", tags=["images"])

ImageId = Annotated[int, Path(ge=0, le=LARGEST_ID, description="image_id of a hit.", examples=[1])]
_InstanceId = Annotated[int, Field(ge=0, le=LARGEST_ID)]
_RelativePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


@router.get(
    "/{image_id}",
    summary="One picture and its objects.",
    responses=failures(401, 404),
    dependencies=[Depends(reader)],
)
def image(image_id: ImageId, service: Annotated[Service, Depends(get_service)]) -> ImageAnswer:
    """What the index holds of it; objects in the order of their objectness as the model gave it."""
    with service.gallery.reading() as snapshot:
        row = _find(snapshot, image_id)
        block = snapshot.instances_of(image_id)
        number = snapshot.number
    return ImageAnswer(
        image_id=row.image_id,
        external_id=row.external_id,
        path=row.path,
        width=row.width,
        height=row.height,
        taken_at=row.taken_at,
        latitude=row.latitude,
        longitude=row.longitude,
        status="failed" if row.status == "failed" else "indexed",
        snapshot=number,
        instances=[
            InstanceInImage(instance_id=int(instance), box=box.tolist(), objectness=float(objectness))
            for instance, box, objectness in zip(block.instance_ids, block.boxes, block.objectness, strict=True)
        ],
    )


@router.get(
    "/{image_id}/thumbnail",
    summary="The picture, reduced.",
    response_class=Response,
    responses=PICTURE,
    dependencies=[Depends(reader)],
)
async def thumbnail(
    request: Request,
    image_id: ImageId,
    service: Annotated[Service, Depends(get_service)],
    side: SideQuery = Side.S320,
) -> Response:
    """The whole picture, upright. 409 says that the file changed since it was indexed: its boxes would not fit it."""

    def find() -> View:
        with service.gallery.reading() as snapshot:
            return View(_find(snapshot, image_id), side)

    return await picture_answer(request, service, await run_in_threadpool(find))


@router.get(
    "/{image_id}/annotated",
    summary="The picture with boxes drawn.",
    response_class=Response,
    responses=PICTURE | failures(410),
    dependencies=[Depends(reader)],
)
async def annotated(
    request: Request,
    image_id: ImageId,
    service: Annotated[Service, Depends(get_service)],
    instance_id: Annotated[
        list[_InstanceId] | None,
        Query(max_length=100, description="Objects of this picture, the most important first; by default all of them."),
    ] = None,
    side: SideQuery = Side.S1280,
) -> Response:
    """The whole picture, upright, with the boxes of these objects. 409 as for the thumbnail."""

    def find() -> View:
        with service.gallery.reading() as snapshot:
            row = _find(snapshot, image_id)
            return View(row, side, boxes=_boxes(snapshot, row, instance_id))

    return await picture_answer(request, service, await run_in_threadpool(find))


class AddBody(BaseModel):
    """Pictures and folders that lie in the gallery."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"paths": ["new/IMG_7.jpg"], "external_ids": {"new/IMG_7.jpg": "asset-7"}}]},
    )

    paths: list[_RelativePath] = Field(min_length=1, max_length=MOST_PATHS, description="Relative to the gallery.")
    external_ids: dict[_RelativePath, _ExternalId] | None = Field(
        None, max_length=MOST_PATHS, description="Your own id of a picture, by its path as it is given in paths."
    )


_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": AddBody.model_json_schema()},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "images": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "minItems": 1,
                        "maxItems": MOST_UPLOADS,
                        "description": "Picture files, each with a name that ends like a picture's.",
                    },
                    "folder": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 4096,
                        "description": "Where in the gallery they are kept; by default a folder for uploads.",
                    },
                },
                "required": ["images"],
                "additionalProperties": False,
            }
        },
    },
}


@router.post(
    "",
    status_code=202,
    summary="Add pictures.",
    response_model=JobAnswer,
    responses=failures(400, 401, 403, 409, 413, 415),
    openapi_extra={"requestBody": _BODY},
    dependencies=[Depends(administrator)],
)
async def add(request: Request, response: Response, service: Annotated[Service, Depends(get_service)]) -> JobAnswer:
    """A job that indexes pictures which lie in the gallery, by path, or that keeps and indexes uploaded ones.

    New and changed pictures are looked at, unchanged ones are not. An upload is decoded before it is kept, gets a safe
    name that no other file has, and overwrites nothing; the job says which.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = AddBody.model_validate_json(await request.body())
        stray = sorted(set(body.external_ids or {}) - set(body.paths))
        if stray:
            raise ServiceError(422, "invalid_request", f"external_ids names {stray[0][:200]!r}, which is not in paths")
        job = await run_in_threadpool(service.jobs.add, body.paths, body.external_ids)
    elif kind == "multipart/form-data":
        async with request.form(max_files=MOST_UPLOADS, max_fields=1, max_part_size=4096) as form:
            uploads, folder = _uploads(form, service.settings.upload_folder)
            job = await run_in_threadpool(service.jobs.upload, uploads, folder)
    else:
        message = "send application/json with paths, or multipart/form-data with files named images"
        raise ServiceError(415, "unsupported_media", message)
    return accepted(request, response, job)


@router.delete(
    "/{image_id}",
    status_code=202,
    summary="Remove a picture from the index.",
    response_model=JobAnswer,
    responses=failures(401, 403, 404, 409),
    dependencies=[Depends(administrator)],
)
def remove(
    request: Request, response: Response, image_id: ImageId, service: Annotated[Service, Depends(get_service)]
) -> JobAnswer:
    """A job that takes a picture out of the index. Its file stays, and comes back when the gallery is indexed again."""
    with service.gallery.reading() as snapshot:
        _find(snapshot, image_id)
    return accepted(request, response, service.jobs.remove(image_id))


def _find(snapshot: Snapshot, image_id: int) -> ImageRow:
    row = snapshot.images([image_id]).get(image_id)
    if row is None or row.status == "deleted":
        raise not_found(f"no picture has the id {image_id}")
    return row


def _boxes(snapshot: Snapshot, row: ImageRow, instance_ids: list[int] | None) -> tuple[Box, ...]:
    """The boxes of a picture's instances, all of them by default. Raises InstanceGoneError, or ServiceError (404)."""
    if instance_ids is None:
        found = snapshot.instances_of(row.image_id).boxes
    else:
        rows = snapshot.instances(np.array(instance_ids, np.int64))
        for instance_id, source in zip(instance_ids, rows.image_ids, strict=True):
            if source != row.source_image_id:
                raise not_found(f"instance {instance_id} does not stand in picture {row.image_id}")
        found = rows.boxes
    return tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in found)


def _uploads(form: FormData, upload_folder: str) -> tuple[list[Upload], str]:
    files, folder = form.getlist("images"), form.get("folder", upload_folder)
    if not files or set(form) - {"images", "folder"} or not isinstance(folder, str) or not folder:
        raise ServiceError(422, "invalid_request", "send one or more files named images, and a folder at most")
    uploads = []
    for file in files:
        if not isinstance(file, UploadFile):
            raise ServiceError(422, "invalid_request", "images must be files, each with a file name")
        uploads.append(Upload(file.filename or "", file.file))
    return uploads, folder
