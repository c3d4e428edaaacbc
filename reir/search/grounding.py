"""One expression, one picture, no index: where is it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import numpy as np

from reir.errors import UsageError
from reir.geometry.masks import encode_rle, resize_rle
from reir.protocols import Calibration, Grounder, Model
from reir.rerank import PictureLook, StagePlan, StageTime, noted
from reir.search.encoder import Encoder
from reir.search.query import check_expression
from reir.search.request import MOST_HITS, NO_STAGES
from reir.search.second_look import SecondLook, added, prepared
from reir.types import FloatArray, Grounding, Hit, Instances, ModelIdentity, Picture, SearchResult


def ground(
    picture: Picture | Path | str,
    expression: str,
    *,
    model: Model | None = None,
    grounder: Grounder | None = None,
    stages: StagePlan = NO_STAGES,
    top: int = 1,
    blend: Mapping[str, float] | None = None,
) -> SearchResult:
    """The hits of one expression in one picture; see ``PictureSearcher``, which keeps what many pictures need."""
    return PictureSearcher(model=model, grounder=grounder).ground(
        picture, expression, stages=stages, top=top, blend=blend
    )


class PictureSearcher:
    """Answers expressions on single pictures: what a search of a gallery of one picture would answer.

    With a model, its instances are ranked by their inner product with the expression, and stages follow as in a search.
    With a grounder, its one answer is the hit, and stages that better it or give it a mask may follow. Hits have the
    picture's path as it was given, instance ids count from 0, and there is no snapshot (0).

    Args:
        model: finds instances, and ranks them.
        grounder: finds the object by itself, in place of a model.
        device: where the networks of stages run.

    Raises:
        UsageError: both are given, or none.
    """

    def __init__(self, *, model: Model | None = None, grounder: Grounder | None = None, device: str = "auto") -> None:
        self._grounder = grounder
        if model is None and grounder is not None:
            self._model: Model = _PixelsOnly(grounder)
        elif model is not None and grounder is None:
            self._model = model
        else:
            raise UsageError("a picture is searched by a model or by a grounder: give one of them")
        self._encoder = Encoder(self._model)
        self._second_look = SecondLook(self._model, device=device)

    def ground(
        self,
        picture: Picture | Path | str,
        expression: str,
        *,
        stages: StagePlan = NO_STAGES,
        top: int = 1,
        blend: Mapping[str, float] | None = None,
    ) -> SearchResult:
        """The ``top`` best hits in the picture.

        Args:
            picture: pixels, or a file.
            expression: a description of one thing in it.
            stages: the stages, and their time; a grounder that goes step by step has the time of one stage.
            top: how many boxes; a grounder finds one.
            blend: numbers that mix the parts of the model's score, in place of its own.

        Raises:
            ImageUnreadableError: the file cannot be read.
            UsageError: an empty expression, a number out of range, a stage or blend that does not fit.
            WeightsMissingError: see ``load_model`` and ``load_stage``.
        """
        if not 1 <= top <= MOST_HITS:
            raise UsageError(f"top must be 1 to {MOST_HITS}, got {top}")
        tidy = check_expression(expression)
        source = _Source(picture)
        if self._grounder is None:
            return self._by_model(source, tidy, stages, top, blend)
        name = self._grounder.name
        if stages.rerank:
            raise UsageError(f"{stages.rerank[0]} ranks what a model found, and {name} finds one box only")
        if blend:
            raise UsageError(f"a blend mixes the parts of a model's score; that of {name} has none")
        return self._by_grounder(self._grounder, source, tidy, stages)

    def _by_model(
        self, source: _Source, expression: str, stages: StagePlan, top: int, blend: Mapping[str, float] | None
    ) -> SearchResult:
        self._second_look.check(stages, expression)
        model, began = self._model, perf_counter()
        query = self._encoder.encode_expression(expression, blend)
        encoded = perf_counter()
        picture = source.read(model.decode_side)
        decoded = perf_counter()
        (instances,) = model.extract([picture])
        scores = instances.vectors @ query.vector  # (N,)
        best = np.argsort(-scores, kind="stable")[: max(top, stages.top if stages.rerank else 0)]
        extracted = perf_counter()
        hits = [_hit(source, picture, instances, row, float(scores[row])) for row in best.tolist()]
        look = PictureLook(source.read, instances, model, blend)
        reranked = self._second_look.run(stages, ("rerank",), expression, look, hits[: stages.top])
        hits = [*reranked.hits, *hits[stages.top :]][:top]
        finished = self._second_look.run(stages, ("refine", "mask"), expression, look, hits)
        timings = {
            "encode": (encoded - began) * 1e3,
            "decode": (decoded - encoded) * 1e3,
            "extract": (extracted - decoded) * 1e3,
        }
        warnings = (*((model.notice,) if model.notice else ()), *query.warnings, *reranked.warnings)
        timings |= added(reranked.timings_ms, finished.timings_ms)
        return self._answer(expression, finished.hits, timings, began, (*warnings, *finished.warnings))

    def _by_grounder(self, grounder: Grounder, source: _Source, expression: str, stages: StagePlan) -> SearchResult:
        self._second_look.check(stages, expression)
        began = perf_counter()
        picture = source.read(grounder.decode_side)
        timings = {"decode": (perf_counter() - began) * 1e3, **prepared(grounder)}
        time = StageTime(stages.seconds)
        (found,) = grounder.ground([(picture, expression)], out_of_time=time.asked)
        timings[grounder.name] = time.passed * 1e3
        instances = _as_instances(found)
        mask = None if found.mask is None else resize_rle(encode_rle(found.mask), picture.width, picture.height)
        hit = noted(_hit(source, picture, instances, 0, found.score), grounder.name, found.notes, mask=mask)
        look = PictureLook(source.read, instances, self._model)
        finished = self._second_look.run(stages, ("refine", "mask"), expression, look, [hit])
        ended = f"{grounder.name} ran out of time after {stages.seconds:g} s: it ended with what it had"
        warnings = (*([ended] if time.told else []), *finished.warnings)
        return self._answer(expression, finished.hits, added(timings, finished.timings_ms), began, warnings)

    def _answer(
        self,
        expression: str,
        hits: Sequence[Hit],
        timings: Mapping[str, float],
        began: float,
        warnings: tuple[str, ...],
    ) -> SearchResult:
        return SearchResult(
            expression=expression,
            model=self._model.identity.name,
            snapshot=0,
            hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)),
            timings_ms={**timings, "total": (perf_counter() - began) * 1e3},
            warnings=warnings,
        )


class _Source:
    """Where pixels come from: a file, decoded as large as is wanted, or a picture that is decoded already."""

    def __init__(self, given: Picture | Path | str) -> None:
        self._given = given
        self.path = "" if isinstance(given, Picture) else str(given)

    def read(self, side: int) -> Picture:
        """The picture, at most ``side`` pixels along its longer side if it is read from a file."""
        if isinstance(self._given, Picture):
            return self._given
        from reir.imaging import decode_picture

        return decode_picture(Path(self._given).expanduser(), max_side=side).picture


class _PixelsOnly:
    """The model that stages are told of behind a grounder: there are pixels to look at, and no vectors."""

    notice: str | None = None
    calibration: Calibration | None = None
    blend: Mapping[str, float] = {}

    def __init__(self, grounder: Grounder) -> None:
        self.identity = ModelIdentity(grounder.name, "", 0)
        self.decode_side = grounder.decode_side

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:  # noqa: ARG002
        self._refuse()

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:  # noqa: ARG002
        self._refuse()

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:  # noqa: ARG002
        self._refuse()

    def as_query(self, vector: FloatArray) -> FloatArray:  # noqa: ARG002
        self._refuse()

    def text_warnings(self, expression: str) -> list[str]:  # noqa: ARG002
        return []

    def share_read(self, expression: str) -> float:  # noqa: ARG002
        return 1.0

    def _refuse(self) -> NoReturn:
        raise UsageError(f"{self.identity.name} keeps no vectors of instances. Ground with a model instead")


def _as_instances(found: Grounding) -> Instances:
    box = np.array([found.box], dtype=np.float32)
    return Instances(box, np.ones(1, dtype=np.float32), np.zeros((1, 0), dtype=np.float32))


def _hit(source: _Source, picture: Picture, instances: Instances, row: int, score: float) -> Hit:
    x0, y0, x1, y1 = instances.boxes[row].tolist()
    return Hit(
        rank=0,
        score=score,
        image_id=0,
        path=source.path,
        width=picture.width,
        height=picture.height,
        box=(x0, y0, x1, y1),
        objectness=float(instances.objectness[row]),
        instance_id=row,
    )
