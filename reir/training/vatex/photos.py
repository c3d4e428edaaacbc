"""Photographs of RefCOCO's kind as VATEX takes them: pictures at the network's side, expressions, true masks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch.utils.data import Dataset as TorchDataset

from reir.data import Dataset, load_dataset
from reir.data.pictures import find_picture
from reir.errors import DatasetError, ImageUnreadableError
from reir.geometry.masks import decode_rle
from reir.imaging import decode_picture
from reir.models.vatex.pixels import network_size
from reir.text.mirrored import mirror_words
from reir.training.photos.mixture import Mixture
from reir.training.vatex.config import MaskPhotos
from reir.training.vatex.queries import MaskQuery, MaskScene
from reir.training.vatex.rows import Composer, MaskBatch, Sample, draw_rows

MOST_REPLACEMENTS = 50
"""Unreadable pictures in a row, after which the folder is at fault rather than its pictures."""


@dataclass(frozen=True, slots=True)
class MaskedObject:
    """One object: its true mask as run lengths at the size of the upright original, and its expressions with kinds."""

    mask: Mapping[str, Any]
    expressions: tuple[str, ...]
    kinds: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class MaskedPicture:
    """One picture of a data set with the objects that expressions mean."""

    folder: Path
    file_name: str
    width: int
    height: int
    objects: tuple[MaskedObject, ...]


def masked_pictures(dataset: Dataset, *, limit: int | None = None) -> list[MaskedPicture]:
    """The pictures of a data set that expressions are about, in its order; ``limit`` keeps the first ones.

    Raises:
        DatasetError: an object has no mask, or the first picture is not there.
    """
    found: dict[str, dict[tuple[float, ...], tuple[Mapping[str, Any], list[str], list[str | None]]]] = {}
    for query in dataset.queries:
        target = query.targets[0]
        if target.mask is None:
            raise DatasetError(
                f"data set {dataset.path}: an object of {target.file_name} has no segmentation, and masks are learned "
                "from it. COCO's are kept by: reir data convert"
            )
        _, texts, kinds = found.setdefault(target.file_name, {}).setdefault(target.box, (target.mask, [], []))
        texts.append(query.text)
        kinds.append(query.kind)
    pictures = [
        MaskedPicture(
            dataset.images_root,
            image.file_name,
            image.width,
            image.height,
            tuple(MaskedObject(mask, tuple(texts), tuple(kinds)) for mask, texts, kinds in objects.values()),
        )
        for image in dataset.images
        if (objects := found.get(image.file_name))
    ][:limit]
    first = pictures[0]
    if find_picture((first.folder,), first.file_name) is None:
        raise DatasetError(
            f"data set {dataset.path}: there is no picture {first.folder / first.file_name}. Name their folder: "
            "--set photos.images=FOLDER"
        )
    return pictures


class PhotoRows(TorchDataset[MaskBatch]):
    """Numbered batches of photographs, each a function of the seed and its number: a run that goes on sees the same.

    A picture that cannot be read is left out with a warning, and another one takes its place, always the same one.
    """

    def __init__(
        self, config: MaskPhotos, *, composer: Composer, side: int, pictures: int, rows: int, seed: int, steps: int
    ) -> None:
        dataset = load_dataset(config.file, images=config.images, masks=True)
        self._pictures = masked_pictures(dataset, limit=config.pictures)
        wide = np.array([picture.width >= picture.height for picture in self._pictures])
        self._order = Mixture([wide], [1.0], pictures=pictures, seed=seed, steps=steps)
        self._flip, self._composer, self._side, self._rows = config.flip, composer, side, rows
        self._seed, self._steps = seed, steps
        self._told: set[str] = set()

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, number: int) -> MaskBatch:
        taken = self._order.rows(number)
        return self._composer.compose([self._sample(int(row), number, slot) for slot, row in enumerate(taken)])

    def _sample(self, row: int, number: int, slot: int) -> Sample:
        for attempt in range(MOST_REPLACEMENTS):
            rng = np.random.default_rng([self._seed, 23, number, slot, attempt])
            picture = self._pictures[row]
            try:
                return photo_sample(picture, self._side, self._rows, rng, flip=self._flip)
            except ImageUnreadableError as error:
                if picture.file_name not in self._told:
                    self._told.add(picture.file_name)
                    warnings.warn(f"left out of training: {error}", stacklevel=2)
            row = int(rng.integers(len(self._pictures)))
        folder = self._pictures[row].folder
        raise DatasetError(f"{MOST_REPLACEMENTS} pictures in a row could not be read. Look at the files in {folder}")


def photo_sample(picture: MaskedPicture, side: int, rows: int, rng: np.random.Generator, *, flip: float) -> Sample:
    """A picture with its rows, mirrored in the share ``flip`` of all cases if the words of all its rows can be.

    Raises:
        ImageUnreadableError: the file cannot be read, or is of another size than its masks are for.
    """
    chosen, triplet = draw_rows([len(item.expressions) for item in picture.objects], rows, rng)
    texts = [picture.objects[i].expressions[t] for i, t in chosen]
    mirrored = [mirror_words(text) for text in texts] if rng.random() < flip else [None]
    known = [text for text in mirrored if text is not None]
    flips = len(known) == len(texts)
    pixels, masks = photo_pixels(picture, side)
    if flips:
        pixels, masks = pixels[:, ::-1], [mask[:, ::-1] for mask in masks]
    return Sample(pixels, known if flips else texts, [masks[i] for i, _ in chosen], triplet)


def photo_pixels(picture: MaskedPicture, side: int) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.bool_]]]:
    """A picture (h, w, 3) and the masks (h, w) of its objects, at the size at which the network looks at it.

    Raises:
        ImageUnreadableError: the file cannot be read, or is of another size than its masks are for.
    """
    height, width = network_size(picture.width, picture.height, side)
    scale = max(height / picture.height, width / picture.width)
    path = find_picture((picture.folder,), picture.file_name)
    if path is None:
        raise ImageUnreadableError(picture.folder / picture.file_name, "no such file")
    decoded = decode_picture(path, max_side=max(1, round(scale * max(picture.width, picture.height)))).picture
    if (decoded.width, decoded.height) != (picture.width, picture.height):
        raise ImageUnreadableError(
            path,
            f"is {decoded.width}x{decoded.height} upright, and its masks are for {picture.width}x{picture.height}",
        )
    pixels = np.asarray(Image.fromarray(decoded.pixels).resize((width, height), Image.Resampling.BILINEAR))
    masks = [
        np.asarray(Image.fromarray(decode_rle(item.mask)).resize((width, height), Image.Resampling.NEAREST))
        for item in picture.objects
    ]
    return pixels, masks


def photo_queries(config: MaskPhotos, *, side: int) -> list[MaskScene]:
    """The pictures and expressions that a run is validated on, at the network's size, all in memory.

    Raises:
        DatasetError: the file is not there or malformed, or has no masks.
        ImageUnreadableError: a picture of it cannot be read.
    """
    assert config.validation is not None
    dataset = load_dataset(config.validation, images=config.images, masks=True)
    scenes = []
    for picture in masked_pictures(dataset, limit=config.validation_pictures):
        pixels, masks = photo_pixels(picture, side)
        scenes.append(
            MaskScene(
                pixels,
                tuple(
                    MaskQuery(text, kind, number, mask)
                    for number, (item, mask) in enumerate(zip(picture.objects, masks, strict=True))
                    for text, kind in zip(item.expressions, item.kinds, strict=True)
                ),
            )
        )
    return scenes
