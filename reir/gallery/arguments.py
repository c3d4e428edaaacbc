"""What callers of a gallery give, as the search takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from reir.rerank import STAGE_SECONDS, STAGE_TOP, StagePlan
from reir.search import BOXES_PER_IMAGE, Query, SearchRequest
from reir.types import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from reir.protocols import Grounder, Model
    from reir.store import ImageFilter

FilePath: TypeAlias = str | Path


def as_model(model: Model | str, device: str) -> Model:
    """The model, loaded where its name is given."""
    if isinstance(model, str):
        from reir.models import load_model

        return load_model(model, device=device)
    return model


def as_grounder(grounder: Grounder | str, device: str) -> Grounder:
    """The grounder, loaded where its name is given."""
    if isinstance(grounder, str):
        from reir.models import load_grounder

        return load_grounder(grounder, device=device)
    return grounder


def as_source(image: FilePath | PillowImage | Picture) -> Path | Picture:
    """The picture as pixels, or the file that they can be read from."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | Path):
        return Path(image)
    from reir.imaging import as_picture

    return as_picture(image)


def as_example(image: FilePath | PillowImage | Picture, decode_side: int) -> Picture:
    """The example as pixels; a file is decoded to at most ``decode_side``."""
    source = as_source(image)
    if isinstance(source, Picture):
        return source
    from reir.imaging import decode_picture

    return decode_picture(source, max_side=decode_side).picture


def as_request(
    query: Query,
    *,
    top: int = 10,
    flat: bool = False,
    boxes: int = BOXES_PER_IMAGE,
    min_score: float | None = None,
    path_prefix: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    image_ids: Sequence[int] | None = None,
    external_ids: Sequence[str] | None = None,
    rerank: Sequence[str] = (),
    refine: str | None = None,
    mask: str | None = None,
    stage_top: int = STAGE_TOP,
    stage_seconds: float = STAGE_SECONDS,
    blend: Mapping[str, float] | None = None,
) -> SearchRequest:
    """One search with its ``SearchOptions``, whose defaults are these.

    Raises:
        UsageError: a number out of range, or a cursor of a search under other conditions.
    """
    where = as_filter(path_prefix, after, before, image_ids, external_ids)
    stages = StagePlan(tuple(rerank), refine, mask, stage_top, stage_seconds)
    return SearchRequest(query, top, flat, where, min_score, boxes, stages, blend)


def as_filter(
    path_prefix: str | None,
    after: datetime | None,
    before: datetime | None,
    image_ids: Sequence[int] | None,
    external_ids: Sequence[str] | None,
) -> ImageFilter | None:
    """The conditions as one filter, or None where there is none."""
    conditions = (path_prefix, after, before, image_ids, external_ids)
    if all(condition is None for condition in conditions):
        return None
    from reir.store import ImageFilter

    return ImageFilter(*conditions)
