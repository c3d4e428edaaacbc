"""Plural nouns back to the singular, by spelling."""

from __future__ import annotations

from typing import Final

_PAIRS: Final = """
people person children child feet foot teeth tooth geese goose mice mouse oxen ox cacti cactus
knives knife leaves leaf loaves loaf halves half shelves shelf wolves wolf calves calf wives wife scarves scarf
movies movie cookies cookie brownies brownie shoes shoe toes toe axes axe blouses blouse horses horse houses house
bus bus gas gas canvas canvas lens lens scissors scissors jeans jeans pants pants
"""
_IRREGULAR: Final = dict(zip(_PAIRS.split()[::2], _PAIRS.split()[1::2], strict=True))


def singular(noun: str) -> str:
    """The noun in the singular by the rules of spelling; the noun itself where it is no plural."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("men"):
        return f"{noun[:-3]}man"
    if noun.endswith("ies") and len(noun) > 4:
        return f"{noun[:-3]}y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zes", "uses", "toes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and len(noun) > 3 else noun
