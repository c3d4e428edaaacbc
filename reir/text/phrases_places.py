"""Places in the picture, as descriptions name them: "on the far left", "top right corner", "left of the car"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reir.text.phrases_tokens import Token, lexicon

_ARTICLES: Final = frozenset({"the", "a", "this", "his", "her", "its", "their", "my", "your", "our"})
_DEGREES: Final = frozenset({"very", "way", "most", "extreme", "more", "all"})


@dataclass(frozen=True, slots=True)
class Place:
    """A place that ends before token ``end``.

    ``words`` are its position words where it is a place in the picture; none where it is counted from ("from the
    left") or headed for ("facing left"). ``relational`` where a thing follows ("left of" the car): then it is a
    preposition.
    """

    end: int
    words: tuple[str, ...]
    relational: bool = False


def match_place(tokens: Sequence[Token], start: int, *, after_noun: bool) -> Place | None:
    """The place that begins at token ``start``; ``after_noun`` allows one without preposition ("guy far left")."""
    prepared = lexicon().has("place_preposition", tokens[start].text)
    i = start + prepared
    article = i < len(tokens) and tokens[i].text in _ARTICLES and (prepared or tokens[i].text == "the")
    own = article and tokens[i].text not in ("the", "a", "this")
    i += article
    words = []
    while i < len(tokens) and (tokens[i].tag == "POS" or tokens[i].text in _DEGREES):
        if tokens[i].tag == "POS":
            words.append(tokens[i].text)
        i += 1
    if not words:
        return None
    side = i < len(tokens) and _is_side(tokens, i)
    if side:
        i += 2 if tokens[i].text == "hand" else 1
    following = tokens[i].tag if i < len(tokens) else "END"
    if following == "PREP" and tokens[i].text == "of":
        if tokens[start].text == "from":
            return Place(i, ())  # "third from the left" of the dogs
        return _place_of(tokens, i, tuple(words), prepared=prepared, bare=not (side or article), after_noun=after_noun)
    if following == "NOUN" and (prepared or article or not after_noun):
        return None
    if following in ("ADJ", "NUM", "PART") and (article or not (prepared or after_noun)) and _noun_follows(tokens, i):
        return None
    if not (prepared or after_noun or side or following in ("END", "PUNCT")):
        return None
    heading = start > 0 and lexicon().has("heading", tokens[start - 1].text)
    return Place(i, () if own or heading or tokens[start].text in ("from", "off") else tuple(words))


def _place_of(
    tokens: Sequence[Token], i: int, words: tuple[str, ...], *, prepared: bool, bare: bool, after_noun: bool
) -> Place | None:
    """The place whose "of" is token ``i``: of the picture, of a thing, or none ("the top of the cake" is a thing)."""
    j = i + 1
    while j < len(tokens) and tokens[j].tag == "DET":
        j += 1
    if j < len(tokens) and lexicon().has("picture", tokens[j].text):
        return Place(j + 1, words)
    if j < len(tokens) and tokens[j].tag == "NUM":  # "the one further left" of the two dogs
        return Place(i, words) if after_noun else None
    if prepared or (bare and words[-1] in ("left", "right")):
        return Place(i + 1, (), relational=True)
    return None


def _is_side(tokens: Sequence[Token], i: int) -> bool:
    if tokens[i].text == "hand":
        return i + 1 < len(tokens) and tokens[i + 1].text == "side"
    return lexicon().has("side", tokens[i].text)


def _noun_follows(tokens: Sequence[Token], i: int) -> bool:
    while i < len(tokens) and tokens[i].tag in ("ADJ", "NUM", "POS", "PART"):
        i += 1
    return i < len(tokens) and tokens[i].tag == "NOUN"
