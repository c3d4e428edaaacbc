"""Pictures with the boxes, masks and ellipses of hits: one file each, or all on a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reir.cli.hits import by_picture, worth_text
from reir.errors import ImageUnreadableError, UsageError
from reir.types import Hit, Picture, SearchResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from reir.imaging.draw import Ellipse, Mark

LONGEST_SIDE = 4096
"""Pixels of a saved picture's longer side at most: more than any screen shows, and whole 12-megapixel photos."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def save_pictures(result: SearchResult, root: Path, folder: Path) -> tuple[list[Path], list[str]]:
    """The files written, one a picture (``01 IMG_7.jpg``, JPEG), and why some could not be."""
    from reir.imaging.draw import draw_boxes

    folder.mkdir(parents=True, exist_ok=True)
    written, failures = [], []
    places: dict[str, list[Hit]] = {}
    for hit in result.hits:
        places.setdefault(hit.path, []).append(hit)
    for path, hits in places.items():
        picture = _read(root / path, LONGEST_SIDE)
        if isinstance(picture, str):
            failures.append(picture)
            continue
        target = folder / f"{hits[0].rank:02d} {Path(path).stem}.jpg"
        draw_boxes(picture, _marks(hits)).save(target, "JPEG", quality=92, subsampling=0)
        written.append(target)
    return written, failures


def save_sheet(result: SearchResult, title: str, root: Path, target: Path) -> list[str]:
    """Why some pictures could not be shown on the contact sheet that was written to ``target``.

    Raises:
        UsageError: the ending of ``target`` is no picture format.
    """
    from reir.imaging.sheet import CELL_WIDTH, Panel, contact_sheet

    check_picture_name(target)
    panels, failures = [], []
    for hits in by_picture(result.hits):
        picture = _read(root / hits[0].path, 2 * CELL_WIDTH)
        if isinstance(picture, str):
            failures.append(picture)
        panels.append(
            Panel(
                rank=hits[0].rank,
                picture=picture if isinstance(picture, Picture) else None,
                marks=_marks(hits),
                caption=hits[0].path,
                note=worth_text(hits[0]),
            )
        )
    count = len(panels)
    order = "nothing seems to fit, the nearest first" if result.no_match else "best first"
    subtitle = f"{count} {'picture' if count == 1 else 'pictures'}, {order} · {result.model}"
    target.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(title, panels, subtitle=subtitle, warnings=result.warnings).save(target)
    return failures


def save_picture(result: SearchResult, path: Path, target: Path) -> None:
    """Write the one picture of the hits, at ``path``, with what was found in it.

    Raises:
        ImageUnreadableError: it cannot be read.
        UsageError: the ending of ``target`` is no picture format.
    """
    from reir.imaging import decode_picture
    from reir.imaging.draw import draw_boxes

    check_picture_name(target)
    picture = decode_picture(path, max_side=LONGEST_SIDE).picture
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_boxes(picture, _marks(result.hits)).save(target)


def check_picture_name(target: Path) -> None:
    """Nothing, if a picture can be written under this name.

    Raises:
        UsageError: its ending is no picture format.
    """
    if target.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"{target} does not end in {', '.join(PICTURE_SUFFIXES)}: what is written is a picture")


def _marks(hits: Sequence[Hit]) -> list[Mark]:
    from reir.imaging.draw import Mark

    return [Mark(hit.box, worth_text(hit), _mask(hit), _ellipse(hit)) for hit in hits]


def _mask(hit: Hit) -> npt.NDArray[np.bool_] | None:
    if hit.mask is None:
        return None
    from reir.geometry.masks import decode_rle

    return decode_rle(hit.mask)


def _ellipse(hit: Hit) -> Ellipse | None:
    """The ellipse that the last stage to draw one drew."""
    from reir.imaging.draw import Ellipse

    drawn = [note["ellipse"] for note in hit.stages.values() if isinstance(note, Mapping) and "ellipse" in note]
    if not drawn:
        return None
    (x, y), (a, b) = drawn[-1]["centre"], drawn[-1]["axes"]
    return Ellipse((x, y), (a, b), drawn[-1]["angle"])


def _read(path: Path, longest_side: int) -> Picture | str:
    from reir.imaging import decode_picture

    try:
        return decode_picture(path, max_side=longest_side).picture
    except (ImageUnreadableError, OSError) as error:
        return f"{path} cannot be shown: {getattr(error, 'cause', None) or error}"
