"""A method that finds objects in pictures by itself, measured inside the right pictures: no index, no proposals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reir.data.dataset import Dataset, Query
from reir.errors import DatasetError, ImageUnreadableError, UsageError
from reir.evaluation.one_stage import inside_ranks
from reir.evaluation.painted import Answer, Painted, picture_sizes
from reir.evaluation.progress import Progress
from reir.evaluation.reranked import looks_at_pixels
from reir.evaluation.system import Answers, Cost, SystemFacts, Task
from reir.evaluation.timing import timed
from reir.geometry import paired_iou
from reir.geometry.masks import encode_rle
from reir.protocols import Grounder
from reir.rerank import StagePlan
from reir.search import PictureSearcher, check_expression
from reir.types import Box, Picture

_AT_ONCE = 16
"""Questions that are put to the method together."""


class Grounded:
    """A `System` of one grounder, perhaps with stages that better its box or give it a mask.

    The picture is given away: the tasks are ``rec`` and ``ris``. Pictures are decoded as their questions come, in the
    order of their names, and those without stages are put to the method several together.

    Args:
        grounder: the method.
        images: how many pictures the data set lists, for the report.
        stages: stages that look at its answer.

    Raises:
        UsageError: a rerank stage, which has nothing to rank.
    """

    def __init__(self, grounder: Grounder, *, images: int, stages: StagePlan | None = None) -> None:
        self._grounder = grounder
        self._images = images
        self._stages = stages if stages is not None else StagePlan()
        if self._stages.rerank:
            raise UsageError(f"{grounder.name} finds one box only: --rerank {self._stages.rerank[0]} cannot order it")
        self._searcher = PictureSearcher(grounder=grounder)

    @property
    def facts(self) -> SystemFacts:
        """The grounder and its stages; there is no gallery of instances."""
        return SystemFacts(
            model=self._grounder.name,
            fingerprint="",
            snapshot=0,
            images=self._images,
            instances=0,
            stages=self._stages.names,
        )

    def answer(
        self,
        dataset: Dataset,
        queries: Sequence[Query],
        *,
        task: Task,
        ious: Sequence[float],
        depth: int,
        tell: Progress,
    ) -> Answers:
        """The overlap of each query's answer; see `System`.

        Raises:
            UsageError: a task over a whole gallery.
            DatasetError: pictures of the data set are not in its folder or cannot be read, or for ``ris`` an object has
                no true mask.
        """
        if task not in ("rec", "ris"):
            raise UsageError(f"{self._grounder.name} looks inside one picture: it is measured with --task rec or ris")
        _require_files(dataset, queries)
        painted = Painted(queries) if task == "ris" else None
        overlaps, sizes = np.zeros(len(queries)), picture_sizes(dataset)
        warned: set[str] = set()
        timings: dict[str, float] = {}
        done = 0
        with timed(timings, "ground"):
            for q, found in self._found(dataset, queries):
                if painted is not None:
                    painted.put(q, [Answer.of(found.box, found.mask, *sizes[queries[q].file_name])])
                else:
                    overlaps[q] = paired_iou(np.array([found.box]), np.array([queries[q].box]))[0]
                warned |= set(found.warnings)
                done += 1
                tell("grounding", done, len(queries))
        timings["ground_per_query"] = timings.pop("ground") / len(queries)
        names = [self._grounder.name, *looks_at_pixels(self._stages)]
        cost = Cost(pairs=dict.fromkeys(names, len(queries)))
        told = [*sorted(warned), *(painted.warnings() if painted is not None else ())]
        inside = overlaps if painted is None else painted.ious
        return Answers(inside_ranks(inside, ious, depth), cost, timings, told, painted)

    def _found(self, dataset: Dataset, queries: Sequence[Query]) -> Iterator[tuple[int, _Found]]:
        """The number of each query with the answer to it, in the order of the pictures."""
        order = sorted(range(len(queries)), key=lambda q: queries[q].file_name)
        for start in range(0, len(order), _AT_ONCE):
            members = order[start : start + _AT_ONCE]
            pictures = self._pictures(dataset, [queries[q].file_name for q in members])
            asked = [(pictures[queries[q].file_name], check_expression(queries[q].text)) for q in members]
            yield from zip(members, self._answers(asked), strict=True)

    def _answers(self, asked: Sequence[tuple[Picture, str]]) -> Iterator[_Found]:
        if self._stages.empty:
            for found in self._grounder.ground(asked):
                yield _Found(found.box, None if found.mask is None else encode_rle(found.mask), ())
            return
        for picture, text in asked:
            answer = self._searcher.ground(picture, text, stages=self._stages)
            yield _Found(answer.hits[0].box, answer.hits[0].mask, answer.warnings)

    def _pictures(self, dataset: Dataset, names: Sequence[str]) -> dict[str, Picture]:
        from reir.imaging import decode_picture

        found = {}
        for name in dict.fromkeys(names):
            try:
                found[name] = decode_picture(dataset.images_root / name, max_side=self._grounder.decode_side).picture
            except (ImageUnreadableError, OSError) as error:
                raise DatasetError(f"{dataset.images_root / name} of {dataset.name} cannot be read: {error}") from error
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    """A box in the picture, its mask at any size, and what should be known."""

    box: Box
    mask: Mapping[str, Any] | None
    warnings: Sequence[str]


def _require_files(dataset: Dataset, queries: Sequence[Query]) -> None:
    """Returns when every picture that is asked of is there: better than to stop in the middle."""
    names = dict.fromkeys(query.file_name for query in queries)
    gone = [name for name in names if not (dataset.images_root / name).is_file()]
    if gone:
        raise DatasetError(
            f"{len(gone)} of {len(names)} pictures of {dataset.name} are not in {dataset.images_root}, first of them "
            f"{gone[0]}. Say where they are: --images DIR"
        )
