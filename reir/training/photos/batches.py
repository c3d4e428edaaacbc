"""Batches of photographs: the same record as those of scenes, with padding, and whether the boxes are complete."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from reir.data.annotated import AnnotatedPicture, Annotations
from reir.data.annotations import read_annotations
from reir.data.completion import Completion
from reir.data.pictures import find_picture
from reir.errors import DatasetError, ImageUnreadableError
from reir.imaging import GREY
from reir.training.batch import GALLERY, OPEN, PICTURE, Batch
from reir.training.photos.augment import change_boxes, changed_pixels, draw_change
from reir.training.photos.config import PhotoConfig, PhotoSource, Task
from reir.training.photos.mixture import Mixture
from reir.training.photos.texts import bound_to_frame, draw_texts, label_matrix, mirrored_texts, object_texts
from reir.types import Array, FloatArray, IntArray

MOST_REPLACEMENTS = 50
"""Unreadable pictures in a row, after which the folder is at fault rather than its pictures."""


MOST_MALFORMED = 0.01
"""Share of a file's entries that may be malformed before it is taken for damaged, or for one of another layout."""


REACH: Final[dict[Task, int]] = {"detection": OPEN, "rec": PICTURE, "reir": GALLERY}
"""What a text is known to fit beside its objects, where a picture's boxes are not complete."""


class Encoder(Protocol):
    """Texts to token ids, as `reir.text.WordTokenizer` has it."""

    def encode(self, expressions: Sequence[str], /) -> tuple[IntArray, Array]:
        """Token ids (Q, T) int64 and mask (Q, T) bool."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the configuration with its pictures: those that have something to teach."""

    annotations: Annotations
    folders: tuple[Path, ...]
    task: Task
    weight: float
    rows: IntArray
    completion: Completion | None

    def picture(self, row: int) -> AnnotatedPicture:
        """The picture of a row, with all its boxes where another file has them."""
        picture = self.annotations[int(self.rows[row])]
        return picture if self.completion is None else self.completion.complete(picture)


@dataclass(frozen=True, slots=True)
class _Sample:
    """One changed picture: pixels (h, w, 3), N boxes normalised to it, and its texts."""

    pixels: npt.NDArray[np.uint8]
    boxes: FloatArray
    known: list[frozenset[str]]
    texts: list[str]
    text_object: list[int | None]
    complete: bool


class PhotoBatches(Dataset[Batch]):
    """Numbered batches, each a function of the seed and its number alone: a run that goes on sees what it would have.

    Several processes take numbers in turn. Every batch comes from one source, drawn by weight, so that the processes
    of a step work on different tasks. A crowd is neither background nor object: its box is left out, and the picture
    counts as not complete. A picture that cannot be read is left out with a warning, and another one of its source
    takes its place, always the same one.
    """

    def __init__(self, config: PhotoConfig, *, tokenizer: Encoder, seed: int, steps: int) -> None:
        """``steps`` is the number of batches.

        Raises:
            DatasetError: a file is missing or malformed, has nothing to train on, or its pictures are not there.
        """
        self._config, self._tokenizer, self._seed, self._steps = config, tokenizer, seed, steps
        self._sources = [open_source(source) for source in config.sources]
        wide = [source.annotations.sizes[source.rows] for source in self._sources]
        self._mixture = Mixture(
            [sizes[:, 0] >= sizes[:, 1] for sizes in wide],
            [source.weight for source in self._sources],
            pictures=config.pictures,
            seed=seed,
            steps=steps,
        )
        self._told: set[str] = set()

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        source = self._sources[int(self._mixture.sources[step])]
        rows = self._mixture.rows(step)
        taken = {int(row) for row in rows}
        samples = [self._sample(source, int(row), step, slot, taken) for slot, row in enumerate(rows)]
        return compose(samples, source.task, self._tokenizer, self._config.multiple)

    def _sample(self, source: Source, row: int, step: int, slot: int, taken: set[int]) -> _Sample:
        for attempt in range(MOST_REPLACEMENTS):
            rng = np.random.default_rng([self._seed, 13, step, slot, attempt])
            picture = source.picture(row)
            try:
                return change(picture, source, self._config, rng)
            except ImageUnreadableError as error:
                if picture.file_name not in self._told:
                    self._told.add(picture.file_name)
                    warnings.warn(f"left out of training: {error}", stacklevel=2)
            row = int(rng.integers(len(source.rows)))
            if len(taken) < len(source.rows):
                while row in taken:
                    row = (row + 1) % len(source.rows)
            taken.add(row)
        raise DatasetError(
            f"data set {source.annotations.path}: {MOST_REPLACEMENTS} pictures in a row could not be read. "
            f"Look at them with: reir data check {source.annotations.path} --images {source.folders[0]}"
        )


