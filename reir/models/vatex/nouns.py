"""The main object of an expression, as the CLIP Prior asks for it (section 8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reir.text import subject_of

TEMPLATE = "A photo of {object}"


@dataclass(frozen=True, slots=True)
class MainObject:
    """The main noun phrase of an expression; ``rolled_back``: it has none, and ``phrase`` is the whole expression."""

    phrase: str
    rolled_back: bool

    @property
    def prompt(self) -> str:
        """What CLIP is asked."""
        return TEMPLATE.format(object=self.phrase)


def main_object(expression: str, *, reader: str = "auto") -> MainObject:
    """The main noun phrase of an expression with its determiner and adjectives ("the bull"), or all of it.

    *Differs from the paper*: it takes the root of spaCy's dependency tree, or a noun below it. Here the subject is that
    of ``reir.text``, whose rules need no model; ``reader="spacy"`` asks spaCy.
    """
    subject = subject_of(expression, reader=reader)
    if subject.noun is None:
        return MainObject(expression, rolled_back=True)
    return MainObject(subject.phrase, rolled_back=False)


def rollback_rate(expressions: Sequence[str], *, reader: str = "auto") -> float:
    """The share of expressions without a main noun phrase (the paper's Table 7); 0 for none at all."""
    return sum(main_object(text, reader=reader).rolled_back for text in expressions) / max(len(expressions), 1)
