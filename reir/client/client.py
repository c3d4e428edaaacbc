"""A gallery that somebody else serves.

>>> from reir import Client
>>> with Client("http://127.0.0.1:8080", api_key="...") as client:     # doctest: +SKIP
...     result = client.search("brown dog on a cushion near a fireplace", top=5)
...     more = client.like(result.hits[0].instance_id)
...     picture = client.thumbnail(result.hits[0].image_id)
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from reir.client.connection import Connection
from reir.client.records import ImageInfo, InstanceInfo, Job, JobFailedError, ServiceInfo
from reir.errors import ImageUnreadableError, UsageError
from reir.rerank import STAGE_SECONDS
from reir.types import Picture, SearchOptions, SearchResult

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


_FILTERS = ("path_prefix", "after", "before", "image_ids", "external_ids")


class Client:
    """The searches of ``reir.Gallery``, answered by a service. All methods may be called from several threads at once.

    Answers are the same ``SearchResult`` as the gallery gives, errors the same ``ReirError`` where ``reir.errors`` has
    a class for them, otherwise ``ServiceError``. A busy service (503 with Retry-After) is asked again, ``retries``
    times at most. Redirects are not followed.
    """

    def __init__(self, url: str, *, api_key: str | None = None, timeout: float = 30.0, retries: int = 3) -> None:
        """A client of the service at ``url`` (``http://host:8080``, or where another application mounts it).

        Args:
            url: http or https; what follows the host is the path under which the service is mounted.
            api_key: sent with every request.
            timeout: seconds without a sign of life after which a request fails; a search with stages has their time
                as well.
            retries: how often a request is repeated that the service was too busy for.

        Raises:
            UsageError: not such a URL.
        """
        self._connection = Connection(url, api_key=api_key, timeout=timeout, retries=retries)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._connection.url

    def search(
        self,
        expression: str | None = None,
        *,
        image: str | Path | bytes | PillowImage | Picture | None = None,
        cursor: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Ranked hits for an expression, an example picture or a cursor (exactly one of the three).

        ``image`` is a file, its bytes, a Pillow image or a ``Picture``. ``cursor`` is ``next_cursor`` of an answer, and
        gives its next page; the options must be as they were there. A query vector is not taken over HTTP.

        Raises:
            UsageError: no query or several, an empty expression, an option out of range, a cursor of another search.
            SnapshotGoneError: the gallery changed since the page before, and what it was then is not kept.
            ImageUnreadableError: ``image`` cannot be decoded.
            ServiceError, ServiceUnreachableError: the service refused, or did not answer.
        """
        queries = {"expression": expression, "cursor": cursor}
        given = {name: query for name, query in queries.items() if query is not None}
        if len(given) + (image is not None) != 1:
            raise UsageError("search takes exactly one of an expression, an example image and a cursor")
        return self._search(given, options, image)

    def like(self, instance_id: int, **options: Unpack[SearchOptions]) -> SearchResult:
        """Ranked hits that look like an instance found before (``hit.instance_id``), which is one of them.

        Raises:
            InstanceGoneError: the instance's picture was changed or removed since.
        """
        return self._search({"instance_id": instance_id}, options)

    def search_many(self, expressions: Sequence[str], **options: Unpack[SearchOptions]) -> list[SearchResult]:
        """The answer to each expression, in order, all from one request."""
        body = _body({"expression": list(expressions)}, options)
        seconds = _stage_seconds(options) * len(expressions)
        answers = self._connection.json("POST", "/v1/search", json=body, more_seconds=seconds)["results"]
        return [SearchResult.from_json(answer) for answer in answers]

    def pages(
        self,
        expression: str | None = None,
        *,
        image: str | Path | bytes | PillowImage | Picture | None = None,
        instance_id: int | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[SearchResult]:
        """Every page of an answer, best first, ``top`` places each, as they are asked for.

        All pages are of one snapshot: none repeats or skips a hit, also when the gallery changes meanwhile.

        Raises:
            SnapshotGoneError: so much time went by between two pages that the snapshot is not kept any more.
        """
        if instance_id is None:
            page = self.search(expression, image=image, **options)
        elif expression is None and image is None:
            page = self.like(instance_id, **options)
        else:
            raise UsageError("pages takes exactly one of an expression, an example image and an instance id")
        yield page
        while page.next_cursor is not None:
            page = self.search(cursor=page.next_cursor, **options)
            yield page

    def info(self) -> ServiceInfo:
        """What the service holds, and what this client may do there."""
        return ServiceInfo.from_json(self._connection.json("GET", "/v1/stats"))

    def image(self, image_id: int) -> ImageInfo:
        """One picture with its instances. Raises ServiceError with code ``not_found``."""
        return ImageInfo.from_json(self._connection.json("GET", f"/v1/images/{int(image_id)}"))

    def instance(self, instance_id: int) -> InstanceInfo:
        """One instance. Raises InstanceGoneError."""
        return InstanceInfo.from_json(self._connection.json("GET", f"/v1/instances/{int(instance_id)}"))

    def thumbnail(self, image_id: int, *, side: int = 320) -> bytes:
        """An encoded picture (JPEG or WebP), its longer side at most ``side`` pixels: 160, 320, 640, 1280 or 2048."""
        return self._connection.bytes(f"/v1/images/{int(image_id)}/thumbnail", params={"side": side})

    def annotated(self, image_id: int, instance_ids: Sequence[int] = (), *, side: int = 1280) -> bytes:
        """An encoded picture with the boxes of these instances drawn on it, by default of all."""
        parameters = {"side": side, "instance_id": [int(number) for number in instance_ids]}
        return self._connection.bytes(f"/v1/images/{int(image_id)}/annotated", params=parameters)

    def crop(self, instance_id: int, *, side: int = 320, margin: float = 0.1) -> bytes:
        """An encoded picture of one instance, with a margin of that share of its box. Raises InstanceGoneError."""
        path = f"/v1/instances/{int(instance_id)}/crop"
        return self._connection.bytes(path, params={"side": side, "margin": margin})

    def add(self, paths: Sequence[str], *, external_ids: Mapping[str, str] | None = None) -> Job:
        """The job that looks at pictures which lie under the gallery's root already, by their relative paths.

        ``external_ids`` are your own ids of pictures, by their path. Needs an administrator's key.
        """
        body = {"paths": [str(path) for path in paths], "external_ids": dict(external_ids or {})}
        return Job.from_json(self._connection.json("POST", "/v1/images", json=body))

    def upload(self, files: Sequence[str | Path], *, folder: str | None = None) -> Job:
        """The job that puts pictures of this machine into the gallery (into ``folder`` of it) and looks at them.

        Needs an administrator's key.
        """
        parts = [("images", (Path(file).name, _read(Path(file)))) for file in files]
        data = {} if folder is None else {"folder": folder}
        return Job.from_json(self._connection.json("POST", "/v1/images", files=parts, data=data))

    def remove(self, image_id: int) -> Job:
        """The job that takes a picture out of the index; its file is not touched. Needs an administrator's key."""
        return Job.from_json(self._connection.json("DELETE", f"/v1/images/{int(image_id)}"))

    def job(self, job_id: str) -> Job:
        """What became of a job so far. Raises ServiceError with code ``not_found``."""
        return Job.from_json(self._connection.json("GET", f"/v1/jobs/{job_id}"))

    def wait(self, job: Job, *, timeout: float = 600.0, poll: float = 0.2) -> Job:
        """The job when it is done: searches see what it changed.

        Args:
            job: as ``add``, ``upload`` or ``remove`` gave it.
            timeout: seconds.
            poll: seconds between two questions.

        Raises:
            JobFailedError: it failed.
            TimeoutError: it is not over yet; it goes on all the same.
        """
        until = time.monotonic() + timeout
        while not job.over:
            if time.monotonic() > until:
                raise TimeoutError(f"job {job.job_id} is still {job.state} after {timeout:g} s")
            time.sleep(poll)
            job = self.job(job.job_id)
        if job.state == "failed":
            raise JobFailedError(job)
        return job

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(
        self,
        query: Mapping[str, Any],
        options: SearchOptions,
        image: str | Path | bytes | PillowImage | Picture | None = None,
    ) -> SearchResult:
        body = _body(query, options)
        if image is None:
            content: dict[str, Any] = {"json": body}
        else:
            content = {"files": {"image": _encoded(image)}, "data": {"request": json.dumps(body)}}
        answer = self._connection.json("POST", "/v1/search", more_seconds=_stage_seconds(options), **content)
        return SearchResult.from_json(answer)


def _stage_seconds(options: SearchOptions) -> float:
    """Seconds that the stages of a search may take, by its own word: no answer comes before they end."""
    stages = [*options.get("rerank", ()), options.get("refine"), options.get("mask")]
    return options.get("stage_seconds", STAGE_SECONDS) * sum(stage is not None for stage in stages)


def _body(query: Mapping[str, Any], options: SearchOptions) -> dict[str, Any]:
    """The JSON of a search. What was not given is left to the service's defaults, which are the gallery's."""
    unknown = sorted(set(options) - SearchOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"searches have no option {unknown[0]!r}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    body: dict[str, Any] = dict(query)
    if given.pop("flat", False):
        body["group_by"] = "none"
    if "boxes" in given:
        body["boxes_per_image"] = given.pop("boxes")
    where = {name: given.pop(name) for name in _FILTERS if name in given}
    for name in ("after", "before"):
        if name in where:
            where[name] = where[name].isoformat()
    for name in ("image_ids", "external_ids"):
        if name in where:
            where[name] = list(where[name])
    if "rerank" in given:
        given["rerank"] = list(given["rerank"])
    if "blend" in given:
        given["blend"] = dict(given["blend"])
    return body | given | ({"filter": where} if where else {})


def _encoded(image: str | Path | bytes | PillowImage | Picture) -> tuple[str, bytes]:
    """A name and the bytes of an example: a file as it is, pixels without loss."""
    if isinstance(image, bytes):
        return "image", image
    if isinstance(image, str | Path):
        return Path(image).name, _read(Path(image))
    from PIL import Image

    from reir.imaging import as_picture

    upright = image if isinstance(image, Picture) else as_picture(image)
    buffer = io.BytesIO()
    Image.fromarray(upright.pixels).save(buffer, "PNG")
    return "image.png", buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageUnreadableError(path, error.strerror or str(error)) from error
