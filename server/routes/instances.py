"""``/v1/instances/{instance_id}``: one stored object, and its crop."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from reir.errors import InstanceGoneError
from reir.server.callers import reader
from reir.server.pictures import Side, View
from reir.server.routes.pictures import PICTURE, SideQuery, picture_answer
from reir.server.schemas import LARGEST_ID, InstanceAnswer, failures
from reir.server.service import Service, get_service
from reir.store import ImageRow, Snapshot
from reir.types import Box

router = APIRouter(prefix="/v1/instances", tags=["instances"], dependencies=[Depends(reader)])

InstanceId = Annotated[
    int,
    Path(ge=0, le=LARGEST_ID, description="instance_id of a hit, or of a picture's instance.", examples=[4294967296]),
]


@router.get("/{instance_id}", summary="One stored object.", responses=failures(401, 410))
def instance(instance_id: InstanceId, service: Annotated[Service, Depends(get_service)]) -> InstanceAnswer:
    """Its box, and the picture that it stands in. An id is good until its picture changes or is removed, then 410."""
    with service.gallery.reading() as snapshot:
        row, box, objectness = _find(snapshot, instance_id)
        return InstanceAnswer(
            instance_id=instance_id,
            image_id=row.image_id,
            external_id=row.external_id,
            path=row.path,
            width=row.width,
            height=row.height,
            box=list(box),
            objectness=objectness,
            snapshot=snapshot.number,
        )


@router.get(
    "/{instance_id}/crop",
    summary="A picture of one stored object.",
    response_class=Response,
    responses=PICTURE | failures(410),
)
async def crop(
    request: Request,
    instance_id: InstanceId,
    service: Annotated[Service, Depends(get_service)],
    side: SideQuery = Side.S320,
    margin: Annotated[
        float, Query(ge=0, le=1, allow_inf_nan=False, description="Added on each side, as a share of the box.")
    ] = 0.1,
) -> Response:
    """The box with a margin, cut out of the picture. 409 says that the file changed since it was indexed."""

    def find() -> View:
        with service.gallery.reading() as snapshot:
            row, box, _ = _find(snapshot, instance_id)
        return View(row, side, crop=box, margin=margin)

    return await picture_answer(request, service, await run_in_threadpool(find))


def _find(snapshot: Snapshot, instance_id: int) -> tuple[ImageRow, Box, float]:
    """The picture, the box and the objectness of an instance. Raises InstanceGoneError."""
    rows = snapshot.instances(np.array([instance_id], np.int64))
    source = int(rows.image_ids[0])
    row = snapshot.resolve([source]).get(source)
    if row is None:
        raise InstanceGoneError(instance_id)
    x0, y0, x1, y1 = (float(value) for value in rows.boxes[0])
    return row, (x0, y0, x1, y1), float(rows.objectness[0])
