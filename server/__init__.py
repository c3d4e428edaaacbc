"""The query service: answers searches over HTTP and serves the page that shows them."""

__all__: list[str] = []
