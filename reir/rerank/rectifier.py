"""TAS's spatial rectifier, for any model: what is said of places, decided among all instances of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from reir.geometry.places import Reals, centres_of, half_of_centres, ramp
from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.mask_centres import mask_centre
from reir.rerank.place_fit import Placed, place_fit
from reir.rerank.place_note import place_notes
from reir.rerank.stage import Kind
from reir.text.spatial import Described, Region, read_places, say
from reir.types import FloatArray, Hit

MODES: Final = ("full", "paper")
_REMEMBERED: Final = 1024
_OTHERS: Final = ("person", "animal", "car", "tree", "chair", "table", "food", "building", "clothing", "ball", "flower")
"""Nouns whose scores tell how a phrase scores an instance that it does not mean."""
_MEANT: Final = 0.8
"""Where between such a score and the phrase's best it begins to mean an instance ..."""
_WIDTH: Final = 0.2
"""... and how smoothly, as a share of that distance on either side."""
_LEAST: Final = 1e-3
"""No evidence against an instance is stronger: boxes, scores and rules all err."""
_WEIGHT: Final = 0.4
"""How much a factor e of evidence changes the score, as a share of the distance between best and worst hit."""


def load(spec: ModelSpec) -> Rectifier:
    """The stage. Options: ``mode``, full or the paper's rule alone; ``weight``, how much places count in full mode."""
    spec.require_options(["mode", "weight"])
    return Rectifier(mode=spec.choice("mode", "full", MODES), weight=spec.number("weight", _WEIGHT, low=0.0, high=10.0))


class Rectifier:
    """Adds to the score of each hit what its place and its neighbours' say for it or against it.

    Paper: Text Augmented Spatial-aware Zero-shot Referring Image Segmentation, section 3.4. Its rule is ``mode=paper``:
    where words of direction describe the subject, the instances of that half of all centres go before the others of
    their picture. *Differs from the paper* in ``full``: every place, rank and relation that ``reir.text.spatial`` reads
    counts, softly, because boxes and rules err; which instances a phrase means (the subject, what is counted, the
    anchors) is decided by the model's own scores of that phrase. An instance i with score S gets

        S + weight · (best S - worst S of all hits) · log(max(m_i f_i, 0.001))

    with m the chance that the subject's phrase means it and f how well it fits the places. A centre is the mean of the
    mask's pixels where the index holds a mask, else that of the box. No pixel is read.
    """

    name = "rectifier"
    kind: Kind = "rerank"
    needs_expression = True
    needs_pixels = False
    hits_at_once = 10_000

    def __init__(self, *, mode: str = "full", weight: float = _WEIGHT) -> None:
        self._mode = mode
        self._weight = weight
        self._lock = Lock()
        self._vectors: LRUCache[tuple[object, ...], FloatArray] = LRUCache(_REMEMBERED)

    def check(self, model: Model) -> None:
        """Returns for any model."""

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their new scores; as they were where the expression says nothing of places."""
        described = read_places(expression)
        sides = _sides(described) if self._mode == "paper" else ()
        if not (described.where if self._mode == "full" else sides):
            return [noted(hit, self.name, {"understood": None, "score": hit.score}) for hit in hits]
        group = _Group.of(hits, look)
        if self._mode == "paper":
            return self._halved(hits, group, sides)
        return self._weighed(described, hits, group, look)

    # The paper's rule

    def _halved(self, hits: Sequence[Hit], group: _Group, sides: Sequence[str]) -> list[Hit]:
        scores = np.array([hit.score for hit in hits])
        fits = np.zeros(len(hits), dtype=np.bool_)
        for picture, rows in group.hits_by_picture().items():
            centres = group.centres[picture][group.present[picture]]
            half = np.all([half_of_centres(centres, side) for side in sides], axis=0)
            fits[rows] = half[group.columns[rows]]
            if half.any():
                order = sorted(rows, key=lambda row: (not fits[row], -hits[row].score))
                scores[order] = sorted((hits[row].score for row in rows), reverse=True)
        told = " ".join(sides)
        return [
            noted(hit, self.name, {"understood": told, "fits": bool(fit), "score": score}, score=score)
            for hit, fit, score in zip(hits, fits.tolist(), scores.tolist(), strict=True)
        ]

    # All places

    def _weighed(self, described: Described, hits: Sequence[Hit], group: _Group, look: Look) -> list[Hit]:
        phrases = tuple(dict.fromkeys(described.phrases()))
        vectors = self._phrase_vectors((*phrases, *_OTHERS), look) if phrases else {}
        others = np.stack([group.vectors @ vectors[noun] for noun in _OTHERS]) if phrases else np.zeros((1, 1))
        usual = float(np.median(np.median(others, axis=0)))
        placed = group.placed({phrase: meant(group.vectors @ vectors[phrase], usual) for phrase in phrases})
        fit = place_fit(described, placed)
        chance = placed.members_of(described.phrase) * fit
        old = np.array([hit.score for hit in hits])
        evidence = np.log(np.maximum(chance[group.pictures, group.columns], _LEAST))
        scores = old + self._weight * _spread(old) * evidence
        told = say(described)
        notes = place_notes(described, placed, fit, chance, group.pictures, group.columns)
        changed = []
        for hit, score, note in zip(hits, scores.tolist(), notes, strict=True):
            record = {"understood": told, "score_before": hit.score, "score": score, **note}
            changed.append(noted(hit, self.name, record, score=score))
        return changed

    def _phrase_vectors(self, phrases: Sequence[str], look: Look) -> Mapping[str, FloatArray]:
        """The query vector (D,) of each phrase; recent ones are remembered."""
        scope = (look.model.identity.fingerprint, tuple(sorted(look.blend.items())))
        with self._lock:
            known = {phrase: self._vectors[scope, phrase] for phrase in phrases if (scope, phrase) in self._vectors}
        missing = [phrase for phrase in phrases if phrase not in known]
        if missing:
            made = look.model.encode(missing, blend=look.blend)
            known |= dict(zip(missing, made, strict=True))
            with self._lock:
                self._vectors.update({(scope, phrase): known[phrase] for phrase in missing})
        return known


def meant(scores: npt.NDArray[Any], usual: float) -> Reals:
    """The chance (M,) that a phrase with these scores (M,) of the instances of some pictures means each of them.

    Half at a share of the way from ``usual``, the score of what a phrase does not mean, to the best score; so of
    pictures that show nothing but zebras, "zebra" means all. Where no score is better than usual, nothing is known: 1
    for all.
    """
    values = np.asarray(scores, dtype=np.float64)
    reach = float(values.max()) - usual
    if reach <= 0:
        return np.ones(len(values))
    return ramp((values - usual) / reach, _MEANT - _WIDTH, _MEANT + _WIDTH)


def _spread(scores: Reals) -> float:
    """From the worst to the best score, the model's own scale; 1 where all are equal."""
    return float(np.ptp(scores)) or 1.0


