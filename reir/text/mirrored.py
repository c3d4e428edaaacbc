"""Free text about a mirrored picture: left and right change places, or the text is not to be mirrored at all.

Ours, not the paper's: a flipped picture under unflipped words teaches that left is right.
"""

from __future__ import annotations

import re
from typing import Final

_SWAPPED: Final = {"left": "right", "right": "left", "lft": "right", "lt": "right", "rt": "left", "rght": "left"}
_ENDINGS: Final = "most|side|hand|handed|hander|ward|wards|y|ish"
_SIDE: Final = re.compile(rf"\b(left|right|lft|lt|rt|rght)({_ENDINGS})?\b", re.IGNORECASE)
_ABBREVIATED: Final = frozenset({"lft", "lt", "rt", "rght"})

_PLACED: Final = frozenset(
    re.findall(
        r"\w+",
        "the a an to on at of in far very top bottom upper lower front back rear center centre middle near nearest "
        "closest furthest farthest most your our my their his her its from extreme immediate and or side left right",
    )
)
"""Before right or left, these say that it is a direction: "on the right behind the fence", "far left on the bench"."""

_ADVERB: Final = re.compile(
    r"\s+(?:behind|next|beside|besides|above|below|beneath|under|underneath|in\s+front|in\s+the\s+middle|"
    r"in\s+between|there|here|now|away|ahead|angle|angles|angled|before|after|through)\b",
    re.IGNORECASE,
)
"""After right, these make it a word of emphasis ("right behind the dog"), unless a word of ``_PLACED`` precedes."""

_EITHER: Final = re.compile(
    r"\s+(?:in|on|at|by|near|against|between|over|up|down|off|out|across|beyond|alongside|along|around|inside|"
    r"outside|into|onto|where|when|as|before|after)\b",
    re.IGNORECASE,
)
"""After right or left, these leave open which it is: "dog right by the door", "food left on the plate"."""

_ALWAYS_EMPHASIS: Final = frozenset({"all", "just"})
"""Before right, these make it a word of emphasis ("all right"), unless "of" follows ("just right of the lamp")."""

_VERB_BEFORE: Final = frozenset(
    re.findall(
        r"[\w']+",
        "was were been being is are has have had who that which one he she it they what's whats that's "
        "piece pieces slice slices half bit any some more",
    )
)
_REMAINDER: Final = frozenset({"only", "last", "remaining"})
_VERB_AFTER: Final = re.compile(
    r"\s+(?:behind|over|alone|open|unattended|uneaten|untouched|the|his|her|its|some|to)\b", re.IGNORECASE
)
"""With these, left may be the verb: "the slice that was left", "bag left behind"."""

_UNCERTAIN: Final = re.compile(
    r"""
    \d | ["“”„«»#] | (?<!\w)'\w[^']*' | o['’]?\s?clock | \bclock\s?(?:wise|position)
    | \b(?:counter|anti)-?\s?clockwise\b
    | \b(?:number|numbers|numbered|numeral|digit|digits|letter|letters|lettering|word|words|wording|written|writing
        |text|says|say|saying|reads|spells|spelling|spelled|labelled|labeled|logo|initial|initials|script)\b
    | \b(?:east|west|eastern|western|starboard|portside|mirrored|mirror\s+image|backwards|reversed)\b
    | (?:^|(?<=\s))[lr](?=\s|$|[.,;])
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Writing and numbers are not those of the mirrored picture; of hours, winds and single letters it is not certain."""

_ORDINAL: Final = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|1st|2nd|3rd|[4-9]th)\b", re.IGNORECASE
)
_ORDINAL_SAFE: Final = re.compile(
    r"\s+(?:(?:\w+\s+){0,2}?from\s+(?:the\s+|our\s+|your\s+)?(?:far\s+)?(?:left|right|top|bottom|front|back|camera)"
    r"|(?:row|shelf|floor|level|tier|story|storey|step|layer)\b)",
    re.IGNORECASE,
)
"""What says where the counting starts; without it people count from the left, and the mirrored picture has no word."""

_POSITION: Final = re.compile(
    r"\b(?:left|right|lft|lt|rt|rght)(?:most|side|hand|ward|wards|y|ish)?\b"
    r"|\b\w+most\b|\b(?:middle|center|centre|central|centered|top|bottom|upper|lower|uppermost|corner|edge|end|side"
    r"|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|final|next\s+to\s+last|\d+(?:st|nd|rd|th)"
    r"|far|farthest|furthest|high|higher|highest|low|lowest|halfway|row|column|picture|photo|image|screen|frame|shot"
    r"|cut|cropped|partial|partially|partly|half|whole|entire|full|fully|complete|completely|visible|only|most|all"
    r"|two|three|four|five|six|seven|eight|nine|ten|pair|both|each|every)\b"
    r"|\d|o['’]?\s?clock|(?:^|(?<=\s))[lr](?=\s|$|[.,;])",
    re.IGNORECASE,
)


def mirror_words(text: str) -> str | None:
    """The text as it is true of the mirrored picture, or None where that is not certain.

    Left and right change places in all their forms ("leftmost", "left-hand", "rt"). What is left alone: "right" as
    emphasis ("right behind", "all right"). None, so that the picture is better not mirrored, for: writing and numbers,
    clock positions, points of the compass, ordinals that do not say where the counting starts, and a left or right
    that may be a verb or an emphasis ("food left on the plate", "dog right by the door").
    """
    if _UNCERTAIN.search(text):
        return None
    for ordinal in _ORDINAL.finditer(text):
        if not _ORDINAL_SAFE.match(text, ordinal.end()):
            return None
    parts: list[str] = []
    end = 0
    for found in _SIDE.finditer(text):
        swap = _is_direction(text, found)
        if swap is None:
            return None
        parts += [text[end : found.start()], _swapped(found) if swap else found[0]]
        end = found.end()
    return "".join([*parts, text[end:]])


def says_position(text: str) -> bool:
    """Whether a text may cease to be true when the picture is cut: it counts, ranks, says where in the picture
    something is, or how much of it can be seen. In doubt, yes.
    """
    return _POSITION.search(text) is not None


def _is_direction(text: str, found: re.Match[str]) -> bool | None:
    """Whether this left or right is a side; None where it cannot be known."""
    word, ending = found[1].lower(), found[2]
    if ending or word in _ABBREVIATED:
        return True
    before = re.findall(r"[a-z']+", text[: found.start()].lower())
    previous = before[-1] if before else ""
    if word == "right" and previous in _ALWAYS_EMPHASIS and not re.match(r"\s+of\b", text[found.end() :]):
        return False
    if previous in _PLACED:
        return True
    if word == "right":
        if _ADVERB.match(text, found.end()):
            return False
        return None if _EITHER.match(text, found.end()) else True
    if _REMAINDER.intersection(before):
        return None
    if previous in _VERB_BEFORE or _VERB_AFTER.match(text, found.end()) or _EITHER.match(text, found.end()):
        return None
    return True


def _swapped(found: re.Match[str]) -> str:
    word, ending = found[1], found[2] or ""
    swapped = _SWAPPED[word.lower()]
    if word.isupper():
        swapped = swapped.upper()
    elif word[0].isupper():
        swapped = swapped.capitalize()
    return swapped + ending
