"""Negative truths, searched for in the gallery itself: expressions that a second instance answers too.

Not in the paper, which trusts its prompts to make expressions unique. An index of the pictures is asked with every
expression, as a user would ask; an instance other than the target that scores about as well is a *rival*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.construction.texts import plain
from reir.errors import PicturesMissingError
from reir.geometry import iou_matrix
from reir.protocols import Model
from reir.types import Box, FloatArray, IntArray

if TYPE_CHECKING:
    from reir.store import Snapshot

_ENCODED_AT_ONCE = 64
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class RivalRule:
    """When another instance is a plausible second answer to an expression.

    Scores of different models and expressions have different scales, so a rival's is compared with the target's own:
    both as their height above the mean score of the gallery for this expression.

    Args:
        margin: a rival reaches at least ``1 - margin`` of the target's height; negative asks for more than the target.
        top: how many of the best instances are looked at.
        least_iou: overlap from which on a box of the index is an annotated instance.
        most: rivals that are kept of one expression, best first.
        unknown: whether boxes that no annotation covers count. Annotations of photos are seldom complete.
    """

    margin: float = 0.05
    top: int = 50
    least_iou: float = 0.5
    most: int = 5
    unknown: bool = True


@dataclass(frozen=True, slots=True)
class Rival:
    """Another instance that the expression may describe; ``instance_id`` and ``category`` where it is annotated.

    ``height`` is its score over the gallery's mean, as a share of the target's: 1 for one that scores the same.
    """

    file_name: str
    box: Box
    score: float
    category: str | None
    instance_id: int | None
    height: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The rival as files hold it; the box is xyxy."""
        return {
            "file_name": self.file_name,
            "box": [round(side, 1) for side in self.box],
            "score": round(self.score, 4),
            "height": round(self.height, 4),
            "category": self.category,
            "annotation_id": self.instance_id,
        }


