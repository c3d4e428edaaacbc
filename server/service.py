"""What one running service holds: the gallery, the queues in front of it, and its counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from fastapi import Request

from reir.errors import ReirError
from reir.gallery import Gallery
from reir.search import SearchRequest
from reir.server.access import Keys
from reir.server.batching import Batcher
from reir.server.errors import ServiceError
from reir.server.files import GalleryFiles
from reir.server.job_book import JobBook
from reir.server.jobs import Jobs
from reir.server.metrics import Metrics
from reir.server.pictures import Pictures
from reir.server.settings import ServiceSettings
from reir.server.stages import StageOffer
from reir.types import FloatArray, Picture, SearchResult

if TYPE_CHECKING:
    from fastapi import FastAPI

_MOST_EXAMPLES = 8
"""Example pictures that may wait: each takes as long as a hundred expressions."""


_MOST_STAGED = 16
"""Searches with stages that may wait."""


class Service:
    """The state of one service, from the start of its lifespan to its end."""

    def __init__(self, settings: ServiceSettings, gallery: Gallery, metrics: Metrics) -> None:
        self.settings = settings
        self.gallery = gallery
        self.metrics = metrics
        self.keys = Keys.load(settings.api_key_file)
        # A fault of the model or the index should stop the start, and no caller should wait until they are loaded.
        gallery.search("something", top=1)
        self.stages = StageOffer(settings.stages)
        for stage in self.stages.named:
            gallery.prepare(stage.plan)
        self.searches: Batcher[SearchRequest, SearchResult | ReirError] = Batcher(
            self.gallery.search_many,
            most_at_once=settings.batch,
            most_waiting=settings.most_waiting,
            threads=settings.search_threads,
            name="reir-search",
            on_batch=metrics.batch_size.observe,
        )
        self.staged: Batcher[SearchRequest, SearchResult | ReirError] = Batcher(
            self.gallery.search_many,
            most_at_once=1,
            most_waiting=_MOST_STAGED,
            threads=settings.stage_threads,
            name="reir-stage",
        )
        self.examples: Batcher[Picture, FloatArray] = Batcher(
            self._encode_examples, most_at_once=4, most_waiting=_MOST_EXAMPLES, name="reir-example"
        )

        files = GalleryFiles(self.gallery.root, self.gallery.db)
        self.pictures = Pictures(files, workers=settings.picture_threads, cache_bytes=settings.picture_cache_bytes)
        self.jobs = Jobs(self.gallery, files, JobBook(self.gallery.db / "jobs"))

    async def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult | ReirError]:
        """The answer to each request, or the error that takes its place; ``wait`` is among the timings.

        Raises:
            ServiceError: 503, too many searches wait.
        """
        started = perf_counter()
        # Stages take seconds, for which no other search should wait.
        queue = self.staged if any(not request.stages.empty for request in requests) else self.searches
        answers = await queue.run(requests)
        total = (perf_counter() - started) * 1e3
        return [self._timed(answer, total) if isinstance(answer, SearchResult) else answer for answer in answers]

    async def encode_example(self, crop: Picture) -> FloatArray:
        """The query vector (D,) of an example picture.

        Raises:
            ServiceError: 503, too many of them wait.
        """
        (vector,) = await self.examples.run([crop])
        return vector

    def close(self) -> None:
        """End what runs; the gallery stays open."""
        self.searches.close()
        self.staged.close()
        self.examples.close()
        self.pictures.close()
        self.jobs.close()

    def _encode_examples(self, crops: Sequence[Picture]) -> Sequence[FloatArray]:
        return list(self.gallery.model.encode_images(crops))

    def _timed(self, answer: SearchResult, total: float) -> SearchResult:
        timings = {**answer.timings_ms, "wait": total - answer.timings_ms["total"], "total": total}
        for step, milliseconds in timings.items():
            self.metrics.step_seconds.labels(step).observe(milliseconds / 1e3)
        return replace(answer, timings_ms=timings)


async def get_service(request: Request) -> Service:
    """The service that answers this request, for routes.

    Raises:
        ServiceError: 503, the lifespan of the application was not entered.
    """
    app: FastAPI = request.app
    service: Service | None = getattr(app.state, "service", None)
    if service is None:
        message = "the service has not started. An application that mounts it must enter reir.server.lifespan(app)"
        raise ServiceError(503, "not_ready", message)
    return service
