"""Noun phrases and subjects of short English descriptions by rules: no download, no dependency, no other library.

Written for expressions that point at one thing ("left guy in red", "second dog from the left") and for captions.
Their grammar is narrow: a noun phrase, then what is said of it. So a word is a noun unless the lexicon or its ending
says otherwise, a phrase ends at the first word that cannot belong to it, and its head is its last noun.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reir.text.phrases_places import match_place
from reir.text.phrases_tokens import Token, lexicon, read_tokens
from reir.text.subject import Subject

NAME: Final = "rules"
VERSION: Final = 1
"""Raised with every change of the rules or the lexicon that changes a phrase of a caption."""

_OPENER = re.compile(
    r"\s*(?:please |can you |could you )*(?:find|show|search for|look(?:ing)? for|i (?:want|see|mean)|select|click on"
    r"|(?:where|there)(?: is| are|'s)|(?:it|this|that|these|those)(?: is| are|'s))(?: me| us)?(?=\s+\w)"
)
"""What asks or states before the description itself."""
_BEFORE_NOUN: Final = frozenset({"NUM", "ADJ", "POS", "PART", "ADV", "CONJ"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens ``start`` to ``end`` (exclusive): a noun phrase (NP), a PLACE in the picture, or one token by its tag.

    ``head`` is the token of an NP's head noun, if it has one; ``words`` are the position words of a PLACE.
    """

    kind: str
    start: int
    end: int
    head: int | None = None
    words: tuple[str, ...] = ()


class RuleReader:
    """The reader that needs nothing installed; see ``reir.text.phrases.Reader``."""

    name = NAME
    version = str(VERSION)

    def noun_phrases(self, text: str) -> list[str]:
        """Noun phrases in the order of the text, each once, in lower case, with their determiners."""
        sentence = _Sentence(read_tokens(text))
        found = []
        for place, chunk in enumerate(sentence.chunks):
            head = chunk.head
            if head is None or sentence.is_counted_by_of(place - 2):
                continue
            if sentence.word(head) in ("one", "ones", "which", "that"):
                continue
            end = sentence.chunks[place + 2].end if sentence.is_counted_by_of(place) else chunk.end
            found.append(sentence.text(chunk.start, end))
        return list(dict.fromkeys(found))

    def subject(self, text: str) -> Subject:
        """What the expression points at."""
        opener = _OPENER.match(text.lower().replace("’", "'"))
        return _Sentence(read_tokens(text[opener.end() :] if opener else text)).subject()


def place_words(text: str) -> list[str]:
    """The position words of the places in the picture that a text names ("on the far left": far, left)."""
    return [word for chunk in _Sentence(read_tokens(text)).chunks for word in chunk.words]


