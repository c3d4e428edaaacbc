"""``/healthz``, ``/readyz`` and ``/metrics``, for whatever watches the service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from reir.server.callers import reader
from reir.server.schemas import failures
from reir.server.service import Service, get_service

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """How the service is."""

    status: str = "ok"


class Readiness(Health):
    """Which snapshot would answer."""

    snapshot: int


@router.get("/healthz", summary="The process answers.")
async def healthz() -> Health:
    """Nothing is looked at: a service whose index is being mended should not be restarted for it."""
    return Health()


@router.get("/readyz", summary="Searches can be answered.", responses=failures(503))
def readyz(service: Annotated[Service, Depends(get_service)]) -> Readiness:
    """The index can be read and the model's text branch is loaded."""
    service.gallery.model.encode(["ready"])
    with service.gallery.reading() as snapshot:
        return Readiness(snapshot=snapshot.number)


@router.get(
    "/metrics",
    summary="Counters for Prometheus.",
    response_class=Response,
    responses=failures(401, 503) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(reader)],
)
def metrics(service: Annotated[Service, Depends(get_service)]) -> Response:
    """Requests, seconds of each step, batch sizes, snapshot and size of the index."""
    counters = service.metrics
    with service.gallery.reading() as snapshot:
        counters.snapshot.set(snapshot.number)
        counters.images.set(snapshot.image_count)
        counters.instances.set(snapshot.instance_count)
    return Response(counters.render(), media_type=CONTENT_TYPE_LATEST)
