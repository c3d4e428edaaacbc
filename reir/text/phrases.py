"""Noun phrases of captions and subjects of expressions, by whichever reader is there."""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol

from reir.errors import UsageError
from reir.text.plurals import singular
from reir.text.subject import Subject
from reir.text.wordnet import WordNet, find_wordnet

READERS: Final = ("rules", "spacy")


class Reader(Protocol):
    """Reads short English descriptions. Never raises on a text, whatever it is."""

    @property
    def name(self) -> str:
        """``rules`` or ``spacy``."""
        ...

    @property
    def version(self) -> str:
        """Changes when the reader may give other phrases for the same text."""
        ...

    def noun_phrases(self, text: str) -> list[str]:
        """Noun phrases in the order of the text, each once, in lower case, with their determiners."""
        ...

    def subject(self, text: str) -> Subject:
        """What the expression points at."""
        ...


@cache
def find_reader(name: str = "auto") -> Reader:
    """The reader of a name; ``auto`` is spaCy where it and its model ``en_core_web_sm`` are installed, else rules.

    Raises:
        UsageError: no such reader.
        MissingPackageError: spaCy is asked for by name and is not there.
    """
    if name not in ("auto", *READERS):
        raise UsageError(f"no reader named {name!r} of noun phrases; there are: auto, {', '.join(READERS)}")
    if name != "rules":
        from reir.text.phrases_spacy import SpacyReader, is_installed

        if name == "spacy" or is_installed():
            return SpacyReader.load()
    from reir.text.phrases_rules import RuleReader

    return RuleReader()


def reader_name() -> str:
    """``rules`` or ``spacy``: what ``auto`` is here. What is stored of a reader's phrases must name it."""
    return find_reader().name


def noun_phrases(text: str, *, reader: str = "auto") -> list[str]:
    """Noun phrases in the order of the text, each once, in lower case, with their determiners ("a red shirt").

    Pronouns and "one" describe nothing by themselves and are left out; what only counts stays with what it counts
    ("a bunch of bananas").
    """
    return find_reader(reader).noun_phrases(text)


def subject_of(text: str, *, reader: str = "auto") -> Subject:
    """What an expression points at: head noun, noun phrase, and the words that describe it."""
    return find_reader(reader).subject(text)


def head_noun(text: str, *, reader: str = "auto") -> str | None:
    """The noun of what an expression points at, in lower case ("left guy in red" -> "guy"); None without a noun."""
    return find_reader(reader).subject(text).noun


def same_thing(phrase: str, noun: str, *, least: float = 1.0, wordnet: WordNet | None = None) -> bool:
    """Whether a noun phrase means what ``noun`` means, so that it is no negative phrase (TAS, section 3.3).

    It does when its head is the same noun in any form, or when WordNet has meanings of the two whose path similarity
    is at least ``least``. The paper calls its rule strict ("young man" and "the boy" are not the same) and gives no
    number; 1 asks for one meaning that both words have (couch, sofa). Without ``wordnet``, that of this machine is
    asked; where there is none, only the nouns themselves are compared.
    """
    head = find_reader("rules").subject(phrase).noun
    if head is None:
        return False
    if singular(head) == singular(noun):
        return True
    wordnet = wordnet or find_wordnet()
    return wordnet is not None and wordnet.word_similarity(head, noun) >= least
