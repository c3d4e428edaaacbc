"""The words of place of ``words.toml``, and texts as the reader of places takes them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, TypeVar

from reir.text.spatial.meaning import Axis, RelationName, Side

_Name = TypeVar("_Name", bound=str)

MAX_TOKENS: Final = 128
"""Longer texts are read up to here."""

_TOKEN: Final = re.compile(r"w/(?=\s)|o'\s?clock|\w+(?:['-]\w+)*|[,;:?]|\.(?=\s)|(?<=\s)-(?=\s)|/")
_BREAKS: Final = {";": ",", ":": ",", ".": ",", "-": ",", "/": ","}
_OPENER: Final = re.compile(
    r"\s*(?:please |can you |could you )*(?:find|show|search for|look(?:ing)? for|i (?:want|see|mean)|select|click on"
    r"|where (?:is|are)|there(?: is| are|'s)|(?:it|this|that|these|those)(?: is| are|'s))(?: me| us)?(?=\s+\w)"
)
"""What asks or states before the description itself."""


class PlaceWords:
    """Spellings, patterns and sets of ``words.toml``; every pattern ends at the end of a word."""

    def __init__(self) -> None:
        record = tomllib.loads((resources.files("reir.text.spatial") / "words.toml").read_text(encoding="utf-8"))
        self.spelling: dict[str, str] = record["spelling"]
        self._sets: dict[str, str] = record["sets"]
        self.relations: dict[RelationName, re.Pattern[str]] = self._compiled(record["relations"])
        self.inverse: dict[RelationName, re.Pattern[str]] = self._compiled(record["inverse"])
        self.ranks: dict[Axis, re.Pattern[str]] = self._compiled(record["ranks"])
        self.lists = {name: frozenset(words.split()) for name, words in record["lists"].items()}
        self.numbers = {word: int(number) for number, words in record["numbers"].items() for word in words.split()}
        self.determiners = frozenset(self._sets["the"].split("|"))
        self.degrees = frozenset(self._sets["degree"].split("|"))
        self.sides: dict[str, Side] = self._side_words()
        self.side = self.pattern("{side}")
        self.of_picture = self.pattern("(?:of|in) {picture}")
        self.viewer = self.pattern("{viewer}")
        number = self._sets["number"]
        self.among = self.pattern(f"of(?: all)?(?: {{the}})?(?: (?P<number>{number}))?")
        self.pair = self.pattern(f"(?:{{the}} )?(?P<number>{number})(?: of {{the}})?(?: other)?")
        self.ordinal = self.pattern(
            f"(?P<place>{self._sets['ordinal']})(?P<last> (?:to|from|of) last)?|(?P<next>next to last)|(?P<end>last)"
        )
        self.bare_number = self.pattern("(?P<place>two|three|four|five|[1-9])(?= from )")
        self.origin = self.pattern(
            "(?:in |over |back |counting )?(?P<from>from|on|to|in|at|of)(?: {the})? (?:very |far )?"
            "(?P<side>left|right|top|bottom|front|back|rear|camera|viewer|us)(?: hand)?(?: side| end| edge)?"
            "(?! (?:corner|row|shelf))"
            "(?! of(?! (?:the )?picture| (?:the )?(?:{number})(?: |$)| the))(?: of(?: the)? picture)?"
        )
        self.clock = self.pattern(
            "(?:at |in |by )?(?:the )?"
            "(?P<hour>1[0-2]|[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
            r" ?o'?\s?clock(?: position)?"
        )

    def pattern(self, source: str) -> re.Pattern[str]:
        """The pattern with the sets in it, which ends at the end of a word."""
        for _ in range(2):
            for name, words in self._sets.items():
                source = source.replace(f"{{{name}}}", f"(?:{words})")
        return re.compile(rf"(?:{source.strip()})(?= |$)")

    def _compiled(self, table: Mapping[_Name, str]) -> dict[_Name, re.Pattern[str]]:
        return {name: self.pattern(source) for name, source in table.items()}

    def _side_words(self) -> dict[str, Side]:
        words: dict[str, Side] = {"left": "left", "right": "right"}
        words |= dict.fromkeys(("top", "upper", "uppermost"), "top")
        words |= dict.fromkeys(("bottom", "lower", "lowermost"), "bottom")
        words |= dict.fromkeys(self._sets["middle"].split("|"), "middle")
        words |= dict.fromkeys(("front", "foreground"), "front")
        return words | dict.fromkeys(("back", "rear", "background"), "back")


@cache
def place_words() -> PlaceWords:
    """The words, read once."""
    return PlaceWords()


def place_tokens(text: str) -> list[str]:
    """The words of a text in lower case and one spelling, its question marks, and commas for other signs that part."""
    plain = text.lower().replace("’", "'")
    opener = _OPENER.match(plain)
    spelling = place_words().spelling
    tokens: list[str] = []
    for word in _TOKEN.findall(plain[opener.end() :] if opener else plain)[:MAX_TOKENS]:
        parts = word.split("-")
        if len(parts) > 1 and all(part in spelling or part in place_words().sides or part == "most" for part in parts):
            tokens += spelling.get(word, word.replace("-", " ")).split()
        else:
            tokens += spelling.get(word, _BREAKS.get(word, word)).split()
    return tokens
