"""Expressions put to galleries that hold their answer, and to galleries from which it was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reir.data.dataset import Dataset, Query
from reir.errors import CalibrationError
from reir.evaluation.located import Located, locate
from reir.evaluation.progress import Progress, silent
from reir.geometry import paired_iou
from reir.protocols import Model
from reir.types import Array, FloatArray, IntArray

if TYPE_CHECKING:
    from reir.store import Snapshot

_ENCODED_AT_ONCE = 64
_RIGHT_IOU = 0.5

FEWEST_PICTURES = 30
FEWEST_QUERIES = 100


@dataclass(frozen=True, slots=True)
class Trials:
    """T times that an expression was put to a gallery, with the best scores that it got there.

    ``best`` (T, M) float32 descending, -inf where the gallery has fewer instances; ``right`` (T, M): whether that
    instance is described (IoU above 0.5 with a true box).
    """

    queries: IntArray
    """(T,) number of the expression."""
    pictures: IntArray
    """(T,) size of the gallery that was asked for."""
    instances: IntArray
    """(T,) instances in it."""
    answerable: npt.NDArray[np.bool_]
    """(T,) whether it holds what is described."""
    best: FloatArray
    right: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.queries)

    def chosen(self, which: Array) -> Trials:
        """The trials of a mask or of indices."""
        return Trials(**{entry.name: getattr(self, entry.name)[which] for entry in fields(self)})


def gallery_sizes(pictures: int) -> tuple[int, ...]:
    """Numbers of pictures, from a thirtieth of what there is up to all, at which a calibration is made."""
    return tuple(sorted({max(10, round(pictures / part)) for part in (30, 10, 3)} | {pictures}))


def leave_out(
    snapshot: Snapshot,
    model: Model,
    dataset: Dataset,
    *,
    sizes: Sequence[int] | None = None,
    depth: int,
    most_queries: int = 6000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trials:
    """Two trials for each expression and size: in a random gallery with its answer, and in one without.

    A gallery is a random choice of the data set's pictures. The one without an answer holds none of the pictures of the
    expression's targets, so it rests on the data set's word that an expression fits its targets alone; the other holds
    one of them, and of the further targets of an ambiguous expression as many as a random choice would.

    Args:
        snapshot: an index that holds every picture of the data set; its other pictures play no part.
        model: the one that made the index.
        dataset: expressions and what they refer to.
        sizes: numbers of pictures, see `gallery_sizes`.
        depth: M, how many of the best instances are kept of each trial.
        most_queries: of more expressions, a random choice is taken.
        seed: of all random choices.
        progress: told how far it is.

    Raises:
        CalibrationError: fewer pictures or expressions than tell anything.
        ModelMismatchError: the index was made by another model.
        PicturesMissingError: the index lacks pictures of the data set.
    """
    snapshot.info.require(model.identity)
    tell: Progress = progress if progress is not None else silent
    queries = [*dataset.queries, *dataset.ambiguous]
    if len(dataset.images) < FEWEST_PICTURES or len(queries) < FEWEST_QUERIES:
        raise CalibrationError(
            f"{dataset.path} has {len(dataset.images)} pictures and {len(queries)} expressions; a calibration needs "
            f"at least {FEWEST_PICTURES} and {FEWEST_QUERIES}"
        )
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.permutation(len(queries))[:most_queries])
    gallery = _Gallery.read(snapshot, locate(snapshot, dataset))
    sizes = sizes if sizes is not None else gallery_sizes(len(gallery.sources))
    parts: list[Trials] = []
    for start in range(0, len(asked), _ENCODED_AT_ONCE):
        some = asked[start : start + _ENCODED_AT_ONCE]
        vectors = model.encode([queries[number].text for number in some])
        for number, vector in zip(some.tolist(), vectors, strict=True):
            parts.append(gallery.trials(number, queries[number], vector, sizes, depth, rng))
        tell("trying", start + len(some), len(asked))
    return Trials(
        **{entry.name: np.concatenate([getattr(part, entry.name) for part in parts]) for entry in fields(Trials)}
    )


@dataclass(frozen=True, slots=True)
class _Gallery:
    """All instances of a data set's pictures; ``places`` (N,) is the position in ``sources`` of each one's picture."""

    located: Located
    sources: IntArray
    places: IntArray
    boxes: FloatArray
    vectors: FloatArray

    @classmethod
    def read(cls, snapshot: Snapshot, located: Located) -> _Gallery:
        sources = np.unique(np.fromiter(located.source_ids.values(), dtype=np.int64))
        blocks = list(snapshot.blocks())
        image_ids = np.concatenate([block.image_ids for block in blocks])
        listed = np.isin(image_ids, sources)
        return cls(
            located,
            sources,
            np.searchsorted(sources, image_ids[listed]),
            np.concatenate([block.boxes for block in blocks])[listed],
            np.concatenate([block.vectors for block in blocks])[listed],
        )

    def trials(
        self,
        number: int,
        query: Query,
        vector: FloatArray,
        sizes: Sequence[int],
        depth: int,
        rng: np.random.Generator,
    ) -> Trials:
        scores = self.vectors @ vector
        order = np.argsort(-scores, kind="stable")
        owner_of = self.places[order]
        owners = np.searchsorted(self.sources, [self.located.source_ids[target.file_name] for target in query.targets])
        right = np.zeros(len(scores), dtype=bool)
        for owner, target in zip(owners.tolist(), query.targets, strict=True):
            inside = np.flatnonzero(self.places == owner)
            right[inside] |= paired_iou(self.boxes[inside], np.array(target.box)) > _RIGHT_IOU
        true = rng.permutation(np.unique(owners))
        others = rng.permutation(np.setdiff1d(np.arange(len(self.sources)), true))
        rows: list[tuple[int, int, bool, FloatArray, npt.NDArray[np.bool_]]] = []
        for size in sizes:
            # Of a gallery taken at random, with the first target in it for certain.
            kept = true[(np.arange(len(true)) == 0) | (rng.random(len(true)) < size / len(self.sources))]
            for answerable, pictures in ((False, others[:size]), (True, np.append(kept, others[: size - len(kept)]))):
                chosen = np.zeros(len(self.sources), dtype=bool)
                chosen[pictures] = True
                found = order[chosen[owner_of]]
                best, fits = np.full(depth, -np.inf, np.float32), np.zeros(depth, dtype=bool)
                best[: len(found)], fits[: len(found)] = scores[found[:depth]], right[found[:depth]]
                rows.append((size, len(found), answerable, best, fits))
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        return Trials(np.full(len(rows), number), *columns)
