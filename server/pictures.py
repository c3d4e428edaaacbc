"""Pictures as the page shows them: reduced, with boxes drawn, or cut out; from a bounded pool and a bounded cache."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from math import ceil
from threading import Lock
from typing import BinaryIO

from cachetools import LRUCache
from PIL import Image

from reir.errors import ImageUnreadableError
from reir.imaging import Mark, decode_picture, draw_boxes
from reir.imaging.decode import MAX_PIXELS
from reir.server.errors import overloaded
from reir.server.files import GalleryFiles
from reir.store import ImageRow
from reir.types import Box, Picture

MEDIA_TYPE = "image/jpeg"
QUALITY = 82
_REVISION = 1
"""Part of every entity tag; a change of how pictures are rendered makes it another number."""


class Side(IntEnum):
    """Longer sides in pixels that pictures are rendered at: few, so that the cache is of use."""

    S160 = 160
    S320 = 320
    S640 = 640
    S1280 = 1280
    S2048 = 2048


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered picture: JPEG bytes, and the entity tag that stands for exactly these."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class View:
    """What is wanted of a picture: the whole, the whole with boxes drawn, or one box with a margin cut out.

    Args:
        row: the picture, as of the snapshot that the boxes are of.
        side: longer side of the answer; nothing is enlarged.
        boxes: drawn, in pixels of the upright original; the first one stands out.
        crop: cut out.
        margin: added around ``crop`` on each side, as a share of its width and height.
    """

    row: ImageRow
    side: Side
    boxes: tuple[Box, ...] = ()
    crop: Box | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin <= 1.0:
            raise ValueError(f"margin must be 0 to 1, got {self.margin}")

    @property
    def etag(self) -> str:
        """The entity tag: content, boxes and how they are shown."""
        row = self.row
        content = row.content_hash or (row.image_id, row.size, row.mtime_ns)
        parts = (_REVISION, content, int(self.side), self.boxes, self.crop, self.margin)
        return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


class Pictures:
    """Rendered pictures of one gallery. All methods may be called from several threads at once.

    Args:
        files: where the pictures lie.
        workers: pictures that are decoded at once; each may take half a gigabyte for a moment.
        queue: pictures that may wait beside those.
        cache_bytes: rendered pictures that are kept, least recently used ones dropped first.
    """

    def __init__(
        self, files: GalleryFiles, *, workers: int = 2, queue: int = 64, cache_bytes: int = 64_000_000
    ) -> None:
        self._files = files
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="reir-pictures")
        self._most = workers + queue
        self._kept: LRUCache[str, bytes] = LRUCache(cache_bytes, getsizeof=len)
        self._wanted: dict[str, Future[Rendering]] = {}
        self._lock = Lock()

    def check(self, row: ImageRow) -> None:
        """Returns when the picture can be shown: it was read when it was indexed, and its file is the same.

        Raises:
            ImageUnreadableError: it could not be read, and is not tried again: it may crash a decoder.
            PictureMissingError, PictureChangedError: see `GalleryFiles.open`.
        """
        if row.status != "indexed":
            raise ImageUnreadableError(row.path, row.cause or "it could not be read")
        self._files.check(row)

    def render(self, view: View) -> Future[Rendering]:
        """The rendering to come, from the cache where it is there. Equal ones that are asked for at once are one.

        The future raises ImageUnreadableError, PictureMissingError or PictureChangedError. It may be that of others
        too: wait for it, and never cancel it.

        Raises:
            ServiceError: too many wait already (503).
        """
        etag = view.etag
        with self._lock:
            if (body := self._kept.get(etag)) is not None:
                done: Future[Rendering] = Future()
                done.set_result(Rendering(body, etag))
                return done
            if (running := self._wanted.get(etag)) is not None:
                return running
            if len(self._wanted) >= self._most:
                raise overloaded()
            future = self._wanted[etag] = self._pool.submit(self._render, view, etag)
        future.add_done_callback(lambda _: self._forget(etag))
        return future

    def close(self) -> None:
        """Drops what waits and lets what is being rendered end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _render(self, view: View, etag: str) -> Rendering:
        try:
            with self._files.open(view.row) as file:
                image = _crop(file, view, view.crop) if view.crop is not None else _whole(file, view)
        except ImageUnreadableError as error:
            raise ImageUnreadableError(view.row.path, error.cause) from error
        body = _encode(image)
        with self._lock:
            if len(body) <= self._kept.maxsize:
                self._kept[etag] = body
        return Rendering(body, etag)

    def _forget(self, etag: str) -> None:
        with self._lock:
            self._wanted.pop(etag, None)


def _whole(file: BinaryIO, view: View) -> Image.Image:
    picture = decode_picture(file, view.side).picture
    return draw_boxes(picture, [Mark(box) for box in view.boxes]) if view.boxes else Image.fromarray(picture.pixels)


def _crop(file: BinaryIO, view: View, crop: Box) -> Image.Image:
    x0, y0, x1, y1 = _widened(crop, view.margin, view.row.width, view.row.height)
    picture = decode_picture(file, _decode_side(view, max(x1 - x0, y1 - y0, 1.0))).picture
    cut = Image.fromarray(picture.pixels).crop(_pixels((x0, y0, x1, y1), picture))
    cut.thumbnail((view.side, view.side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return cut


def _widened(box: Box, margin: float, width: int, height: int) -> Box:
    x0, y0, x1, y1 = box
    across, down = (x1 - x0) * margin, (y1 - y0) * margin
    return max(x0 - across, 0.0), max(y0 - down, 0.0), min(x1 + across, float(width)), min(y1 + down, float(height))


def _pixels(box: Box, picture: Picture) -> tuple[int, int, int, int]:
    """The pixels that the box touches, at least one, in the picture as it was decoded."""
    rows, columns = picture.pixels.shape[:2]
    across, down = columns / picture.width, rows / picture.height
    left, top = min(int(box[0] * across), columns - 1), min(int(box[1] * down), rows - 1)
    right, bottom = min(ceil(box[2] * across), columns), min(ceil(box[3] * down), rows)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _decode_side(view: View, longest: float) -> int:
    """The size to decode at for a crop whose longer side is ``longest`` in the original.

    A picture too large to be decoded whole is taken at a quarter, for which libjpeg decodes at half.
    """
    original = max(view.row.width, view.row.height)
    most = original // 4 if view.row.width * view.row.height > MAX_PIXELS else original
    return max(1, min(ceil(original * view.side / longest), most))


def _encode(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
