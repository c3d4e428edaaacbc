"""A description while it is read: its words and the places that are said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from reir.text.phrases_tokens import lexicon
from reir.text.plurals import singular
from reir.text.spatial.meaning import Axis, Constraint, Described, Rank, Region
from reir.text.spatial.words import place_words

_OPPOSITE: Final[dict[str, Axis]] = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "front": "back",
    "back": "front",
}
_EDGES: Final = frozenset({"another", "other", "and", "that", "which", "is", "are", "who", "also", "it", "see", "just"})


@dataclass(slots=True)
class Thing:
    """A description: the words of each of its parts between commas, and its places."""

    parts: list[list[str]] = field(default_factory=lambda: [[]])
    where: list[Constraint] = field(default_factory=list)
    ranks: list[tuple[Rank, int]] = field(default_factory=list)
    """Ranks among things not yet named, and in which part they were said."""
    place: int | None = None
    last: bool = False
    origin: Axis | None = None
    among: str = ""
    count: int | None = None

    @property
    def words(self) -> list[str]:
        """Those of the part that is read."""
        return self.parts[-1]

    @property
    def named(self) -> bool:
        """Whether its words name it yet."""
        return any(map(noun_phrase, self.parts))

    def count_from(self, axis: Axis, *, inward: bool) -> None:
        """Settles the ordinal that was read; ``inward`` for "from the left" as against "on the left"."""
        place = self.place or 1
        if self.last and inward:
            axis = _OPPOSITE[axis]
        self.ranks.append((Rank(axis, place, among=noun_phrase(self.words)), len(self.parts) - 1))
        self.place, self.last, self.origin = None, False, None

    def described(self) -> Described:
        """What was read, an ordinal without a side counted from the left."""
        if self.place is not None:
            if self.origin is not None:
                self.count_from(self.origin, inward=True)
            elif self.last:
                self.place = None
            else:
                self.count_from("left", inward=True)
        elif self.origin is not None and self.origin in ("left", "right", "top", "bottom", "front", "back"):
            self.where.append(Region((self.origin,), choosing=True))
        phrase, nouns = self._subject()
        where = list(self.where)
        if phrase == "picture" and where and not self.ranks and all(isinstance(place, Region) for place in where):
            phrase = nouns = ""  # "top right pic" is a place; "picture over the couch" a thing
        for rank, part in self.ranks:
            among = self.among or rank.among or noun_phrase(self.parts[part]) or nouns or phrase
            count = self.count if self.count and rank.place <= self.count else None
            where.append(Rank(rank.axis, rank.place, rank.count or count, among))
        return Described(phrase, tuple(where))

    def _subject(self) -> tuple[str, str]:
        """The phrase of the whole description, and that of its noun without what other parts add to it."""
        attributes: list[str] = []
        nouns: list[str] = []
        for words in self.parts:
            phrase = noun_phrase(words)
            if not phrase:
                continue
            if all(word.endswith("-sized") or lexicon().tag(word) in ("ADJ", "CONJ") for word in phrase.split()):
                attributes += [word for word in phrase.split() if word != "and"]
            else:
                nouns.append(phrase)
        noun = " ".join(nouns) or self.among
        attributes = [word for word in attributes if word not in noun.split()]
        return " ".join([*attributes, noun]).strip(), noun


def noun_phrase(words: Sequence[str]) -> str:
    """The words as a noun phrase: without determiner, "one", and what joined a place to it."""
    known = place_words()
    start, end = 0, len(words)
    while start < end and (words[start] in known.determiners or words[start] in _EDGES):
        start += 1
    while end > start and (
        words[end - 1] in known.determiners
        or words[end - 1] in _EDGES
        or lexicon().tag(words[end - 1]) == "PREP"
        or words[end - 1] in known.lists["pronoun"]
    ):
        end -= 1
    kept = words[start:end]
    if len(kept) > 1 and kept[0] in known.lists["pronoun"]:
        kept = kept[1:]
    return " ".join(kept) or ("picture" if words[-1:] == ["picture"] else "")


def singular_phrase(phrase: str) -> str:
    """The noun phrase of several things as that of one."""
    words = phrase.split()
    return " ".join([*words[:-1], singular(words[-1])]) if words else ""
