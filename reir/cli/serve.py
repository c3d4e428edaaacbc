"""``reir serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reir.cli.arguments import DatabaseUrl, Db, Device, DeviceName

_EXAMPLES = """\b
Examples:
  reir serve --db ~/Pictures/.reir
  reir serve --host 0.0.0.0 --api-key-file keys.txt --workers 2
  reir serve --stage sam --stage outline=vatex:runs/vatex

\b
keys.txt holds one key a line, at least 16 characters long:
  read  Zt5lq0d7vXk2mWn8
  admin 9fHs3LrB1xPz6QeC

\b
Further settings are read from variables, for example REIR_CORS_ORIGINS and
REIR_ALLOWED_HOSTS (lists in JSON): see docs/serving.md."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(serve)


def serve(
    db: Db = None,
    host: Annotated[str, typer.Option("--host", envvar="REIR_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", envvar="REIR_PORT", min=1, max=65535, help="Port to listen on.")
    ] = 8080,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            envvar="REIR_API_KEY_FILE",
            metavar="FILE",
            show_default=False,
            help="Keys, one a line: read KEY, or admin KEY. Without it, pictures cannot be added or removed.",
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="NAME",
            show_default=False,
            help="Offer a stage with weights of its own, as NAME or ALIAS=NAME (see: reir stages); repeatable.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that answer.")] = 1,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others than this machine read the gallery without a key.")
    ] = False,
    access_log: Annotated[bool, typer.Option("--access-log", help="Write a line for every request.")] = False,
    device: Device = DeviceName.auto,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve an index over HTTP: the page at /, the API under /v1.

    New and changed pictures are found as soon as they are indexed; the service need not be restarted.
    """
    from reir.server import ServiceSettings
    from reir.server.run import serve as run

    given = {
        "db": db,
        "api_key_file": api_key_file,
        "device": device.value,
        "database_url": database_url,
        "stages": tuple(stage) if stage else None,
    }
    settings = ServiceSettings.model_validate({name: value for name, value in given.items() if value is not None})
    run(settings, host=host, port=port, workers=workers, access_log=access_log, insecure=insecure)
