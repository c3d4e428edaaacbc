import io
import struct
import subprocess
import sys
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from reir.errors import ImageUnreadableError, MissingPackageError
from reir.imaging import GREY, SUFFIXES, as_picture, decode_picture
from tests.imaging.orientations import STORED_AS, with_orientation

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "AVIF": {"quality": 100}}


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A picture that differs from each of its turned and mirrored forms."""
    pixels = np.full((height, width, 3), 90, dtype=np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 40)
    pixels[height // 2 :, : width // 4] = (30, 40, 210)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def cause_of(data: bytes | Path) -> str:
    with pytest.raises(ImageUnreadableError) as caught:
        decode_picture(io.BytesIO(data) if isinstance(data, bytes) else data, 64)
    return caught.value.cause


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 12),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("GIF", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 6),
        ("JPEG2000", {}, 2),
    ],
)
def test_every_format_gives_its_pixels(kind: str, options: dict[str, Any], tolerance: int) -> None:
    decoded = decode_picture(encoded(scene(), kind, **options))
    assert (decoded.picture.width, decoded.picture.height) == (96, 64)
    difference = np.abs(decoded.picture.pixels.astype(int) - np.asarray(scene()).astype(int))
    assert difference.mean() <= tolerance / 4
    assert np.percentile(difference, 95) <= tolerance


def test_heic_through_its_extra() -> None:
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs the extra reir[heic]")
    file = io.BytesIO()
    heif.from_pillow(scene().transpose(STORED_AS[6])).save(file, quality=90, exif=with_orientation(6).tobytes())
    file.seek(0)
    decoded = decode_picture(file)
    assert decoded.orientation == 6
    assert (decoded.picture.width, decoded.picture.height) == (96, 64)
    np.testing.assert_allclose(decoded.picture.pixels[10, 10], (220, 30, 30), atol=20)


def test_heic_without_its_extra_names_the_command() -> None:
    code = (
        "import io, sys; sys.modules['pillow_heif'] = None\n"
        "from reir.imaging import decode_picture\n"
        "from reir.errors import ImageUnreadableError\n"
        "try: decode_picture(io.BytesIO(bytes(4) + b'ftypheic' + bytes(60)))\n"
        "except ImageUnreadableError as error: print(type(error.__cause__).__name__, error.cause)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith(MissingPackageError.__name__)
    assert "pip install 'reir[heic]'" in printed


@pytest.mark.parametrize("kind", sorted(LOSSLESS))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_the_same_upright_pixels(kind: str, orientation: int) -> None:
    stored = scene().transpose(STORED_AS[orientation]) if orientation > 1 else scene()
    file = encoded(stored, kind, exif=with_orientation(orientation), **LOSSLESS[kind])
    decoded = decode_picture(file)
    assert decoded.orientation == orientation
    assert (decoded.picture.width, decoded.picture.height) == (96, 64)
    difference = np.abs(decoded.picture.pixels.astype(int) - np.asarray(scene()).astype(int))
    assert difference.mean() <= (3 if kind == "AVIF" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_is_upright_too_and_keeps_the_original_size(orientation: int) -> None:
    upright = scene(1920, 1280)
    stored = upright.transpose(STORED_AS[orientation]) if orientation > 1 else upright
    decoded = decode_picture(encoded(stored, "JPEG", exif=with_orientation(orientation)), max_side=96)
    assert decoded.picture.pixels.shape == (64, 96, 3)
    assert (decoded.picture.width, decoded.picture.height) == (1920, 1280)
    difference = np.abs(decoded.picture.pixels.astype(int) - np.asarray(scene()).astype(int))
    assert np.median(difference) <= 3


def test_orientation_from_xmp_alone() -> None:
    from PIL.PngImagePlugin import PngInfo

    facts = PngInfo()
    facts.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="3"/></x:xmpmeta>')
    decoded = decode_picture(encoded(scene().transpose(STORED_AS[3]), "PNG", pnginfo=facts))
    assert decoded.orientation == 3
    np.testing.assert_array_equal(decoded.picture.pixels, np.asarray(scene()))


def test_small_pictures_are_not_enlarged() -> None:
    assert decode_picture(encoded(scene(), "PNG"), max_side=500).picture.pixels.shape == (64, 96, 3)


def test_transparent_pixels_show_grey_and_do_not_bleed() -> None:
    pixels = np.zeros((64, 64, 4), dtype=np.uint8)
    pixels[:, :32] = (255, 255, 255, 255)
    pixels[:, 32:] = (255, 0, 0, 0)
    reduced = decode_picture(encoded(Image.fromarray(pixels), "PNG"), max_side=16).picture.pixels.astype(int)
    np.testing.assert_array_equal(reduced[:, :7], 255)
    np.testing.assert_array_equal(reduced[:, 9:], GREY)
    assert np.ptp(reduced, axis=2).max() <= 2, "the red under the transparent half must not be seen"


def test_palettes_with_and_without_transparency() -> None:
    palette = scene().quantize(8)
    np.testing.assert_allclose(decode_picture(encoded(palette, "PNG")).picture.pixels, np.asarray(scene()), atol=2)
    clear = palette.getpixel((0, 0))
    seen = decode_picture(encoded(palette, "PNG", transparency=clear)).picture.pixels
    np.testing.assert_array_equal(seen[0, 0], GREY)
    np.testing.assert_allclose(seen[0, -1], (30, 200, 40), atol=2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode: str) -> None:
    image = scene().convert("L").convert("LA") if mode == "LA" else scene().convert(mode)
    kind = {"1": "PNG", "L": "PNG", "LA": "PNG", "CMYK": "JPEG", "YCbCr": "TIFF"}[mode]
    pixels = decode_picture(encoded(image, kind), max_side=48).picture.pixels
    assert pixels.shape == (32, 48, 3)
    # Means of two quarters, for mode 1 scatters its dots.
    expected = np.asarray(image.convert("RGB")).astype(float)
    np.testing.assert_allclose(pixels[:16, :24].mean((0, 1)), expected[:32, :48].mean((0, 1)), atol=8)
    np.testing.assert_allclose(pixels[:16, 24:].mean((0, 1)), expected[:32, 48:].mean((0, 1)), atol=8)


@pytest.mark.parametrize(("white", "top"), [(65535, 255), (4095, 255), (255, 255)])
def test_16_bit_greys_use_their_range(white: int, top: int) -> None:
    ramp = np.linspace(0, white, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = decode_picture(encoded(Image.fromarray(ramp), "TIFF")).picture.pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == top
    assert abs(int(pixels[32, 0, 0]) - 127) <= 2


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        (scene().transpose(STORED_AS[6]), "JPEG", {"orientation": 6}),
        (scene().quantize(8), "PNG", {"transparency": 0}),
        (Image.fromarray(np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)), "TIFF", {}),
    ],
)
def test_a_pillow_image_becomes_what_its_file_is_decoded_to(
    image: Image.Image, kind: str, options: dict[str, Any]
) -> None:
    if "orientation" in options:
        options = {"exif": with_orientation(options["orientation"])}
    data = encoded(image, kind, **options).getvalue()
    ours, file = as_picture(Image.open(io.BytesIO(data))), decode_picture(io.BytesIO(data)).picture
    assert (ours.width, ours.height) == (file.width, file.height)
    np.testing.assert_array_equal(ours.pixels, file.pixels)


def test_float_pictures() -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    assert decode_picture(encoded(Image.fromarray(ramp), "TIFF")).picture.pixels[-1, -1, 0] == 255
    beyond = ramp * 5000 - 1000
    beyond[0, 0] = np.nan
    pixels = decode_picture(encoded(Image.fromarray(beyond), "TIFF")).picture.pixels
    assert pixels[-1, -1, 0] == 255
    assert pixels[0, 1, 0] == 0


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        file = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert decode_picture(file).picture.pixels[5, 5, 0] > 200, kind


def test_when_and_where() -> None:
    exif = Image.Exif()
    exif[Base.DateTime] = "2020:01:01 00:00:00"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2019:06:09 12:57:32"
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "S",
            GPS.GPSLatitude: (34.0, 30.0, 36.0),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (18.0, 15.0, 0.0),
        }
    )
    decoded = decode_picture(encoded(scene(), "JPEG", exif=exif))
    assert decoded.taken_at == datetime(2019, 6, 9, 12, 57, 32)
    assert decoded.latitude == pytest.approx(-34.51)
    assert decoded.longitude == pytest.approx(18.25)


@pytest.mark.parametrize("value", ["0000:00:00 00:00:00", "yesterday", "    :  :     :  :  "])
def test_nonsense_dates_are_no_dates(value: str) -> None:
    exif = Image.Exif()
    exif[Base.DateTime] = value
    assert decode_picture(encoded(scene(), "JPEG", exif=exif)).taken_at is None


def test_places_that_cannot_be_are_no_places() -> None:
    for latitude, longitude in [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((91.0, 0.0, 0.0), (5.0, 0.0, 0.0)),
        ((9.0, 9.0), (1.0, 1.0, 1.0)),
    ]:
        exif = Image.Exif()
        exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitude: latitude, GPS.GPSLongitude: longitude})
        decoded = decode_picture(encoded(scene(), "JPEG", exif=exif))
        assert (decoded.latitude, decoded.longitude) == (None, None)


def test_a_picture_with_a_damaged_exif_block_is_read() -> None:
    data = bytearray(encoded(scene(), "JPEG", exif=with_orientation(6)).getvalue())
    at = data.index(b"Exif\0\0") + 6
    data[at : at + 8] = b"\xff" * 8
    decoded = decode_picture(io.BytesIO(bytes(data)))
    assert decoded.orientation == 1
    assert (decoded.picture.width, decoded.picture.height) == (96, 64)


def test_bytes_decide_not_the_name(tmp_path: Path) -> None:
    wrong = tmp_path / "picture.png"
    wrong.write_bytes(encoded(scene(), "JPEG").getvalue())
    assert decode_picture(wrong).picture.width == 96
    words = tmp_path / "words.jpg"
    words.write_text("these are only words, and many of them" * 10)
    assert cause_of(words) == "not a picture, or its header is damaged"


def test_empty_and_missing_files(tmp_path: Path) -> None:
    assert cause_of(b"") == "the file is empty"
    assert cause_of(tmp_path / "none.jpg") == "no such file"
    assert cause_of(tmp_path).startswith("cannot be read: ")


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_bombs_are_refused_by_their_header() -> None:
    assert cause_of(png_header(60000, 60000)) == "says it has 3,600 megapixels, at most 120 are read"
    assert cause_of(png_header(12000, 12000)) == "says it has 144 megapixels, at most 120 are read"
    jpeg = encoded(scene(), "JPEG").getvalue().replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 65000, 65000))
    assert cause_of(jpeg) == "says it has 4,225 megapixels, at most 400 are read"
    webp = encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=True).getvalue()
    # Width and height less one, 14 bits each, behind the signature byte of a lossless picture.
    at = webp.index(b"\x2f", webp.index(b"VP8L")) + 1
    sides = (12000 - 1) | (12000 - 1) << 14 | struct.unpack("<I", webp[at : at + 4])[0] & ~0 << 28
    assert "at most 64 are read" in cause_of(webp[:at] + struct.pack("<I", sides) + webp[at + 4 :])
    progressive = encoded(scene(), "JPEG", progressive=True).getvalue()
    progressive = progressive.replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 15000, 15000))
    assert cause_of(progressive) == "says it has 225 megapixels, at most 120 are read"


def test_strips_and_specks_are_refused() -> None:
    assert "too small" in cause_of(encoded(Image.new("RGB", (60000, 1)), "PNG").getvalue())
    assert "too narrow" in cause_of(encoded(Image.new("RGB", (10, 600)), "PNG").getvalue())
    assert "too small" in cause_of(encoded(Image.new("RGB", (1, 1)), "GIF").getvalue())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.0, 0.999))
def test_a_cut_off_picture_fails_or_is_whole(kind: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (48, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind).getvalue()
    whole = decode_picture(io.BytesIO(data)).picture.pixels
    try:
        decoded = decode_picture(io.BytesIO(data[: int(len(data) * share)]))
    except ImageUnreadableError as error:
        cause = error.cause
    else:
        # What is missing was no pixel: an end mark, or EXIF.
        np.testing.assert_array_equal(decoded.picture.pixels, whole)
        return
    assert 0 < len(cause) < 160
    assert "BytesIO" not in cause


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_flipped_bytes_never_raise_anything_else(kind: str, seed: int) -> None:
    data = bytearray(encoded(scene(), kind).getvalue())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, min(len(data), 600), size=4):
        data[at] = rng.integers(0, 256)
    try:
        decoded = decode_picture(io.BytesIO(bytes(data)), 64)
    except ImageUnreadableError:
        return
    assert max(decoded.picture.pixels.shape[:2]) <= 64


def test_suffixes_are_lower_case_endings() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"} <= SUFFIXES
