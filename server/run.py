"""Running the service in this process, or in several."""

from __future__ import annotations

import os
from contextlib import ExitStack
from ipaddress import ip_address
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI

from reir.errors import UsageError
from reir.gallery import Gallery
from reir.indexer.location import find_index
from reir.server.access import Keys
from reir.server.app import create_app
from reir.server.settings import ServiceSettings
from reir.server.stages import StageOffer


def serve(
    settings: ServiceSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    access_log: bool = False,
    insecure: bool = False,
) -> None:
    """Answer requests until stopped.

    Args:
        settings: of the service. On a loopback address without ``allowed_hosts``, only requests that name a loopback
            host are answered: a page elsewhere could otherwise read the gallery under a name of its own.
        host: address to listen on.
        port: port to listen on.
        workers: processes that answer side by side.
        access_log: write a line for every request.
        insecure: listen beyond this machine though no keys are asked for.

    Raises:
        UsageError: the address can be reached from elsewhere, and there are no keys; or the key file is not right, or
            a stage that is to be offered is not known.
        IndexNotFoundError, ModelMismatchError: see ``Gallery.open``.
    """
    if is_loopback(host):
        settings = settings.model_copy(update={"allowed_hosts": settings.allowed_hosts or ("localhost",)})
    elif settings.api_key_file is None and not insecure:
        raise UsageError(
            f"on {host} others can reach the service, and without keys they could see every picture. Give "
            "--api-key-file FILE, or say --insecure if that is meant"
        )
    Keys.load(settings.api_key_file)
    offer = StageOffer(settings.stages)
    with Gallery.open(find_index(db=settings.db), database_url=settings.database_url) as gallery:
        settings = settings.model_copy(update={"db": gallery.db})
        offer.check(gallery.model)  # what is wrong with index, keys or stages should be said here, not in a log
    options = {
        "host": host,
        "port": port,
        "access_log": access_log,
        "server_header": False,
        "timeout_graceful_shutdown": 10,
    }
    if workers == 1:
        uvicorn.run(create_app(settings), **options)  # type: ignore[arg-type]
        return
    with ExitStack() as stack:
        # The workers are processes of their own: they read their settings, and count, through what they all see.
        counters = stack.enter_context(TemporaryDirectory(prefix="reir-metrics-"))
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
        os.environ["REIR_SERVICE"] = settings.model_dump_json()
        uvicorn.run(f"{__name__}:app_of_worker", factory=True, workers=workers, **options)  # type: ignore[arg-type]


def app_of_worker() -> FastAPI:
    """The service of one of several worker processes."""
    return create_app(ServiceSettings.model_validate_json(os.environ["REIR_SERVICE"]))


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
