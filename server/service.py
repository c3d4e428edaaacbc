"""What one running service holds: the gallery, the queues in front of it, and its counters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import Request

from reir.errors import ReirError
from reir.gallery import Gallery
from reir.indexer.location import find_index
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
from reir.types import FloatArray, Picture, SearchResult

if TYPE_CHECKING:
    from fastapi import FastAPI

_MOST_EXAMPLES = 8
"""Example pictures that may wait: each takes as long as a hundred expressions."""


class Service:
    """The state of one service, from the start of its lifespan to its end."""

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.keys = Keys.load(settings.api_key_file)
        self.gallery = Gallery.open(
            find_index(db=settings.db),
            device=settings.device,
            database_url=settings.database_url,
            keep_snapshots=settings.keep_snapshots,
            remembered_expressions=settings.remembered_expressions,
        )
        _ = self.gallery.model  # a model that is missing, or has changed, should stop the start, not the first search
        self.searches: Batcher[SearchRequest, SearchResult | ReirError] = Batcher(
            self.gallery.search_many,
            most_at_once=settings.batch,
            most_waiting=settings.most_waiting,
            threads=settings.search_threads,
            name="reir-search",
            on_batch=self._note_batch,
        )
        self.examples: Batcher[Picture, FloatArray] = Batcher(
            self._encode_examples, most_at_once=4, most_waiting=_MOST_EXAMPLES, name="reir-example"
        )

        files = GalleryFiles(self.gallery.root, self.gallery.db)
        self.pictures = Pictures(files, workers=settings.picture_threads, cache_bytes=settings.picture_cache_bytes)
        self.jobs = Jobs(self.gallery, files, JobBook(self.gallery.db / "jobs"))

    async def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult | ReirError]:
        """The answer to each request, or the error that takes its place.

        Raises:
            ServiceError: 503, too many searches wait.
        """
        answers = await self.searches.run(requests)
        for answer in answers:
            if isinstance(answer, SearchResult):
                for step, milliseconds in answer.timings_ms.items():
                    self.metrics.step_seconds.labels(step).observe(milliseconds / 1e3)
        return answers

    async def encode_example(self, crop: Picture) -> FloatArray:
        """The query vector (D,) of an example picture.

        Raises:
            ServiceError: 503, too many of them wait.
        """
        (vector,) = await self.examples.run([crop])
        return vector

    def close(self) -> None:
        """End what runs and let go of the gallery."""
        self.searches.close()
        self.examples.close()
        self.pictures.close()
        self.jobs.close()
        self.gallery.close()

    def _encode_examples(self, crops: Sequence[Picture]) -> Sequence[FloatArray]:
        return list(self.gallery.model.encode_images(crops))

    def _note_batch(self, size: int, waited: float) -> None:
        self.metrics.batch_size.observe(size)
        self.metrics.step_seconds.labels("wait").observe(waited)


def get_service(request: Request) -> Service:
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
