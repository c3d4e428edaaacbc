"""TAS from pixels, for the index of any model."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from reir.errors import UsageError
from reir.geometry.masks import decode_rle, resize_rle
from reir.models.sam_clip.captioner import Captioner
from reir.models.sam_clip.crops import black_crop, blurred_crop
from reir.models.sam_clip.parts import CAPTIONER_TYPES, DEFAULT_TOWER, Network
from reir.models.sam_clip.prompted import BoxPrompter, find_sam
from reir.models.specification import ModelSpec
from reir.models.towers import ClipTower
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.rerank.tas.scores import Parts, Weights, parts_of, subject_noun
from reir.text import find_reader, noun_phrases
from reir.types import FloatArray, Hit, Picture

DEFAULT_CAPTIONER = "Salesforce/blip-image-captioning-base"
"""*Differs from the paper*: it has BLIP-2 with OPT-2.7b, 15 GB; captioner=Salesforce/blip2-opt-2.7b."""
MASKS = ("stored", "box", "sam")
_CROPS_ACROSS = 4
"""A crop that is a quarter of the picture's side still fills the tower."""
_LARGEST_SIDE = 1024
_REMEMBERED = 4096


def load(spec: ModelSpec, weights: Weights, *, own: Sequence[str], device: str) -> PixelTas:
    """The stage with a tower as its argument; options ``captioner`` (or ``none``), ``masks``, ``sam``, ``reader``."""
    spec.require_options([*own, "captioner", "masks", "sam", "reader"])
    masks = spec.choice("masks", "stored", MASKS)
    if "sam" in spec.options and masks != "sam":
        raise UsageError("tas: sam= names whose masks are used with masks=sam; add it, or leave sam= out")
    return PixelTas(
        spec.argument or DEFAULT_TOWER,
        weights,
        captioner=spec.options.get("captioner", DEFAULT_CAPTIONER),
        masks=masks,
        sam=spec.options.get("sam", "base"),
        reader=spec.options.get("reader", "auto"),
        device=device,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is remembered of a crop: its embedding v (E,), its caption and the caption's embedding p (E,)."""

    v: FloatArray
    caption: str | None
    p: FloatArray | None


@dataclass(frozen=True, slots=True)
class _Told:
    """What is remembered of a picture: the noun phrases of its caption, and their embeddings (T, E)."""

    phrases: tuple[str, ...]
    texts: FloatArray


@dataclass(frozen=True, slots=True)
class _Cut:
    """A hit's crop, black and blurred outside its mask, and what the mask was."""

    black: npt.NDArray[np.uint8]
    blurred: npt.NDArray[np.uint8]
    mask: str


class PixelTas:
    """S = V + αP + λN of each hit's crop, caption, and the noun phrases of its picture's caption.

    Paper: TAS, section 3.3. The crop is masked (equation 1) by the mask that the index holds, by SAM asked with the
    hit's box, or not at all; the note says which. Embeddings and captions are remembered by their pixels, so that a
    further search pays only for what it has not seen.
    """

    name = "tas"
    kind: Kind = "rerank"
    needs_expression = True
    needs_pixels = True
    hits_at_once = 16

    def __init__(
        self, tower: str, weights: Weights, *, captioner: str, masks: str, sam: str, reader: str, device: str
    ) -> None:
        self._tower_name, self._captioner_name, self._sam = tower, captioner, sam
        self._weights = weights
        self._masks = masks
        self._reader_name = reader
        self._device = device
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._ready = False
        self._crops: LRUCache[Hashable, _Seen] = LRUCache(_REMEMBERED)
        self._pictures: LRUCache[Hashable, _Told] = LRUCache(_REMEMBERED)

    @property
    def decode_side(self) -> int:
        """What the tower sees of crops, and SAM of the picture where it is asked."""
        side = min(_CROPS_ACROSS * self._tower.image_side, _LARGEST_SIDE)
        return side if self._prompter is None else max(side, self._prompter.side)

    def prepare(self) -> None:
        """Load the networks, unless they are loaded. Raises WeightsMissingError or UsageError; see ``check``."""
        with self._loading:
            if self._ready:
                return
            self._tower.encode_pixels([np.zeros((8, 8, 3), dtype=np.uint8)])
            self._tower.encode_texts(["a picture"])
            if self._captioner is not None:
                self._captioner.prepare()
            if self._prompter is not None:
                self._prompter.prepare()
            self._ready = True

    def check(self, model: Model) -> None:  # noqa: ARG002
        """Returns for any model, when tower, captioner and SAM are there.

        Raises:
            UsageError: one of them is unknown, or of another kind.
            WeightsMissingError: published weights that are not on this machine; the message says how to get them.
            MissingPackageError: spaCy is asked for and not installed.
        """
        with self._loading:
            self._tower, self._captioner, self._prompter, self._reader  # noqa: B018

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their new scores."""
        alpha, lambda_ = self._weights.of_search(look.blend)
        pictures = [look.picture(hit) for hit in hits]
        cuts = self._cut(hits, pictures, look)
        seen = self._see(cuts)
        told = self._tell(pictures)
        query = self._tower.encode_texts([expression])[0]
        subject = subject_noun(expression, self._reader)
        similarity = self._weights.similarity
        scored = []
        for hit, cut, crop, picture in zip(hits, cuts, seen, told, strict=True):
            if crop.p is None or picture is None:
                parts = Parts(float(crop.v @ query))
            else:
                v, p, cosines = float(crop.v @ query), float(crop.p @ query), picture.texts @ crop.v
                parts = parts_of(v, p, picture.phrases, cosines, subject=subject, similarity=similarity)
            score = parts.total(alpha, lambda_)
            note = {"mask": cut.mask, "caption": crop.caption, **parts.note(score)}
            scored.append(noted(hit, self.name, note, score=score))
        return scored

    def _cut(self, hits: Sequence[Hit], pictures: Sequence[Picture], look: Look) -> list[_Cut]:
        """The crops of hits by their masks."""
        boxes = [_inside(hit, picture) for hit, picture in zip(hits, pictures, strict=True)]
        masks: list[npt.NDArray[np.bool_] | None] = [None] * len(hits)
        if self._masks == "stored":
            for row, known in enumerate(look.details([hit.instance_id for hit in hits])):
                if known.get("mask") is not None:
                    height, width = pictures[row].pixels.shape[:2]
                    masks[row] = decode_rle(resize_rle(known["mask"], width, height))
        elif self._prompter is not None:
            rows_of: dict[int, list[int]] = {}
            for row, picture in enumerate(pictures):
                rows_of.setdefault(id(picture), []).append(row)
            for rows in rows_of.values():
                found, _ = self._prompter.segment(pictures[rows[0]].pixels, np.stack([boxes[row] for row in rows]))
                for row, mask in zip(rows, found, strict=True):
                    masks[row] = mask
        cuts = []
        for picture, box, mask in zip(pictures, boxes, masks, strict=True):
            x0, y0, x1, y1 = (int(side) for side in box)
            if mask is None or not mask[y0:y1, x0:x1].any():
                crop = np.ascontiguousarray(picture.pixels[y0:y1, x0:x1])
                cuts.append(_Cut(crop, crop, "box"))
            else:
                pixels = picture.pixels
                cuts.append(_Cut(black_crop(pixels, mask, box), blurred_crop(pixels, mask, box), self._masks))
        return cuts

    def _see(self, cuts: Sequence[_Cut]) -> list[_Seen]:
        """Embeddings and captions of crops; what is new, in one batch."""
        keys = [(_digest(cut.black), _digest(cut.blurred)) for cut in cuts]
        with self._lock:
            known = {key: self._crops[key] for key in keys if key in self._crops}
        new = {key: cut for key, cut in zip(keys, cuts, strict=True) if key not in known}
        if new:
            v = self._tower.encode_pixels([cut.black for cut in new.values()])
            if self._captioner is None:
                made = [_Seen(row, None, None) for row in v]
            else:
                captions = self._captioner.caption([cut.blurred for cut in new.values()])
                p = self._tower.encode_texts(captions)
                made = [_Seen(*parts) for parts in zip(v, captions, p, strict=True)]
            known.update(zip(new, made, strict=True))
            with self._lock:
                self._crops.update(zip(new, made, strict=True))
        return [known[key] for key in keys]

    def _tell(self, pictures: Sequence[Picture]) -> list[_Told | None]:
        """Phrases of the pictures' captions; what is new, in one batch. None without a captioner."""
        if self._captioner is None:
            return [None] * len(pictures)
        digests = {id(picture): _digest(picture.pixels) for picture in pictures}
        keys = [digests[id(picture)] for picture in pictures]
        with self._lock:
            known = {key: self._pictures[key] for key in keys if key in self._pictures}
        new = {key: picture.pixels for key, picture in zip(keys, pictures, strict=True) if key not in known}
        captions = self._captioner.caption(list(new.values()))
        for key, caption in zip(new, captions, strict=True):
            phrases = noun_phrases(caption, reader=self._reader)
            known[key] = _Told(tuple(phrases), self._tower.encode_texts(phrases))
            with self._lock:
                self._pictures[key] = known[key]
        return [known[key] for key in keys]

    @cached_property
    def _tower(self) -> ClipTower:
        return ClipTower.load(self._tower_name, device=self._device)

    @cached_property
    def _captioner(self) -> Captioner | None:
        if self._captioner_name == "none":
            return None
        return Captioner(Network.find(self._captioner_name, CAPTIONER_TYPES, option="captioner"), device=self._device)

    @cached_property
    def _prompter(self) -> BoxPrompter | None:
        return BoxPrompter(find_sam(self._sam), device=self._device) if self._masks == "sam" else None

    @cached_property
    def _reader(self) -> str:
        return find_reader(self._reader_name).name


def _inside(hit: Hit, picture: Picture) -> FloatArray:
    """The hit's box (4,) in whole pixels of the decoded picture, at least one pixel wide and high.

    Rounded to the nearest: the boxes of masks lie on whole pixels of a picture of this size.
    """
    height, width = picture.pixels.shape[:2]
    box = np.round(np.array(hit.box) * ([width / hit.width, height / hit.height] * 2))
    x0, y0 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    x1, y1 = min(max(box[2], x0 + 1), width), min(max(box[3], y0 + 1), height)
    return np.array([x0, y0, x1, y1], dtype=np.float32)


def _digest(pixels: npt.NDArray[np.uint8]) -> tuple[bytes, tuple[int, ...]]:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest(), pixels.shape
