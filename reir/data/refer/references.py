"""The references of ``refs(*).p``: which annotation each of them means, in which words, in which split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reir.data.refer.pickles import mended, read_pickle
from reir.errors import DatasetError

Wording = Literal["sent", "raw"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One object of one picture with the sentences that people wrote for it."""

    ref_id: int
    ann_id: int
    image_id: int
    split: str
    sentences: tuple[str, ...]


def read_references(path: Path, *, wording: Wording = "sent") -> list[Reference]:
    """The references of a file, in its order. ``sent`` is the cleaned wording, in small letters and without
    punctuation, which evaluations use; ``raw`` is as it was typed.

    The layout is that of the REFER interface (github.com/lichengunc/refer): a list of ``{ref_id, ann_id, image_id,
    category_id, split, sent_ids, sentences: [{sent_id, sent, raw, tokens}], file_name}``. Its ``file_name`` has the
    annotation's number at the end and names no file, so that the picture is found by ``image_id``.

    Raises:
        DatasetError: the file is no pickle of plain data, or not of this layout.
    """
    content = read_pickle(path)
    if not isinstance(content, list) or not content:
        raise DatasetError(f"{path} must hold a list of references, got {type(content).__name__}")
    references = [_reference(record, f"{path}: reference {i}", wording) for i, record in enumerate(content)]
    seen: set[int] = set()
    for reference in references:
        if reference.ref_id in seen:
            raise DatasetError(f"{path}: two references have the ref_id {reference.ref_id}")
        seen.add(reference.ref_id)
    return references


def _reference(record: Any, where: str, wording: Wording) -> Reference:
    if not isinstance(record, dict):
        raise DatasetError(f"{where} must be a dict, got {type(record).__name__}")
    sentences = record.get("sentences")
    if not isinstance(sentences, list) or not sentences:
        raise DatasetError(f"{where} has no sentences")
    split = record.get("split")
    if not isinstance(split, str) or not split.isalnum():
        raise DatasetError(f"{where}: split must be a word such as train, got {split!r}")
    texts = []
    for sentence in sentences:
        text = sentence.get(wording) if isinstance(sentence, dict) else None
        if not isinstance(text, str):
            raise DatasetError(f"{where}: a sentence has no text {wording!r}: {sentence!r:.80}")
        texts.append(mended(text))
    ref_id, ann_id, image_id = (_whole(record, key, where) for key in ("ref_id", "ann_id", "image_id"))
    return Reference(ref_id, ann_id, image_id, split, tuple(texts))


def _whole(record: Mapping[str, Any], key: str, where: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DatasetError(f"{where}: {key} must be a whole number, got {value!r}")
    return value
