"""Parts of the picture, as expressions name them: "on the far left", "top right corner", "left guy", "in back"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reir.text.phrases_tokens import lexicon
from reir.text.spatial.meaning import Region, Side
from reir.text.spatial.tokens import Tokens

_PREPOSITIONS: Final = frozenset({"on", "at", "in", "to", "toward", "towards", "near", "by", "along", "from"})
_ACROSS: Final = frozenset({"left", "right"})
_DOWN: Final = frozenset({"top", "bottom"})
_DEPTH: Final = frozenset({"front", "back"})
_POSSESSIVES: Final = frozenset({"his", "her", "its", "their"})
_ROWS: Final = frozenset({"row", "line", "column", "most"})
_APPEARANCE: Final = frozenset({"ADJ", "PART"})


def match_region(text: Tokens, i: int) -> tuple[Region, int] | None:
    """The part of the picture that the words from token ``i`` on name, and where they end."""
    return _Match(text, i).region()


class _Match:
    def __init__(self, text: Tokens, start: int) -> None:
        self.text = text
        self.token = text.token
        self.known = text.known
        self.start = start

    def region(self) -> tuple[Region, int] | None:
        i = self._after_preposition(self.start)
        prepared = i > self.start
        article = self.token(i) in ("the", "a", "this", "very", "our", "your") and prepared
        if self.token(i) in _POSSESSIVES:
            return None
        i += article
        sides, i, extreme = self._sides(i)
        if not sides:
            return None
        named = i
        i = self._after_side(i)
        sided = i > named
        pictured = self.text.end(self.known.of_picture, i)
        if pictured > i:
            sided, i = True, pictured
        elif self.token(i) == "of" and not self._is_counted(i):
            return None  # "top of the cake", "left of the car"
        if self._only_looks_so(sides, named, i, prepared=prepared, sided=sided, extreme=extreme):
            return None
        choosing = not (prepared or sided) and len(sides) == 1
        return Region(sides, choosing, extreme), i

    def _is_counted(self, i: int) -> bool:
        found = self.known.among.match(self.text.tails[i])
        return found is not None and found["number"] is not None

    def _after_preposition(self, i: int) -> int:
        if self.token(i) in ("off", "over", "up", "down", "out", "back") and self.token(i + 1) in _PREPOSITIONS:
            i += 1
        if self.token(i) == "all" and self.token(i + 1) == "the" and self.token(i + 2) == "way":
            i += 3
        return i + 1 if self.token(i) in _PREPOSITIONS else i

    def _sides(self, i: int) -> tuple[tuple[Side, ...], int, bool]:
        """The sides named from token ``i`` on, where they end, and whether a word of degree is with them."""
        sides: list[Side] = []
        extreme = False
        while word := self.token(i):
            if word in self.known.degrees and (self._side_follows(i + 1)):
                extreme = True
            elif word in self.known.sides and len(sides) < 2 and self._fits(sides, self.known.sides[word]):
                sides.append(self.known.sides[word])
            else:
                break
            i += 1
        return tuple(sides), i, extreme

    def _side_follows(self, i: int) -> bool:
        while self.token(i) in self.known.degrees:
            i += 1
        return self.token(i) in self.known.sides

    @staticmethod
    def _fits(sides: Sequence[Side], side: Side) -> bool:
        """Whether a second side can follow the first: one across, one up or down."""
        if not sides:
            return True
        first = sides[0]
        groups = (_ACROSS, _DOWN, _DEPTH)
        return first != side and not any(first in group and side in group for group in groups)

    def _after_side(self, i: int) -> int:
        after = self.text.end(self.known.side, i)
        if after > i and (self.token(i) == "hand" or self.token(after) not in self.known.lists["beside"]):
            return after
        return i + 1 if self.token(i) in _ROWS else i

    # Words that only look like places

    def _only_looks_so(
        self, sides: Sequence[Side], named: int, end: int, *, prepared: bool, sided: bool, extreme: bool
    ) -> bool:
        before, after = self.token(self.start - 1), self.token(end)
        if self._heading() and not sided:
            return True
        if not prepared and before in _POSSESSIVES:
            return True
        if prepared and not (sided or extreme) and self._names_anchor(named, end):
            return True
        if "'s" in before and after in self.known.lists["part"]:
            return True
        if after in self.known.lists["part"] and (before in ("my", "with") or self.token(end + 1) == "of"):
            return True
        if sides[-1] in ("front", "back", "top", "bottom") and after in self.known.lists["named"]:
            return True
        if prepared or sided or extreme:
            return sided and not prepared and after == "of"
        word = self.token(named - 1)
        match word:
            case "left":
                return self._is_verb(before, after, end)
            case "right":
                return self._is_emphasis(before, after, end)
            case "top" | "bottom":
                return after == "of" or (before in self.known.lists["garment"] and not self._noun(end))
            case "back" | "rear" | "front":
                return (
                    before == "in"
                    or "'s" in before
                    or (word == "back" and not self._noun(end) and after not in ("", ","))
                )
            case "background" | "foreground":
                return after not in ("", ",") and not self._noun(end)
            case "middle" | "center" | "central":
                return before in self.known.lists["centre"] or after in ("finger", "aged", "school", "piece")
        return False

    def _heading(self) -> bool:
        """Whether a word before tells that the side is headed for ("looking to the right")."""
        i = self.start - 1
        while self.token(i) in ("the", "to", "toward", "towards"):
            i -= 1
        return self.token(i) in self.known.lists["heading"]

    def _names_anchor(self, named: int, end: int) -> bool:
        """Whether the side tells which thing is meant that something is on or in ("on the right wing")."""
        word = self.token(end)
        if not word or lexicon().tag(word) != "NOUN" or lexicon().has("clothing", word):
            return False
        return self.start > 0 or self.token(named - 2) == "the"

    def _noun(self, i: int) -> bool:
        """Whether a noun phrase goes on at token ``i``."""
        return bool(self.token(i)) and lexicon().tag(self.token(i)) in ("NOUN", "ADJ", "NUM", "PART")

    def _is_verb(self, before: str, after: str, end: int) -> bool:
        """Whether this left is what remained: "food left on the plate", "what's left", "left behind"."""
        if before in self.known.lists["remains"] or after in self.known.lists["leaving"]:
            return True
        return after in ("on", "in", "at", "for", "from") and self.start > 0 and not self._appearance(end)

    def _is_emphasis(self, before: str, after: str, end: int) -> bool:
        """Whether this right stresses ("right there"), asks ("right?") or agrees ("all right")."""
        if after == "?" or before in ("all", "just", "that's") or after in self.known.lists["stressed"]:
            return True
        return after in ("in", "on", "near") and not self._appearance(end)

    def _appearance(self, end: int) -> bool:
        """Whether "in" is followed by clothes or a colour: "man left in red"."""
        if self.token(end) not in ("in", "with"):
            return False
        word = self.token(end + 1)
        if word in self.known.determiners:
            word = self.token(end + 2)
        return lexicon().tag(word or ".") in _APPEARANCE or lexicon().has("clothing", word)
