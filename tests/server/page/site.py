"""A gallery for the page: emoji scenes as a camera would file them."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from PIL import Image
from PIL.ExifTags import IFD, Base

from reir import Gallery
from tests.imaging.orientations import STORED_AS

PICTURES = 100
HOLIDAYS = 6
"""So many of the pictures lie in a folder of their own and were taken in 2024."""
TURNED = "turned.jpg"
"""A wide picture that its file holds on its side."""
PANORAMA = "panorama.jpg"
STRIP = "strip.jpg"
"""Far wider, and far taller, than a tile may be."""


def make_gallery(root: Path) -> Path:
    """The index folder of a new gallery at ``root``, made by clare-tiny."""
    demo = Path(str(resources.files("reir.data") / "demo" / "images"))
    files = sorted(demo.glob("*.jpg"))[:PICTURES]
    (root / "holidays").mkdir(parents=True)
    for at, file in enumerate(files):
        if at < HOLIDAYS:
            _save_dated(Image.open(file), root / "holidays" / file.name)
        else:
            shutil.copy(file, root / file.name)
    wide = next(image for image in map(Image.open, files) if image.width > 1.3 * image.height)
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    wide.transpose(STORED_AS[6]).save(root / TURNED, quality=92, exif=exif)
    wide.resize((1200, 120)).save(root / PANORAMA)
    wide.resize((120, 1200)).save(root / STRIP)
    with Gallery.create(root, model="clare-tiny") as gallery:
        gallery.add([root], workers=0)
        return gallery.db


def _save_dated(image: Image.Image, target: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2024:07:14 18:30:00"
    image.save(target, quality=92, exif=exif)
