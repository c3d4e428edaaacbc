"""``GET /v1/stats``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

import reir
from reir.server.callers import Reader
from reir.server.schemas import AccessAnswer, ModelAnswer, StageAnswer, StatsAnswer, failures
from reir.server.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["gallery"])


@router.get("/stats", summary="What the service serves.", responses=failures(401))
def stats(role: Reader, service: Annotated[Service, Depends(get_service)]) -> StatsAnswer:
    """The model, the size of the gallery as of its newest snapshot, and what the caller may do."""
    model = service.gallery.model
    with service.gallery.reading() as snapshot:
        return StatsAnswer(
            version=reir.__version__,
            model=ModelAnswer(
                name=model.identity.name,
                fingerprint=model.identity.fingerprint,
                dimension=model.identity.dimension,
                notice=model.notice,
                calibrated=model.calibration is not None,
            ),
            snapshot=snapshot.number,
            images=snapshot.image_count,
            instances=snapshot.instance_count,
            failed=snapshot.failed_count,
            stages=[
                StageAnswer(
                    name=offered.name,
                    kind=offered.kind,
                    summary=offered.entry.summary,
                    needs_expression=stage.needs_expression,
                )
                for offered, stage in service.stages.usable(model)
            ],
            stage_seconds=service.settings.stage_seconds,
            access=AccessAnswer(
                role=role.value, key_required=service.keys.required, administration=service.keys.administration
            ),
        )
