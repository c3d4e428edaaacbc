"""What captions add to masks: embeddings, N-scores, and what is kept of the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reir.models.sam_clip.scores import negative_scores
from reir.models.towers import ClipTower
from reir.text import noun_phrases
from reir.types import FloatArray


def describe(
    of_picture: str, captions: Sequence[str], crops: FloatArray, *, tower: ClipTower, reader: str
) -> tuple[FloatArray, FloatArray, list[dict[str, Any]]]:
    """Caption embeddings p (N, E), N-scores n (N,), and the details of the masks: caption, phrases, phrase cosines.

    TAS, equations 3 and 4, the latter over all phrases; see ``negative_scores``.

    Args:
        of_picture: the caption of the whole picture.
        captions: one of each mask, N.
        crops: the embeddings v (N, E) of the masked crops.
        tower: embeds captions and phrases.
        reader: reads the noun phrases out of the picture's caption.
    """
    phrases = noun_phrases(of_picture, reader=reader)
    cosines = crops @ tower.encode_texts(phrases).T  # (N, T)
    said = [
        {"caption": caption, "phrases": phrases, "phrase_cosines": [round(float(cosine), 6) for cosine in row]}
        for caption, row in zip(captions, cosines, strict=True)
    ]
    return tower.encode_texts(captions), negative_scores(cosines), said
