"""Words of a description and their classes, by the lists of ``lexicon.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

MAX_TOKENS: Final = 512
"""Longer texts are read up to here."""

_TOKEN = re.compile(r"\w+n't\b|'s\b|(?<=s)'(?!\w)|#?\w+(?:[-.]\w+)*|[^\w\s'\"]")
_SPELLINGS: Final = (("’", "'"), ("w/o ", "without "), ("w/", "with "), ("close up of", "close-up of"))
_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "PREP": (
        *("on top of", "in front of", "in back of", "out of", "in between", "instead of", "because of", "far from"),
        *("next to", "right next to", "close to", "closer to", "closest to", "nearest to", "right behind"),
        *("right in front of", "right beside", "right by", "along with", "together with", "as well as", "rather than"),
        *("higher than", "higher up than", "lower than", "further down than", "further from", "to do with"),
    ),
    "NOUN": ("traffic light", "traffic lights", "street light", "street lights", "stop light", "hot dog"),
    "CONJ": ("and also",),
}
_MERGES: Final = {tuple(words.split()): tag for tag, group in _PHRASES.items() for words in group}
_LONGEST: Final = max(map(len, _MERGES))


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign in lower case, and its class: DET, NUM, ADJ, POS (a position), PART, NOUN, PREP, ..."""

    text: str
    tag: str


class Lexicon:
    """The word lists of ``lexicon.toml``: classes of words, sets of nouns, compounds by their first word."""

    CLASSES: Final[Mapping[str, str]] = {
        "adjective": "ADJ",
        "adverb": "ADV",
        "number": "NUM",
        "position": "POS",
        "verb": "VERB",
        "plural_verb": "VERB",
        "participle": "PART",
        "noun": "NOUN",
        "auxiliary": "AUX",
        "conjunction": "CONJ",
        "relative": "REL",
        "pronoun": "PRON",
        "preposition": "PREP",
        "determiner": "DET",
    }
    """Their order decides where a word stands in two: the later class."""

    def __init__(self) -> None:
        record = tomllib.loads((resources.files("reir.text") / "lexicon.toml").read_text(encoding="utf-8"))
        self.tags = {word: tag for name, tag in self.CLASSES.items() for word in record["classes"][name].split()}
        self.plural_verbs = frozenset(record["classes"]["plural_verb"].split())
        self.compounds = {word: frozenset(nouns.split()) for word, nouns in record["compounds"].items()}
        self._sets = {name: frozenset(words.split()) for name, words in record["sets"].items()}

    def has(self, name: str, word: str) -> bool:
        """Whether the set of this name holds the word (of several words: the last one)."""
        return word.rpartition(" ")[2] in self._sets[name]

    def tag(self, word: str) -> str:
        """The class of a word by itself; what no list and no ending tells is a noun."""
        if word in self.tags:
            return self.tags[word]
        if not word[-1].isalnum():
            return "PUNCT"
        if word.lstrip("#")[0].isdigit():
            return "NUM"
        last = word.rpartition("-")[2]
        if last != word and self.tags.get(last) in ("ADJ", "POS", "PART"):
            return self.tags[last]
        if last not in self.tags:
            if (len(last) > 4 and last.endswith("ing")) or (len(last) > 3 and last.endswith("ed")):
                return "PART"
            if len(last) > 3 and last.endswith("ly"):
                return "ADV"
            if len(last) > 4 and last.endswith(("less", "ous", "tful", "iful", "rful")):
                return "ADJ"
        return "NOUN"


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    return Lexicon()


def read_tokens(text: str) -> list[Token]:
    """The tokens of a text, phrases such as "next to" as one, with their classes in this context."""
    plain = text.lower()
    for written, meant in _SPELLINGS:
        plain = plain.replace(written, meant)
    words = _merge(_TOKEN.findall(plain)[:MAX_TOKENS])
    tags = [_tag(word) for word in words]
    for i, word in enumerate(words):
        tags[i] = _in_context(i, word, words, tags)
    return [Token(word, tag) for word, tag in zip(words, tags, strict=True)]


def _merge(words: list[str]) -> list[str]:
    merged = []
    i = 0
    while i < len(words):
        span = next((n for n in range(_LONGEST, 1, -1) if tuple(words[i : i + n]) in _MERGES), 1)
        merged.append(" ".join(words[i : i + span]))
        i += span
    return merged


def _tag(word: str) -> str:
    if word in ("&", "/"):
        return "CONJ"
    if word in ("'", "'s"):
        return "POSS"
    return _MERGES[tuple(word.split())] if " " in word else lexicon().tag(word)


def _in_context(i: int, word: str, words: list[str], tags: list[str]) -> str:
    """The class of word ``i``, those before it being settled."""
    before = tags[i - 1] if i else ""
    after = tags[i + 1] if i + 1 < len(tags) else ""
    match word:
        case "one":  # "one dog", but "the one with a hat"
            return "NUM" if after in ("NOUN", "ADJ", "PART") else "NOUN"
        case "that":
            return "REL" if before in ("NOUN", "POS", "ADJ", "NUM") else "DET"
        case "her":
            return "DET" if after in ("NOUN", "ADJ", "POS", "NUM", "PART") else "PRON"
        case "half":
            return "ADV" if after in ("PART", "ADJ", "DET") else "NOUN"
        case "'s":
            return "AUX" if before in ("PRON", "REL") else "POSS"
    if tags[i] == "VERB":
        plural = words[i - 1].endswith("s") or words[i - 1] in ("people", "men", "women", "children")
        if before not in ("NOUN", "REL", "PRON") or (
            word in lexicon().plural_verbs and not (plural or before in ("REL", "PRON"))
        ):
            return "NOUN"
    return tags[i]
