"""Giving an index to another model, or other settings, in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from reir.store.publication import CURRENT, Publication
from reir.store.tables import images, index_info
from reir.types import ModelIdentity


def renew(publication: Publication, root: str, model: ModelIdentity, settings: Mapping[str, Any]) -> int:
    """The number of the snapshot in which the index is as good as new: every picture waits for the next indexing.

    Pictures keep their image ids and external ids, readers keep their snapshots, and no instance id is ever given out
    again. It is one transaction, so an index is never half one model's and half another's.
    """
    publication.change_rows(
        CURRENT & (images.c.status != "deleted"),
        status="failed",
        cause=f"not read yet by {model.name}; the next indexing does it",
        mtime_ns=-1,
        content_hash=None,
        source_image_id=images.c.image_id,
        instance_count=0,
    )
    publication.retire_segments(segment.number for segment in publication.current_segments())
    publication.connection.execute(
        update(index_info).values(
            root=root,
            model_name=model.name,
            model_fingerprint=model.fingerprint,
            model_dimension=model.dimension,
            settings=json.dumps(settings),
        )
    )
    publication.info = replace(publication.info, model=model)
    return publication.publish()
