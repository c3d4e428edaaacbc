"""One pass over a gallery, all expressions of a data set at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from reir.data.dataset import SIZE_CLASSES, Dataset, Query, SizeClass, Target
from reir.errors import DatasetError, UsageError
from reir.evaluation.located import Located, locate
from reir.evaluation.progress import Progress, silent
from reir.evaluation.reranked import rerank
from reir.evaluation.result import Evaluation, Figures, SizeRule
from reir.metrics import IOUS, KS, PROTOCOLS, Placement, RankCounter, Truth, intervals, outcomes, place, shares
from reir.metrics import Protocol as MetricProtocol
from reir.metrics.figures import Outcomes
from reir.protocols import Model
from reir.rerank import StagePlan
from reir.search import check_blend
from reir.types import FloatArray

if TYPE_CHECKING:
    from reir.store import Snapshot

_ENCODED_AT_ONCE = 64
_ROWS_AT_ONCE = 16_384
_SMALL_AREA, _MEDIUM_AREA = 32**2, 96**2


def evaluate(
    snapshot: Snapshot,
    model: Model,
    dataset: Dataset,
    *,
    protocol: Literal["official", "any", "both"] = "both",
    ks: Sequence[int] = KS,
    ious: Sequence[float] = IOUS,
    seed: int = 0,
    stages: StagePlan | None = None,
    blend: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """BoxRecall, image recall and in-image precision of ``model`` on ``dataset`` over all instances of ``snapshot``.

    Memory is that of the query vectors and of one block of the gallery. Ambiguous expressions are measured by
    protocol ``any`` alone, and apart.

    Args:
        snapshot: an index that holds every picture of the data set; other pictures of it are part of the gallery.
        model: the one that made the index.
        dataset: expressions and what they refer to.
        protocol: how box recall is counted, see ``docs/metrics.md``.
        ks: numbers of answers that are looked at.
        ious: thresholds that an overlap must exceed.
        seed: of the bootstrap.
        stages: stages that look again at the best instances of each query; the ranks after them count.
        blend: numbers that mix the parts of the model's score, in place of its own.
        progress: told how far it is.

    Raises:
        UsageError: an option out of range.
        ModelMismatchError: the index was made by another model.
        PicturesMissingError: the index lacks pictures of the data set.
    """
    protocols = _protocols(protocol)
    ks, ious = _checked(ks, ious)
    if not dataset.queries:
        raise DatasetError(f"data set {dataset.path} has no expressions to measure")
    snapshot.info.require(model.identity)
    tell: Progress = progress if progress is not None else silent
    located = locate(snapshot, dataset)
    queries = [*dataset.queries, *(dataset.ambiguous if "any" in protocols else ())]

    timings: dict[str, float] = {}
    truths = [_truth(query.targets, located) for query in queries]
    vectors = _encode(model, queries, blend or {}, timings, tell)
    with _timed(timings, "place"):
        placements = _place(snapshot, located, queries, truths, vectors, ious, tell)
    counter = RankCounter(vectors, placements, ious=ious, depth=max(ks))
    with _timed(timings, "scan"):
        _scan(snapshot, counter, tell)
    timings["scan_per_query"] = timings["scan"] / len(queries)
    ranks, warnings = counter.ranks(), _warnings(model, located)
    if stages is not None and not stages.empty:
        texts = [query.text for query in queries]
        ranks, per_query, told = rerank(snapshot, model, texts, truths, ranks, stages, blend=blend, progress=tell)
        timings |= {f"{name}_per_query": milliseconds for name, milliseconds in per_query.items()}
        warnings += told

    right = outcomes(ranks, ks=ks, protocols=protocols)
    unique = np.arange(len(queries)) < len(dataset.queries)
    sizes, size_rule = _sizes(dataset.queries)
    kinds = [query.kind for query in dataset.queries]
    return Evaluation(
        dataset=dataset.name,
        model=model.identity.name,
        fingerprint=model.identity.fingerprint,
        snapshot=snapshot.number,
        images=snapshot.image_count,
        instances=snapshot.instance_count,
        ks=ks,
        ious=ious,
        overall=_figures(right, unique, seed),
        by_kind={kind: _of(right, kinds, kind, seed) for kind in sorted({kind for kind in kinds if kind is not None})},
        by_size={size: _of(right, sizes, size, seed) for size in SIZE_CLASSES if size in sizes},
        size_rule=size_rule,
        ambiguous=None if unique.all() else _figures({p: r for p, r in right.items() if p[0] == "any"}, ~unique, seed),
        timings_ms=timings,
        warnings=warnings,
        stages=() if stages is None else stages.names,
    )


def _protocols(protocol: str) -> tuple[MetricProtocol, ...]:
    chosen = tuple(name for name in PROTOCOLS if protocol in (name, "both"))
    if not chosen:
        raise UsageError(f"protocol must be official, any or both, got {protocol!r}")
    return chosen


def _checked(ks: Sequence[int], ious: Sequence[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if not ks or min(ks) < 1:
        raise UsageError(f"k must be at least 1, got {list(ks)}")
    if not ious or not all(0 <= iou < 1 for iou in ious):
        raise UsageError(f"iou must be from 0 to below 1, got {list(ious)}")
    return tuple(sorted(set(ks))), tuple(sorted(set(ious)))


def _encode(
    model: Model, queries: Sequence[Query], blend: Mapping[str, float], timings: dict[str, float], tell: Progress
) -> FloatArray:
    check_blend(model, blend)
    with _timed(timings, "load"):
        # The first call loads the text branch, which is no part of the cost of a query.
        model.encode([queries[0].text])
    parts = []
    with _timed(timings, "encode"):
        for start in range(0, len(queries), _ENCODED_AT_ONCE):
            texts = [query.text for query in queries[start : start + _ENCODED_AT_ONCE]]
            parts.append(model.encode(texts, blend=blend))
            tell("encoding", min(start + _ENCODED_AT_ONCE, len(queries)), len(queries))
    timings["encode_per_query"] = timings.pop("encode") / len(queries)
    return np.concatenate(parts)


def _place(
    snapshot: Snapshot,
    located: Located,
    queries: Sequence[Query],
    truths: Sequence[Truth],
    vectors: FloatArray,
    ious: Sequence[float],
    tell: Progress,
) -> list[Placement]:
    """Each query among the instances of its own pictures; every picture is read once, whatever the queries' order."""
    placements: dict[int, Placement] = {}
    pictures = [sorted({target.file_name for target in query.targets}) for query in queries]
    order = sorted(range(len(queries)), key=pictures.__getitem__)
    for names, members in groupby(order, key=pictures.__getitem__):
        # Two files with the same content share their instances, which must be counted once.
        owners = {located.source_ids[name]: located.image_ids[name] for name in names}
        blocks = [snapshot.instances_of(image_id) for image_id in owners.values()]
        image_ids = np.concatenate([block.image_ids for block in blocks])
        boxes = np.concatenate([block.boxes for block in blocks])
        inside = np.concatenate([block.vectors for block in blocks])
        for q in members:
            placements[q] = place(vectors[q], truths[q], image_ids, boxes, inside, ious=ious)
        tell("placing", len(placements), len(queries))
    return [placements[q] for q in range(len(queries))]


