"""The query service: search, pictures and administration over HTTP, and the page."""

from reir.server.app import create_app, lifespan
from reir.server.settings import ServiceSettings

__all__ = ["ServiceSettings", "create_app", "lifespan"]