def _sides(described: Described) -> tuple[str, ...]:
    """The sides of the picture that are said of the subject, as the paper's rule takes them."""
    named = [side for place in described.where if isinstance(place, Region) for side in place.sides]
    return tuple(dict.fromkeys(side for side in named if side in ("left", "right", "top", "bottom", "middle")))


@dataclass(frozen=True)
class _Group:
    """All instances of the hits' pictures, and where the hits are among them."""

    vectors: FloatArray
    """(M, D), those of one picture after those of another."""
    boxes: Reals
    """(B, N, 4), empty ones where a picture has no more instances."""
    centres: Reals
    sizes: Reals
    present: npt.NDArray[np.bool_]
    pictures: npt.NDArray[np.int64]
    """Of each hit: its picture's row ..."""
    columns: npt.NDArray[np.int64]
    """... and its own column."""

    @classmethod
    def of(cls, hits: Sequence[Hit], look: Look) -> _Group:
        first = {hit.image_id: hit for hit in reversed(hits)}
        rows = {image_id: row for row, image_id in enumerate(first)}
        around = look.neighbours(list(first.values()))
        most = max(len(neighbours) for neighbours in around)
        present = np.arange(most)[None, :] < np.array([len(neighbours) for neighbours in around])[:, None]
        boxes = np.zeros((len(around), most, 4))
        boxes[present] = np.concatenate([neighbours.boxes for neighbours in around])
        ids = np.full(present.shape, -1, dtype=np.int64)
        ids[present] = np.concatenate([neighbours.instance_ids for neighbours in around])
        sizes = np.array([(hit.width, hit.height) for hit in first.values()], dtype=np.float64)
        pictures = np.array([rows[hit.image_id] for hit in hits], dtype=np.int64)
        wanted = np.array([hit.instance_id for hit in hits], dtype=np.int64)
        columns: npt.NDArray[np.int64] = (ids[pictures] == wanted[:, None]).argmax(axis=1)
        centres = centres_of(boxes)
        if any(known.get("mask") for known in look.details([hit.instance_id for hit in hits[:8]])):
            for (row, column), known in zip(np.argwhere(present), look.details(ids[present].tolist()), strict=True):
                if known.get("mask"):
                    centres[row, column] = mask_centre(known["mask"], *sizes[row])
        vectors = np.concatenate([neighbours.vectors for neighbours in around])
        return cls(vectors, boxes, centres, sizes, present, pictures, columns)

    def placed(self, members: Mapping[str, Reals]) -> Placed:
        """The group with the chances (M,) that phrases mean its instances."""
        spread = {}
        for phrase, chances in members.items():
            spread[phrase] = np.zeros(self.present.shape)
            spread[phrase][self.present] = chances
        return Placed(self.boxes, self.centres, self.sizes, spread, self.present)

    def hits_by_picture(self) -> dict[int, list[int]]:
        """Rows of the hits by their pictures' rows."""
        found: dict[int, list[int]] = {}
        for row, picture in enumerate(self.pictures.tolist()):
            found.setdefault(picture, []).append(row)
        return found
