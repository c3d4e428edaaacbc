"""Words of relations to other things: "left of", "on top of", "between"."""

from __future__ import annotations

import re
from typing import Final

from reir.text.spatial.meaning import RelationName
from reir.text.spatial.regions import match_region
from reir.text.spatial.tokens import Tokens

_AGENT: Final = re.compile(r"\w+(?:ed|en|ing)$|held|worn|made|cut|hit|led|ridden")
_REFLEXIVE: Final = frozenset({"itself", "himself", "herself", "themselves", "themself"})


def match_relation(text: Tokens, i: int) -> tuple[RelationName, int] | None:
    """The name of the relation whose words begin at token ``i``, and where its anchor begins."""
    best: tuple[RelationName, int] | None = None
    for name, pattern in text.known.relations.items():
        after = text.end(pattern, i)
        if after > i and (best is None or after > best[1]):
            best = name, after
    if best is None:
        return None
    name, after = best
    before, following = text.token(i - 1), text.token(after)
    if text.token(i) in ("by", "over") and after == i + 1 and _AGENT.fullmatch(before or "."):
        return None
    if following in _REFLEXIVE:
        return None
    if name == "on" and _is_place_of_its_own(text, after - 1):
        return None
    if name in ("left_of", "right_of") and before in ("", "the", ",") and after == i + 2:
        found = text.known.among.match(text.tails[i + 1])
        if found is not None and found["number"]:
            return None  # "the left of the two dogs"
    if name == "nearest" and after == i + 1 and (before in ("", ",") or before in text.known.determiners):
        return None  # "the nearest cow"
    if following in text.known.determiners:
        following = text.token(after + 1)
    if name == "on" and following in ("fire", "phone", "sale", "display", "cell", "cellphone", "its", "their"):
        return None
    if name in ("left_of", "right_of") and before in ("his", "her", "their", "its"):
        return None
    if text.token(i - 1) in text.known.lists["heading"] and name in ("left_of", "right_of", "on"):
        return None
    return best


def _is_place_of_its_own(text: Tokens, i: int) -> bool:
    """Whether the "on" at token ``i`` begins a place ("sitting on the left side of the bench")."""
    if match_region(text, i) is not None or text.token(i + 1) in ("his", "her", "its", "their"):
        return text.token(i + 1) not in ("his", "her", "its", "their") or text.token(i + 2) in ("left", "right")
    return any(text.end(text.known.relations[name], i) > i for name in ("left_of", "right_of", "inside"))