def _truth(targets: Sequence[Target], located: Located) -> Truth:
    return Truth(
        np.array([located.source_ids[target.file_name] for target in targets], dtype=np.int64),
        np.array([target.box for target in targets], dtype=np.float64),
    )


def _scan(snapshot: Snapshot, counter: RankCounter, tell: Progress) -> None:
    done = 0
    for block in snapshot.blocks(_ROWS_AT_ONCE):
        counter.add(block.image_ids, block.vectors)
        done += len(block)
        tell("scanning", done, snapshot.instance_count)


def _sizes(queries: Sequence[Query]) -> tuple[list[SizeClass], SizeRule]:
    given = [query.targets[0].size for query in queries]
    known = [size for size in given if size is not None]
    if len(known) == len(queries):
        return known, "dataset"
    areas = [query.targets[0].area for query in queries]
    return ["small" if area < _SMALL_AREA else "medium" if area < _MEDIUM_AREA else "large" for area in areas], "coco"


def _of(right: Outcomes, classes: Sequence[str | None], wanted: str, seed: int) -> Figures:
    chosen = np.zeros(len(next(iter(right.values()))), dtype=bool)
    chosen[: len(classes)] = [name == wanted for name in classes]
    return _figures(right, chosen, seed)


def _figures(right: Outcomes, chosen: npt.NDArray[np.bool_], seed: int) -> Figures:
    return Figures(int(chosen.sum()), shares(right, chosen), intervals(right, chosen, seed=seed))


def _warnings(model: Model, located: Located) -> list[str]:
    warnings = [model.notice] if model.notice else []
    if located.others:
        warnings.append(f"pictures of the index that are not in the data set, and count as gallery: {located.others}")
    return warnings


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    started = perf_counter()
    yield
    timings[name] = 1000 * (perf_counter() - started)