class _Sentence:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.lexicon = lexicon()
        self.chunks: list[Chunk] = []
        i = 0
        while i < len(tokens):
            chunk = self._chunk(i)
            self.chunks.append(chunk)
            i = chunk.end

    def word(self, i: int) -> str:
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def tag(self, i: int) -> str:
        return self.tokens[i].tag if 0 <= i < len(self.tokens) else ""

    def text(self, start: int, end: int) -> str:
        """The tokens in words: no space before a possessive, a comma or a full stop."""
        return re.sub(r" (?='s\b|'(?: |$)|,)", "", " ".join(token.text for token in self.tokens[start:end]))

    # Chunks

    def _chunk(self, i: int) -> Chunk:
        before = self.chunks[-1] if self.chunks else None
        place = match_place(self.tokens, i, after_noun=before is not None and before.kind == "NP")
        if place is not None:
            return Chunk("PREP" if place.relational else "PLACE", i, place.end, words=place.words)
        return self._noun_phrase(i) or Chunk(self.tag(i), i, i + 1)

    def _noun_phrase(self, start: int) -> Chunk | None:
        noun = self._modifiers(start)
        if self.tag(noun) == "NOUN":
            head = self._compound(noun)
            return Chunk("NP", start, head + 1, head)
        if noun == start:
            return None
        # No noun: an adjective that can be one ("the orange"), or a thing that goes unnamed ("the topmost").
        last = noun - 1
        return Chunk("NP", start, noun, last if self.lexicon.has("also_noun", self.word(last)) else None)

    def _modifiers(self, i: int) -> int:
        """Where the determiners, numbers, adjectives, positions and participles from token ``i`` on end."""
        start = i
        determined = False
        while i < len(self.tokens):
            match self.tag(i):
                case "DET":
                    if i > start and self.tag(i - 1) != "DET":
                        return i
                    determined = True
                case "NUM" | "ADJ" | "POS":
                    pass
                case "PART":
                    if not self._noun_follows(i + 1) or (
                        not determined and self.lexicon.has("transitive", self.word(i))
                    ):
                        return i
                case "ADV":
                    if not self._noun_follows(i + 1):
                        return i
                case "CONJ":
                    if i == start or self.tag(i + 1) not in _BEFORE_NOUN or not self._noun_follows(i + 1):
                        return i
                case "PUNCT":  # "a big, red dog"
                    adjectives = self.tag(i - 1) == "ADJ" == self.tag(i + 1) and self.word(i) == ","
                    if i == start or not adjectives or not self._noun_follows(i + 1):
                        return i
                case _:
                    return i
            i += 1
        return i

    def _compound(self, head: int) -> int:
        """The head noun of the nouns that begin at token ``head``: the last that belongs to them."""
        while True:
            word, i = self.word(head), head + 1
            tag, following = self.tag(i), self.word(i)
            if following == "number" and self.tag(i + 1) == "NUM":
                return head  # "player number 10"
            if tag == "NOUN":
                if self.lexicon.has("person", word) and self.lexicon.has("clothing", following):
                    return head  # "man hat": the man
                head = i
            elif tag == "POSS" or (tag in ("ADJ", "NUM", "POS") and self.lexicon.has("possessive", word)):
                noun = self._next_noun(i + 1 if tag == "POSS" else i)
                if noun is None:
                    return head
                head = noun
            elif tag == "POS" and self.tag(i + 1) == "NOUN" and self.lexicon.has("part", self.word(i + 1)):
                head = i + 1  # "elephant front leg"
            elif self.word(i + 1) in self.lexicon.compounds.get(following, ()):
                head = i + 1  # "city parking meter"
            elif following in ("light", "square", "lights") and tag == "ADJ" and not self._noun_follows(i):
                head = i  # "ceiling light"
            else:
                return head

    def _next_noun(self, i: int) -> int | None:
        while self.tag(i) in _BEFORE_NOUN:
            if self.tag(i) == "PART" and self.lexicon.has("transitive", self.word(i)):
                return None  # "the man's wearing a hat"
            i += 1
        return i if self.tag(i) == "NOUN" else None

    def _noun_follows(self, i: int) -> bool:
        return self._next_noun(i) is not None

    # The subject

    def is_counted_by_of(self, place: int) -> bool:
        """Whether a noun such as "bunch", then "of" and a noun phrase are the chunks from ``place`` on."""
        head = self._head(place)
        return head is not None and self.lexicon.has("transparent", self.word(head)) and self._of(place) is not None

    def _head(self, place: int) -> int | None:
        return self.chunks[place].head if 0 <= place < len(self.chunks) else None

    def _of(self, place: int) -> int | None:
        """Place of the noun phrase that "of" joins to chunk ``place``, places in the picture between them aside."""
        k = place + 1
        while k < len(self.chunks) and self.chunks[k].kind == "PLACE":
            k += 1
        if k >= len(self.chunks) or self.text(self.chunks[k].start, self.chunks[k].end) != "of":
            return None
        return k + 1 if self._head(k + 1) is not None else None

    def subject(self) -> Subject:
        """What the sentence points at."""
        place_words = [word for chunk in self.chunks for word in chunk.words]
        place, among = self._main_phrase()
        if place is None:
            return Subject(None, "", tuple(dict.fromkeys(place_words)))
        chunk = self.chunks[place]
        described = self._descriptions(chunk)
        head, end = chunk.head, chunk.end
        inner = self._of(place)
        word = "" if head is None else self.word(head)
        if inner is not None and (head is None or word == "one" or self.lexicon.has("transparent", word)):
            # "the topmost of the keys", "one of the dogs", "a bunch of bananas"
            positions = [self.word(i) for i in range(chunk.start, chunk.end) if self.tag(i) == "POS"]
            numbered = any(self.tag(i) == "NUM" for i in range(self.chunks[inner].start, self.chunks[inner].end))
            if head is None and positions[-1:] and positions[-1] in _PARTS and not numbered:
                head = chunk.end - 1  # "the top of the cake" is a thing
                described = described[:-1]
            else:
                inner_chunk = self.chunks[inner]
                described += self._descriptions(inner_chunk)
                head, end = inner_chunk.head, inner_chunk.end
        elif among is not None and (head is None or word == "one"):
            described += self._descriptions(self.chunks[among])
            head = self.chunks[among].head  # "of the two cats, the left one"
        if head is None:
            return Subject(None, "", tuple(dict.fromkeys([*described, *place_words])))
        noun = self.word(head).rpartition(" ")[2]
        return Subject(noun, self.text(chunk.start, end), tuple(dict.fromkeys([*described, *place_words])))

    def _descriptions(self, chunk: Chunk) -> list[str]:
        """The words of a noun phrase that describe: all but determiners, signs and the head."""
        return [
            self.word(i)
            for i in range(chunk.start, chunk.end)
            if i != chunk.head and self.tag(i) in ("NUM", "ADJ", "POS", "PART", "NOUN")
        ]

    def _main_phrase(self) -> tuple[int | None, int | None]:
        """Place of the subject's noun phrase, and of the one that it is chosen from ("of the two cats, the left one").

        A sentence that begins with a place or an anchor ("near the cat, a black car") is read from where that ends.
        """
        chunks = self.chunks
        k = 0
        among = None
        while k < len(chunks) and chunks[k].kind not in ("NP", "PREP", "PART", "VERB"):
            k += 1
        if k < len(chunks) and chunks[k].kind != "NP":
            if self.word(chunks[k].start) in ("of", "among", "out of") and self._head(k + 1) is not None:
                among = k + 1
            k = self._after_front(k)
        unnamed = None
        for place in range(k, len(chunks)):
            if chunks[place].kind == "NP":
                if chunks[place].head is not None or self._of(place) is not None:
                    return place, among
                if among is not None:
                    return place, among
                unnamed = place if unnamed is None else unnamed
            elif chunks[place].kind not in ("PLACE", "PUNCT", "AUX", "PRON", "ADV", "CONJ", "DET"):
                break
        return unnamed, among

    def _after_front(self, k: int) -> int:
        """Where the subject can begin after a preposition and its anchor."""
        chunks = self.chunks
        clause = False
        seen = False
        for place in range(k, len(chunks)):
            chunk = chunks[place]
            word = self.word(chunk.start)
            if word in (",", ";", ":") or (word == "there" and self.tag(chunk.start + 1) == "AUX"):
                return place + 1
            if chunk.kind == "REL":
                clause = True
            elif chunk.kind == "AUX":
                if not clause:
                    return place + 1
                clause = False
            elif chunk.kind == "NP":
                if seen and chunks[place - 1].kind in ("NP", "PLACE") and self.tag(chunk.start) == "DET":
                    return place
                seen = True
        return len(chunks)


_PARTS: Final = frozenset({"top", "bottom", "front", "back", "middle", "center", "centre", "rear", "left", "right"})
