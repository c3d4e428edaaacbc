"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import reir
from reir.gallery import Gallery
from reir.indexer.location import find_index
from reir.server.errors import register_handlers
from reir.server.metrics import CountRequests, Metrics
from reir.server.protection import BodyLimit, HostCheck, SecurityHeaders
from reir.server.routes import health, images, instances, jobs, page, search, session, stats
from reir.server.schemas import failures
from reir.server.service import Service
from reir.server.settings import ServiceSettings

_ABOUT = """Finds the object you describe, in all pictures of a gallery, and shows where it is.

Boxes are `x0, y0, x1, y1` in pixels of the upright original. Everything is named by ids. Every failure has one shape:
`{"error": {"code", "message", "details"}}`.
"""


def create_app(settings: ServiceSettings | None = None, *, gallery: Gallery | None = None) -> FastAPI:
    """The service on one index, to be run by itself or mounted under a path of another ASGI application.

    Nothing is opened before its lifespan begins. Applications do not run the lifespan of what they mount: enter
    ``reir.server.lifespan(app)`` in that of your own.

    Args:
        settings: by default read from ``REIR_...`` variables.
        gallery: an open gallery to serve, for a program that uses it itself, too. It stays open, and what the settings
            say of the index and the model does not count.
    """
    settings = settings or ServiceSettings()
    app = FastAPI(
        title="reir",
        version=reir.__version__,
        description=_ABOUT,
        lifespan=_lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=failures(422, 503),
    )
    app.state.settings = settings
    app.state.gallery = gallery
    app.state.metrics = metrics = Metrics()
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimit, most=settings.json_limit, most_uploaded=settings.upload_limit)
    app.add_middleware(CountRequests, metrics=metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    if settings.allowed_hosts is not None:
        app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    register_handlers(app)
    for routes in (search, images, instances, jobs, session, stats, health, page):
        app.include_router(routes.router)
    return app


def lifespan(app: FastAPI) -> AbstractAsyncContextManager[object]:
    """The lifespan of a service that is mounted in another application: open while that runs.

    >>> @asynccontextmanager                                             # doctest: +SKIP
    ... async def lifespan_of_mine(app):
    ...     async with reir.server.lifespan(objects):
    ...         yield
    """
    return app.router.lifespan_context(app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ServiceSettings = app.state.settings
    given: Gallery | None = app.state.gallery
    gallery = given or Gallery.open(
        find_index(db=settings.db),
        device=settings.device,
        database_url=settings.database_url,
        keep_snapshots=settings.keep_snapshots,
        remembered_expressions=settings.remembered_expressions,
    )
    with ExitStack() as stack:
        if given is None:
            stack.enter_context(gallery)
        service = stack.enter_context(closing(Service(settings, gallery, app.state.metrics)))
        app.state.service = service
        stack.callback(setattr, app.state, "service", None)
        yield
