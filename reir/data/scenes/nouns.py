"""The nouns of the emoji world: names, synonyms, glyphs, and what can stand on what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

VARIATION_SELECTOR = "\ufe0f"
"""Asks for the colour form of a character that also has a plain text form."""


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of object: its everyday name, and the one glyph that shows it.

    ``surface`` is where things stand on it, as a share of the glyph's height from the top (None: nothing does);
    ``trim`` the share of the glyph's height that is cut off at the top because it shows a second object.
    """

    name: str
    plural: str
    synonyms: tuple[str, ...]
    text: str
    group: str
    surface: float | None = None
    trim: float = 0.0

    @property
    def supports(self) -> bool:
        """Whether other things can stand on it."""
        return self.surface is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then its synonyms."""
        return (self.name, *self.synonyms)


@lru_cache(maxsize=1)
def load_nouns() -> tuple[Noun, ...]:
    """All nouns, in the order of ``nouns.toml`` (a noun's position is its class number in training)."""
    table = tomllib.loads((files("reir.data.scenes") / "nouns.toml").read_text(encoding="utf-8"))
    nouns = []
    for group, entries in table.items():
        for name, entry in entries.items():
            text = chr(int(entry["codepoint"], 16)) + (VARIATION_SELECTOR if entry.get("emoji_variant") else "")
            nouns.append(
                Noun(
                    name=name,
                    plural=entry["plural"],
                    synonyms=tuple(entry.get("synonyms", ())),
                    text=text,
                    group=group,
                    surface=entry.get("surface"),
                    trim=entry.get("trim", 0.0),
                )
            )
    return tuple(nouns)


@lru_cache(maxsize=1)
def nouns_by_name() -> Mapping[str, Noun]:
    """Every noun under its name (not under its synonyms)."""
    return {noun.name: noun for noun in load_nouns()}
