"""Which texts a picture is shown with, and which text is true of which object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reir.data.annotated import AnnotatedPicture, same_text
from reir.text.mirrored import mirror_words, says_position
from reir.training.photos.config import PhotoConfig, Task
from reir.types import Array


@dataclass(frozen=True, slots=True)
class DrawnText:
    """A text of a picture: as it stands in the file, and the object it was drawn for (None: the name of a category,
    which may be true of several objects or of none).
    """

    text: str
    item: int | None


def draw_texts(
    picture: AnnotatedPicture, task: Task, names: Sequence[str], config: PhotoConfig, rng: np.random.Generator
) -> list[DrawnText]:
    """One expression for each of at most ``config.instances`` objects; for detection, names of categories.

    The names are those of the picture's objects, at most ``config.categories`` of them, filled up with names that it
    lacks where it is known to lack them. A category of which the picture has a crowd is not said to be absent.
    """
    if task != "detection":
        referred = [i for i, texts in enumerate(picture.expressions) if texts and not picture.crowd[i]]
        chosen = sorted(rng.permutation(len(referred))[: config.instances])
        return [
            DrawnText(picture.expressions[i][int(rng.integers(len(picture.expressions[i])))], i)
            for i in (referred[int(c)] for c in chosen)
        ]
    found = {int(c) for c, crowd in zip(picture.categories, picture.crowd, strict=True) if c >= 0 and not crowd}
    here = sorted(found)
    present = [here[i] for i in rng.permutation(len(here))[: config.categories]]
    absent: list[int] = []
    if picture.complete:
        lacking = sorted(set(range(len(names))) - found - {int(c) for c in picture.categories})
        absent = [lacking[i] for i in rng.permutation(len(lacking))[: config.categories - len(present)]]
    return [DrawnText(names[c], None) for c in (*present, *absent)]


def mirrored_texts(texts: Sequence[DrawnText], *, words: bool) -> list[str] | None:
    """The texts of the mirrored picture, or None where one of them cannot be mirrored for certain.

    Without ``words`` they stay as they are, as the paper has it.
    """
    if not words:
        return [drawn.text for drawn in texts]
    mirrored = [drawn.text if drawn.item is None else mirror_words(drawn.text) for drawn in texts]
    return [text for text in mirrored if text is not None] if None not in mirrored else None


def bound_to_frame(texts: Sequence[DrawnText]) -> bool:
    """Whether a text may be untrue of a window of the picture, so that none should be cut."""
    return any(drawn.item is not None and says_position(drawn.text) for drawn in texts)


def object_texts(
    picture: AnnotatedPicture, kept: Sequence[int], task: Task, names: Sequence[str], *, mirrored: bool
) -> list[frozenset[str]]:
    """For each kept object, every text that is known to be true of it, in the form that ``same_text`` gives."""
    if task == "detection":
        return [
            frozenset({same_text(names[c])}) if (c := int(picture.categories[i])) >= 0 else frozenset() for i in kept
        ]
    forms = ([mirror_words(text) if mirrored else text for text in picture.expressions[i]] for i in kept)
    return [frozenset(same_text(text) for text in texts if text is not None) for texts in forms]


def label_matrix(
    texts: Sequence[str],
    text_picture: Sequence[int],
    text_object: Sequence[int | None],
    known: Sequence[frozenset[str]],
    object_picture: Sequence[int],
    task: Task,
) -> Array:
    """Labels (Q, G) int8: 1 true, -1 false, 0 undefined.

    A text is true of its object and of every object that is known by the same text, in whichever picture. It is false
    of the others in its own picture. Of those in other pictures it is false for ``reir``, whose expressions fit one
    object of the gallery (paper, section 3.2), and undefined otherwise: short expressions fit many.
    """
    elsewhere = -1 if task == "reir" else 0
    own = np.equal.outer(np.asarray(text_picture, dtype=np.int64), np.asarray(object_picture, dtype=np.int64))
    labels: npt.NDArray[np.int8] = np.where(own, -1, elsewhere).astype(np.int8).reshape(len(texts), len(known))
    objects: dict[str, list[int]] = {}
    for g, forms in enumerate(known):
        for form in forms:
            objects.setdefault(form, []).append(g)
    for q, text in enumerate(texts):
        labels[q, objects.get(same_text(text), [])] = 1
        target = text_object[q]
        if target is not None:
            labels[q, target] = 1
    return labels
