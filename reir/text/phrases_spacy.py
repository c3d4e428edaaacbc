"""Noun phrases and subjects by spaCy's parser, where the user has installed it and ``en_core_web_sm``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from reir.errors import MissingPackageError
from reir.text.phrases_rules import place_words
from reir.text.phrases_tokens import lexicon
from reir.text.subject import Subject

if TYPE_CHECKING:
    from spacy.language import Language

MODEL: Final = "en_core_web_sm"
_NOUNS: Final = ("NOUN", "PROPN")


def is_installed() -> bool:
    """Whether spaCy and its small English model are there; imports neither."""
    return find_spec("spacy") is not None and find_spec(MODEL) is not None


class SpacyReader:
    """The reader that asks a spaCy pipeline with tagger and parser; see ``reir.text.phrases.Reader``."""

    name = "spacy"

    def __init__(self, pipeline: Language, version: str) -> None:
        self._pipeline = pipeline
        self.version = version

    @classmethod
    def load(cls) -> SpacyReader:
        """The reader over ``en_core_web_sm``.

        Raises:
            MissingPackageError: spaCy or the model is not installed.
        """
        if not is_installed():
            raise MissingPackageError(f"spacy with {MODEL} (python -m spacy download {MODEL})", "language")
        import spacy

        pipeline = spacy.load(MODEL, exclude=["ner", "lemmatizer"])
        return cls(pipeline, f"{metadata.version('spacy')}+{metadata.version(MODEL)}")

    def noun_phrases(self, text: str) -> list[str]:
        """Noun phrases in the order of the text, each once, in lower case, with their determiners."""
        return _Parsed(self._pipeline(_plain(text))).noun_phrases()

    def subject(self, text: str) -> Subject:
        """What the expression points at: the root of the parse, or the subject of a root that is a verb."""
        return _Parsed(self._pipeline(_plain(text))).subject(place_words(text))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


class _Parsed:
    """A parsed text; ``doc`` is spaCy's ``Doc``."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc

    @cached_property
    def chunks(self) -> list[tuple[int, int, Any]]:
        """Start, end and head noun of each noun phrase; what only counts is joined to what it counts."""
        chunks: list[tuple[int, int, Any]] = []
        for chunk in self.doc.noun_chunks:
            start, end, head = chunk.start, chunk.end, chunk.root
            if chunks and self.doc[chunks[-1][1]].text == "of" and chunks[-1][1] + 1 == start:
                before = chunks[-1][2]
                if lexicon().has("transparent", before.text):
                    start = chunks.pop()[0]
            chunks.append((start, end, head))
        return chunks

    def noun_phrases(self) -> list[str]:
        found = [
            self.doc[start:end].text.strip()
            for start, end, head in self.chunks
            if head.pos_ in _NOUNS and head.text not in ("one", "ones")
        ]
        return list(dict.fromkeys(found))

    def subject(self, places: list[str]) -> Subject:
        head = self._head()
        if head is None:
            return Subject(None, "", tuple(dict.fromkeys(places)))
        described = [head]
        while (inner := self._counted(head)) is not None:
            head = inner
            described.append(head)
        words = [
            child.text
            for noun in described
            for child in noun.children
            if child.i < noun.i and child.pos_ in ("ADJ", "NUM", "VERB", "NOUN", "PROPN", "ADV")
        ]
        phrase = next((self.doc[start:end].text for start, end, root in self.chunks if root.i == head.i), head.text)
        return Subject(head.text, phrase, tuple(dict.fromkeys([*words, *places])))

    def _head(self) -> Any | None:
        for root in (token for token in self.doc if token.head.i == token.i):
            for token in (root, *self._arguments(root)):
                if token.pos_ in _NOUNS or token.text in ("one", "ones"):
                    return token
        return next((head for _, _, head in self.chunks if head.pos_ in _NOUNS), None)

    @staticmethod
    def _arguments(root: Any) -> Iterator[Any]:
        for dependency in ("nsubj", "nsubjpass", "attr", "dobj"):
            yield from (child for child in root.children if child.dep_ == dependency)

    @staticmethod
    def _counted(head: Any) -> Any | None:
        """The noun after "of" where the head only counts ("a bunch of bananas", "one of the dogs")."""
        if not (lexicon().has("transparent", head.text) or head.text == "one"):
            return None
        objects = (child for of in head.children if of.text == "of" for child in of.children)
        return next((child for child in objects if child.dep_ == "pobj" and child.i > head.i), None)
