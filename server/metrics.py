"""What the service counts, for Prometheus."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters of one service; with several worker processes, those of all of them (``PROMETHEUS_MULTIPROC_DIR``)."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "reir_requests", "Answers by route and status.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "reir_request_seconds", "From request to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.step_seconds = Histogram(
            "reir_step_seconds", "Steps of a search.", ["step"], buckets=_SECONDS, registry=registry
        )
        self.batch_size = Histogram(
            "reir_batch_size", "Searches answered together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.refused = Counter("reir_refused", "Requests refused because too many waited.", registry=registry)
        self.snapshot = self._gauge("reir_snapshot", "Number of the newest snapshot.")
        self.images = self._gauge("reir_images", "Pictures in the index.")
        self.instances = self._gauge("reir_instances", "Instances in the index.")

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(name, about, registry=self._registry, multiprocess_mode="mostrecent")

    def render(self) -> bytes:
        """The counters in Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            together = CollectorRegistry()
            multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return generate_latest(together)
        return generate_latest(self._registry)


class CountRequests:
    """Middleware that counts and times every answer under its route's template, never its full path.

    The answer itself says in ``Server-Timing`` how long it took to begin; the steps of a search are in its JSON.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = (perf_counter() - started) * 1e3
                MutableHeaders(scope=message).append("Server-Timing", f"total;dur={elapsed:.1f}")
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            self._metrics.requests.labels(scope["method"], route, status).inc()
            self._metrics.request_seconds.labels(route).observe(perf_counter() - started)
            if status == 503:
                self._metrics.refused.inc()