def open_source(source: PhotoSource) -> Source:
    """The pictures of a source that have something to teach: for detection objects, otherwise expressions.

    Raises:
        DatasetError: the file is missing or malformed, has nothing to train on, or its first picture is not there.
    """
    complete = None if source.boxes is None else source.boxes == "all"
    annotations = read_annotations(source.file, complete=complete)
    malformed = [issue for issue in annotations.issues if issue.kind == "malformed"]
    if malformed:
        some = "".join(f"\n  {issue}" for issue in malformed[:5])
        told = f"data set {annotations.path} has {len(malformed)} malformed entries, which are left out:{some}"
        if len(malformed) > MOST_MALFORMED * (len(annotations) + annotations.objects):
            raise DatasetError(f"{told}\nSee them all with: reir data check {annotations.path} --list")
        warnings.warn(told, stacklevel=2)
    counts = annotations.object_counts if source.task == "detection" else annotations.expression_counts
    rows = np.flatnonzero(counts > 0)[: source.pictures]
    if not len(rows) or (source.task == "detection" and not annotations.category_names):
        what = (
            "no objects with categories"
            if source.task == "detection"
            else f"no expressions, which task {source.task!r} needs"
        )
        raise DatasetError(f"data set {annotations.path} has {what}")
    folders = (source.images if source.images is not None else annotations.path.parent / "images",)
    first = annotations.file_names[int(rows[0])]
    if find_picture(folders, first) is None:
        raise DatasetError(
            f"data set {annotations.path}: there is no picture {folders[0] / first}. Name the folder of its pictures "
            "as images of the source"
        )
    completion = None if source.objects is None else Completion(read_annotations(source.objects))
    if completion is not None and not completion.covers(annotations[int(rows[0])]):
        raise DatasetError(f"data set {source.objects} does not have {first}, the first picture of {annotations.path}")
    return Source(annotations, folders, source.task, source.weight, rows, completion)


def change(picture: AnnotatedPicture, source: Source, config: PhotoConfig, rng: np.random.Generator) -> _Sample:
    """A picture with its texts, changed as ``rng`` has it.

    It is mirrored only if all its texts can be, and cut only if none of them is bound to the frame.

    Raises:
        ImageUnreadableError: there is no such file, or it cannot be read, or is of another size.
    """
    names = source.annotations.category_names
    drawn = draw_texts(picture, source.task, names, config, rng)
    mirrored = mirrored_texts(drawn, words=config.mirror_words) if rng.random() < config.flip else None
    texts = [item.text for item in drawn] if mirrored is None else mirrored
    crop = bool(rng.random() < config.crop) and not bound_to_frame(drawn)
    plan = draw_change(picture.width, picture.height, config, rng, flip=mirrored is not None, crop=crop)
    path = find_picture(source.folders, picture.file_name)
    if path is None:
        raise ImageUnreadableError(source.folders[0] / picture.file_name, "no such file")
    pixels = changed_pixels(path, picture.width, picture.height, plan)
    boxes, stays = change_boxes(picture.boxes, plan, config.crop_visible)
    crowd_seen = bool((picture.crowd & (boxes[:, 2:].prod(axis=1) > 0)).any())
    kept = [int(i) for i in np.flatnonzero(stays & ~picture.crowd)]
    place = {item: position for position, item in enumerate(kept)}
    told = [
        (text, item.item) for text, item in zip(texts, drawn, strict=True) if item.item is None or item.item in place
    ]
    return _Sample(
        pixels,
        boxes[kept],
        object_texts(picture, kept, source.task, names, mirrored=mirrored is not None and config.mirror_words),
        [text for text, _ in told],
        [None if item is None else place[item] for _, item in told],
        picture.complete and not crowd_seen,
    )


def compose(samples: Sequence[_Sample], task: Task, tokenizer: Encoder, multiple: int) -> Batch:
    """The batch of these pictures, padded to the largest, its sides multiples of ``multiple``."""
    height = -(-max(sample.pixels.shape[0] for sample in samples) // multiple) * multiple
    width = -(-max(sample.pixels.shape[1] for sample in samples) // multiple) * multiple
    pixels = np.full((len(samples), height, width, 3), GREY, dtype=np.uint8)
    padding = np.ones((len(samples), height, width), dtype=bool)
    boxes: list[FloatArray] = [np.zeros((0, 4), dtype=np.float32)]
    object_picture: list[int] = []
    texts: list[str] = []
    text_picture: list[int] = []
    text_object: list[int | None] = []
    known: list[frozenset[str]] = []
    for b, sample in enumerate(samples):
        h, w = sample.pixels.shape[:2]
        pixels[b, :h, :w] = sample.pixels
        padding[b, :h, :w] = False
        boxes.append(sample.boxes * np.array([w / width, h / height] * 2, dtype=np.float32))
        text_object += [None if item is None else len(object_picture) + item for item in sample.text_object]
        object_picture += [b] * len(sample.boxes)
        texts += sample.texts
        text_picture += [b] * len(sample.texts)
        known += sample.known
    labels = label_matrix(texts, text_picture, text_object, known, object_picture, task)
    ids, mask = tokenizer.encode(texts) if texts else (np.zeros((0, 1), np.int64), np.zeros((0, 1), bool))
    return Batch(
        pixels=torch.from_numpy(pixels),
        boxes_cxcywh=torch.from_numpy(np.concatenate(boxes)),
        object_picture=torch.tensor(object_picture, dtype=torch.int64),
        token_ids=torch.from_numpy(ids),
        token_mask=torch.from_numpy(mask),
        text_picture=torch.tensor(text_picture, dtype=torch.int64),
        labels=torch.from_numpy(labels),
        padding=torch.from_numpy(padding),
        complete=torch.tensor([sample.complete for sample in samples]),
        text_reach=torch.full((len(texts),), REACH[task], dtype=torch.int64),
    )
