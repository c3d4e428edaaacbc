"""How a rendered picture is answered: entity tags, caching, and what its parameters are called."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.concurrency import run_in_threadpool

from reir.server.pictures import MEDIA_TYPE, Side, View
from reir.server.schemas import failures
from reir.server.service import Service

SideQuery = Annotated[Side, Query(description="Longer side in pixels; nothing is enlarged.", examples=[320])]

_SECONDS = 60
"""For so long a browser shows a picture again without asking: a file that was replaced is seen a minute later."""

PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "description": "The picture, upright, as JPEG.",
        "headers": {
            "ETag": {"schema": {"type": "string"}, "description": "Stands for exactly this picture."},
            "Cache-Control": {"schema": {"type": "string"}},
        },
    },
    304: {"description": "It is the picture that If-None-Match names."},
    **failures(401, 404, 409, 422, 503),
}
"""The OpenAPI entries of a route that answers a picture."""


async def picture_answer(request: Request, service: Service, view: View) -> Response:
    """The rendered picture, or 304 where the caller has it already. Its file is looked at in any case.

    Raises:
        ImageUnreadableError, PictureMissingError, PictureChangedError: see `Pictures`.
        ServiceError: 503, too many pictures wait.
    """
    await run_in_threadpool(service.pictures.check, view.row)
    headers = {"ETag": view.etag, "Cache-Control": f"private, max-age={_SECONDS}"}
    if _known(request.headers.get("if-none-match", ""), view.etag):
        return Response(status_code=304, headers=headers)
    # Shielded: who hangs up must not cancel a rendering that others wait for.
    rendering = await asyncio.shield(asyncio.wrap_future(service.pictures.render(view)))
    return Response(rendering.body, media_type=MEDIA_TYPE, headers=headers)


def _known(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]