@dataclass(frozen=True, slots=True)
class Flag:
    """What is doubtful about one expression of one instance.

    ``twin``: another instance has the same words. ``rival``: other instances score like the target. ``unseen``: the
    index has no box on the target, so nothing can be said. ``confirmed`` is what a model that saw the rivals said: True
    if it found one that the expression describes, None if none was asked.
    """

    instance_id: int
    file_name: str
    expression: str
    kind: Literal["twin", "rival", "unseen"]
    score: float | None = None
    rivals: tuple[Rival, ...] = ()
    confirmed: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The flag as files hold it."""
        return {
            "annotation_id": self.instance_id,
            "file_name": self.file_name,
            "expression": self.expression,
            "kind": self.kind,
            "score": None if self.score is None else round(self.score, 4),
            "rivals": [rival.to_json() for rival in self.rivals],
            "confirmed": self.confirmed,
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    """One expression on its way."""

    picture: AnnotatedPicture
    instance: AnnotatedInstance
    text: str


def find_twins(pictures: Iterable[AnnotatedPicture]) -> list[Flag]:
    """A flag for every expression that two instances have in the same words (case, articles and punctuation aside)."""
    owners: dict[str, list[_Asked]] = {}
    for asked in _expressions(pictures):
        owners.setdefault(plain(asked.text), []).append(asked)
    flags = []
    for group in owners.values():
        for one in group:
            others = {other.instance.id: other for other in group if other.instance.id != one.instance.id}
            rivals = tuple(
                Rival(other.picture.file_name, other.instance.box, 0.0, other.instance.category, other.instance.id)
                for other in others.values()
            )
            if rivals:
                flags.append(Flag(one.instance.id, one.picture.file_name, one.text, "twin", None, rivals))
    return flags


def find_rivals(
    snapshot: Snapshot,
    model: Model,
    data: AnnotatedSet,
    *,
    rule: RivalRule | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Flag]:
    """A flag for every expression of ``data`` to which the index knows a plausible second instance.

    A rival is annotated with the target's category (or, with ``rule.unknown``, not annotated), is not the target, and
    scores within the rule's margin. Memory is that of one batch of expressions and one block of the gallery.

    Args:
        snapshot: an index that holds every picture of ``data``; its other pictures count as gallery.
        model: the one that made the index.
        data: pictures with all their annotated instances, and expressions (``texts``) on those to be checked.
        rule: when an instance is a rival.
        progress: told how far it is.

    Raises:
        ModelMismatchError: the index was made by another model.
        PicturesMissingError: the index lacks pictures of the data set.
    """
    rule = rule or RivalRule()
    snapshot.info.require(model.identity)
    search = _RivalSearch(snapshot, data, rule)
    wanted = list(_expressions(data.pictures))
    flags: list[Flag] = []
    for start in range(0, len(wanted), _ENCODED_AT_ONCE):
        batch = wanted[start : start + _ENCODED_AT_ONCE]
        flags += search.flags(batch, model.encode([asked.text for asked in batch]))
        if progress is not None:
            progress("rivals", min(start + _ENCODED_AT_ONCE, len(wanted)), len(wanted))
    return flags


def _expressions(pictures: Iterable[AnnotatedPicture]) -> Iterable[_Asked]:
    return (
        _Asked(picture, instance, text)
        for picture in pictures
        for instance in picture.instances
        for text in instance.texts
    )


class _RivalSearch:
    """The gallery as expressions are held against it."""

    def __init__(self, snapshot: Snapshot, data: AnnotatedSet, rule: RivalRule) -> None:
        self.snapshot, self.rule, self.root = snapshot, rule, data.images_root.resolve()
        self.image_ids, self.pictures = _locate(snapshot, data)
        self.mean = _mean_vector(snapshot)

    def flags(self, batch: Sequence[_Asked], queries: FloatArray) -> list[Flag]:
        top = min(self.rule.top, self.snapshot.instance_count)
        scores, ids = self.snapshot.search(queries, top)
        found = []
        for asked, query, its_scores, its_ids in zip(batch, queries, scores, ids, strict=True):
            flag = self._flag(asked, query, its_scores[its_ids >= 0], its_ids[its_ids >= 0])
            if flag is not None:
                found.append(flag)
        return found

    def _flag(self, asked: _Asked, query: FloatArray, scores: FloatArray, ids: IntArray) -> Flag | None:
        own = self._own_score(asked, query)
        if own is None:
            return Flag(asked.instance.id, asked.picture.file_name, asked.text, "unseen")
        mean = float(query @ self.mean)
        floor = mean + (1.0 - self.rule.margin) * (own - mean)
        near = scores >= floor
        rivals = self._rivals(asked, scores[near], ids[near], mean, max(own - mean, 1e-9))
        if not rivals:
            return None
        return Flag(asked.instance.id, asked.picture.file_name, asked.text, "rival", own, rivals)

    def _own_score(self, asked: _Asked, query: FloatArray) -> float | None:
        """The best score of a box on the target; None if the index has none there."""
        inside = self.snapshot.instances_of(self.image_ids[asked.picture.file_name])
        if len(inside) == 0:
            return None
        on_target = iou_matrix(inside.boxes, [asked.instance.box])[:, 0] >= self.rule.least_iou
        if not on_target.any():
            return None
        return float((inside.vectors[on_target].astype(np.float64) @ query.astype(np.float64)).max())

    def _rivals(
        self, asked: _Asked, scores: FloatArray, ids: IntArray, mean: float, own_height: float
    ) -> tuple[Rival, ...]:
        if len(ids) == 0:
            return ()
        rows = self.snapshot.instances(ids)
        images = self.snapshot.resolve(sorted({int(image_id) for image_id in rows.image_ids}))
        rivals: list[Rival] = []
        seen: set[int] = set()
        for score, image_id, box in zip(scores.tolist(), rows.image_ids.tolist(), rows.boxes, strict=True):
            path = images[image_id].path
            picture = self.pictures.get(images[image_id].image_id)
            instance = self._annotated(picture, box)
            if picture is not None and picture.file_name == asked.picture.file_name and self._on(asked.instance, box):
                continue
            if instance is None:
                if not self.rule.unknown:
                    continue
            elif (
                instance.id == asked.instance.id or instance.id in seen or instance.category != asked.instance.category
            ):
                continue
            else:
                seen.add(instance.id)
            x0, y0, x1, y1 = (float(side) for side in box)
            rivals.append(
                Rival(
                    self._elsewhere(path) if picture is None else picture.file_name,
                    (x0, y0, x1, y1),
                    score,
                    None if instance is None else instance.category,
                    None if instance is None else instance.id,
                    (score - mean) / own_height,
                )
            )
            if len(rivals) == self.rule.most:
                break
        return tuple(rivals)

    def _elsewhere(self, path: str) -> str:
        """A picture of the index that is not in the data set: relative to the images folder if it lies there."""
        whole = Path(self.snapshot.info.root) / path
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else str(whole)

    def _on(self, instance: AnnotatedInstance, box: FloatArray) -> bool:
        return bool(iou_matrix([box], [instance.box])[0, 0] >= self.rule.least_iou)

    def _annotated(self, picture: AnnotatedPicture | None, box: FloatArray) -> AnnotatedInstance | None:
        """The annotated instance that a box of the index shows, if any."""
        if picture is None or not picture.instances:
            return None
        overlaps = iou_matrix([box], [one.box for one in picture.instances])[0]
        best = int(overlaps.argmax())
        return picture.instances[best] if overlaps[best] >= self.rule.least_iou else None


def _locate(snapshot: Snapshot, data: AnnotatedSet) -> tuple[Mapping[str, int], Mapping[int, AnnotatedPicture]]:
    """Image ids by file name, and the pictures by image id; a file name is relative to the set's images folder.

    Raises:
        PicturesMissingError: the index lacks some, or could not read them.
    """
    images_root, index_root = data.images_root.resolve(), Path(snapshot.info.root).resolve()
    prefix = images_root.relative_to(index_root) if images_root.is_relative_to(index_root) else Path()
    rows = {row.path: row for row in snapshot.all_images()}
    image_ids, pictures, missing = {}, {}, []
    for picture in data.pictures:
        row = rows.get((prefix / picture.file_name).as_posix())
        if row is None or row.status != "indexed":
            cause = "not in the index" if row is None else f"could not be read: {row.cause}"
            missing.append((picture.file_name, cause))
        else:
            image_ids[picture.file_name] = row.image_id
            pictures[row.image_id] = picture
    if missing:
        raise PicturesMissingError(snapshot.info.db, images_root, missing)
    return image_ids, pictures


def _mean_vector(snapshot: Snapshot) -> FloatArray:
    """The mean of all vectors (D,): its inner product with a query is the mean of the query's scores."""
    total = np.zeros(snapshot.model.dimension)
    for block in snapshot.blocks(_ROWS_AT_ONCE):
        total += block.vectors.sum(axis=0, dtype=np.float64)
    return (total / max(1, snapshot.instance_count)).astype(np.float32)
