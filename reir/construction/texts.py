"""What a description must be, as far as a program can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reir.text import WordNet, find_wordnet, noun_phrases, subject_of
from reir.text.plurals import singular

MOST_WORDS = 30
MOST_COMMAS = 2
_KIN = 0.2
"""WordNet path similarity from which on a subject may be of the category: man to person has a third, jet to airplane a
half; unrelated things have a tenth."""

_COORDINATES = re.compile(
    r"\(\s*\d[\d.]*\s*,|\[\s*\d|\b0?\.\d+\b|\d\s*[x×]\s*\d|\bpixels?\b|\bpx\b|\bcoordinates?\b|\bbounding box|\bbbox"
    r"|\b[xy]\s*[=:]\s*\d|\d\s*%",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:object|instance|item|id|annotation)\s*(?:no\.?|number|#)?\s*\d|#\d|\bin the json\b", re.IGNORECASE
)
_OTHERS = re.compile(
    r"\bsame as (?:above|before)\b|\bas (?:described|mentioned) (?:above|before|earlier)\b|"
    r"\b(?:previous|first|other|above) description\b",
    re.IGNORECASE,
)
_ARTICLES = frozenset({"a", "an", "the"})
_PLACE_NAMES = """
left right top bottom middle center centre front back side edge corner foreground background image picture photo
scene view half part end row line group pair one thing object
"""
_PLACES = frozenset(_PLACE_NAMES.split())
"""Nouns that name no object of their own."""


def problems_of(text: str) -> list[str]:
    """What is wrong with one description, in words that the model which wrote it can mend it by; empty if nothing."""
    found = []
    if not text.strip():
        return ["it is empty"]
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        found.append("it holds half a letter, which no file can")
    words = len(text.split())
    if words > MOST_WORDS:
        found.append(f"it has {words} words, more than {MOST_WORDS}")
    if text.count(",") > MOST_COMMAS:
        found.append(f"it has {text.count(',')} commas, more than {MOST_COMMAS}")
    if len(re.findall(r"[.!?](?:\s|$)", text.strip())) > 2 or "\n" in text.strip():
        found.append("it is more than two sentences")
    if match := _COORDINATES.search(text):
        found.append(f"it speaks of coordinates ({match[0].strip()!r})")
    if match := _NUMBERED.search(text):
        found.append(f"it speaks of an object's number or of the data ({match[0].strip()!r})")
    if match := _OTHERS.search(text):
        found.append(f"it refers to another description ({match[0].strip()!r})")
    return found


def plain(text: str) -> str:
    """The text without case, punctuation and articles: texts that agree in it say the same in the same words."""
    words = re.findall(r"\w+", text.casefold())
    return " ".join(word for word in words if word not in _ARTICLES)


def subject_warning(text: str, category: str, *, wordnet: WordNet | None = None) -> str | None:
    """What makes it doubtful that the target is the subject of the text; None if nothing does.

    The paper wants the target as the subject (Figures 9 and 10). A reader of noun phrases errs at times, and a person
    has many names; so this warns and rejects nothing.
    """
    subject = subject_of(text)
    if subject.noun is None:
        return f"no subject found in {text!r}"
    wordnet = wordnet or find_wordnet()
    # "traffic light" is a light, "sports ball" a ball: the last word is the head of the category.
    names = {category.casefold(), category.casefold().split()[-1]}
    for word in (subject.noun, *subject.words):
        for name in names:
            if singular(word) == singular(name):
                return None
            if wordnet is not None and wordnet.word_similarity(word, name) >= _KIN:
                return None
    return f"the subject of {text!r} seems to be {subject.noun!r}, not {category!r}"


def strange_nouns(text: str, known: Iterable[str], *, wordnet: WordNet | None = None) -> list[str]:
    """Things that the text names and none of the ``known`` texts does: what a filter has invented.

    Nouns are compared in the singular, and by WordNet's synonyms where it is installed. A noun that stands in any
    form in a known text is known, whatever part it plays there.
    """
    wordnet = wordnet or find_wordnet()
    words = {singular(word) for other in known for word in re.findall(r"[^\W\d_]+", other.casefold())}
    strange = []
    for phrase in noun_phrases(text):
        noun = singular(re.findall(r"[^\W\d_]+", phrase)[-1]) if re.search(r"[^\W\d_]", phrase) else None
        if noun is None or noun in words or noun in _PLACES:
            continue
        if wordnet is not None and wordnet.synonyms(noun) & words:
            continue
        strange.append(noun)
    return strange
