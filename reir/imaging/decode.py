"""Any picture file as upright RGB pixels, or a plain reason why not."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from reir.errors import ImageUnreadableError, MissingPackageError
from reir.imaging.exif import read_exif
from reir.imaging.letterbox import GREY
from reir.types import Picture

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k"),
    }
)
"""Lower-case endings of the files that are taken for pictures; what is inside decides how they are read."""

FORMATS = ("PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000")
"""Pillow's readers that are used besides JPEG and HEIC: fewer parsers, fewer surprises in hostile files."""

MAX_PIXELS = 120_000_000
"""Most pixels of a file that has to be decoded whole: 0.5 GB at Pillow's four bytes a pixel, twice that with alpha."""
MAX_CODEC_PIXELS = 64_000_000
"""Most pixels of a format whose codec keeps several copies of its own: 9 (AVIF) to 18 (JPEG 2000) bytes a pixel."""
MAX_REDUCED_PIXELS = 400_000_000
"""Most pixels of a JPEG that is decoded row by row at a reduced size (phones make 200 megapixels)."""
MIN_SIDE = 8
MAX_ASPECT = 50.0
"""Narrower strips hold no object, and would be scaled to nothing or to a huge canvas."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture, upright, with the EXIF facts of its file.

    ``orientation`` is the EXIF orientation that has been applied already. Boxes refer to ``picture.width`` and
    ``picture.height``, the size of the upright original.
    """

    picture: Picture
    orientation: int
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None


def decode_picture(source: Path | BinaryIO, max_side: int | None = None) -> Decoded:
    """The first frame of a picture file, upright, as 8-bit RGB, at most ``max_side`` pixels along its longer side.

    Large JPEGs are decoded at the smallest of libjpeg's scales that keeps twice the wanted size, then resized: three
    times as fast as decoding whole, and 54 dB alike. Transparent pixels show the grey of the letterbox. Greys of more
    than 8 bits are scaled by the range of their values, floating-point ones from [0, 1] or, beyond it, from their own.

    Raises:
        ImageUnreadableError: damaged, cut off, no picture, too large or too narrow; ``cause`` says which, in plain
            words. Its ``__cause__`` is a ``MissingPackageError`` where only a package is missing.
    """
    name = source if isinstance(source, Path) else Path(str(getattr(source, "name", "picture")))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            return _decode(stack, file, max_side)
        except Exception as error:  # Damaged files make Pillow raise nearly anything: every error is this file's.
            _refuse(name, error)


def as_picture(image: Image.Image) -> Picture:
    """A Pillow image as a file of it would be decoded: upright, 8-bit RGB, grey where it is transparent."""
    upright = ImageOps.exif_transpose(image)
    return Picture(np.asarray(_to_rgb(upright, upright.size)), upright.width, upright.height)


def _decode(stack: ExitStack, file: BinaryIO, max_side: int | None) -> Decoded:
    image = stack.enter_context(_open(file))
    full_width, full_height = image.size
    _check_size(image, full_width, full_height, max_side)
    width, height = full_width, full_height
    if max_side is not None and max(full_width, full_height) > max_side:
        factor = max_side / max(full_width, full_height)
        width, height = max(1, round(full_width * factor)), max(1, round(full_height * factor))
        if image.format == "JPEG":
            image.draft(image.mode, (2 * width, 2 * height))
    # Before the pixels: TIFF forgets its orientation while loading. A PNG is loaded here already, for EXIF may stand
    # behind its pixels; if only its end mark is missing, the pixels are whole and load() below is content.
    facts = read_exif(image)
    image.load()
    upright = _to_rgb(image, (width, height))
    orientation = image.info.get("original_orientation") or facts.orientation
    if image.format not in ("TIFF", "HEIF") and orientation in _UPRIGHT:  # Those two are turned while loading.
        upright = upright.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            full_width, full_height = full_height, full_width
    picture = Picture(np.asarray(upright), full_width, full_height)
    return Decoded(picture, orientation, facts.taken_at, facts.latitude, facts.longitude)


