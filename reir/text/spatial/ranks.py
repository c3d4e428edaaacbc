"""Words that choose one of several things by where it stands or by its size: "leftmost", "biggest", "middle of the"."""

from __future__ import annotations

from reir.text.spatial.meaning import Axis
from reir.text.spatial.relations import match_relation
from reir.text.spatial.tokens import Tokens


def match_rank(text: Tokens, i: int) -> tuple[Axis, int] | None:
    """The axis of the superlative or comparative at token ``i``, and where it ends."""
    best: tuple[Axis, int] | None = None
    for axis, pattern in text.known.ranks.items():
        after = text.end(pattern, i)
        if after > i and (best is None or after > best[1]):
            best = axis, after
    if best is None:
        if text.token(i) in ("left", "right", "middle", "center", "front", "back"):
            return _chosen_of(text, i)
        return None
    if best == ("front", i + 1) and text.token(i) == "nearest" and match_relation(text, i) is not None:
        return None  # "chair nearest the door"
    after = best[1]
    word = text.token(i)
    if word in ("upper", "lower", "higher") and after == i + 1:
        # "the upper of the two", "higher of the dogs"; else a part of the picture
        return best if text.token(after) in ("of", "one") else None
    if word in ("top", "bottom") and text.token(i + 1) != "most":
        return best if text.end(text.known.among, after) > after else None
    return best


def _chosen_of(text: Tokens, i: int) -> tuple[Axis, int] | None:
    """The axis and the end of what chooses from a group: "left one of the two dogs", "middle of the three"."""
    word = text.token(i)
    after = i + 2 if text.token(i + 1) == "one" else i + 1
    found = text.known.among.match(text.tails[after])
    if found is None or not (found["number"] or after == i + 2):
        if not (after == i + 2 and _after_group(text, i)):
            return None
    elif text.token(i - 1) in ("the", "in", "on") and text.token(i - 2) in ("in", "on", "at"):
        return None
    axis: Axis = "middle" if word in ("middle", "center") else word  # type: ignore[assignment]
    return axis, after


def _after_group(text: Tokens, i: int) -> bool:
    """Whether the sentence began with "of the three dogs,"."""
    return text.token(0) == "of" and "," in text.tokens[:i]