def _open(file: BinaryIO) -> Image.Image:
    head = file.read(64)
    file.seek(0)
    if not head:
        raise _RefusedError("the file is empty")
    if head.startswith(b"\xff\xd8"):
        # Opened by its class: the several-picture variant (MPO) would be parsed in vain, and Pillow's own pixel limit
        # knows nothing of reduced decoding.
        return JpegImageFile(file)
    brands = {head[start : start + 4] for start in range(8, len(head), 4)}
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not brands & {b"avif", b"avis"}:
        return _open_heif(file)
    return Image.open(file, formats=FORMATS)


def _open_heif(file: BinaryIO) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise MissingPackageError("pillow-heif", "heic") from error
    image: Image.Image = HeifImageFile(file)
    return image


def _check_size(image: Image.Image, width: int, height: int, max_side: int | None) -> None:
    if min(width, height) < MIN_SIDE:
        raise _RefusedError(f"{width}x{height} pixels: too small, at least {MIN_SIDE} are needed on each side")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _RefusedError(f"{width}x{height} pixels: too narrow, at most {MAX_ASPECT:.0f}:1 is read")
    # A progressive JPEG keeps all its coefficients in memory, whatever size it is decoded at.
    by_rows = image.format == "JPEG" and max_side is not None and not image.info.get("progressive")
    whole = MAX_CODEC_PIXELS if image.format in ("AVIF", "HEIF", "JPEG2000", "WEBP") else MAX_PIXELS
    limit = MAX_REDUCED_PIXELS if by_rows else whole
    if width * height > limit:
        raise _RefusedError(_too_large(width * height, limit))


def _too_large(pixels: int, limit: int) -> str:
    return f"says it has {pixels / 1e6:,.0f} megapixels, at most {limit / 1e6:.0f} are read"


def _to_rgb(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The loaded picture as RGB of the given size: resized in its own mode first, to copy few pixels."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bit(image)
    elif image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.size != size:
        # Pillow multiplies by alpha before resizing, so that colours under transparent pixels do not bleed.
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    if image.mode in ("LA", "RGBA"):
        background = Image.new("RGB", image.size, (GREY, GREY, GREY))
        background.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return background
    return image.convert("RGB") if image.mode != "RGB" else image


def _to_8_bit(image: Image.Image) -> Image.Image:
    """A grey picture of 16 or 32 bits, or of floats, with 8 bits."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        # Cameras and scanners keep 10, 12 or 14 bits in 16: the narrowest of these ranges that holds the values.
        bits = next(bits for bits in (8, 10, 12, 14, 16) if int(values.max()) < 1 << bits)
        return Image.fromarray((values >> (bits - 8)).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    white = 1.0 if image.mode == "F" else 65535.0
    if low >= 0.0 and high <= white:
        low, high = 0.0, white
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-6))).round().astype(np.uint8))


class _RefusedError(Exception):
    """A picture that reir itself will not read; the message is the plain cause."""


def _refuse(name: Path, error: Exception) -> NoReturn:
    raise ImageUnreadableError(name, _plain_cause(error)) from error


def _plain_cause(error: Exception) -> str:
    """Why a picture cannot be read, in a few words for its owner."""
    text = " ".join(str(error).split())
    match error:
        case _RefusedError() | MissingPackageError():
            return text
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "no permission to read it"
        case MemoryError():
            return "not enough memory to decode it"
        case UnidentifiedImageError():
            return "not a picture, or its header is damaged"
        case Image.DecompressionBombError():
            pixels = next((int(word.strip("(")) for word in text.split() if word.strip("(").isdigit()), None)
            return _too_large(pixels, MAX_PIXELS) if pixels else "says it has too many pixels"
        case OSError() if "truncated" in text:
            return "cut off: the file ends before the picture does"
        case OSError() if error.errno is not None:
            return f"cannot be read: {error.strerror}"
    return f"damaged: {text[:120] or type(error).__name__}"
