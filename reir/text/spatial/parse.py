"""Expressions to the places that they speak of, by rules."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from reir.text.spatial.meaning import Axis, Clock, Described, Rank, Region, Related, RelationName, Side
from reir.text.spatial.ranks import match_rank
from reir.text.spatial.regions import match_region
from reir.text.spatial.relations import match_relation
from reir.text.spatial.thing import Thing, noun_phrase, singular_phrase
from reir.text.spatial.tokens import Tokens
from reir.text.spatial.words import place_tokens, place_words

_LOW: Final = frozenset({"left_of", "right_of", "above", "below", "nearest", "furthest"})
"""A place said after the anchor of these is the anchor's ("left of the man in the middle")."""
_ALONE: Final[dict[str, Side]] = {
    "behind": "back",
    "above": "top",
    "on": "top",
    "below": "bottom",
    "under": "bottom",
    "in_front_of": "front",
}
"""What a relation to nothing that is named says of the place."""
_DEPTH: Final = 6


@lru_cache(maxsize=1024)
def read_places(text: str) -> Described:
    """What the expression says of the place of its subject; ``where`` is empty where it says nothing of it.

    Understood are places in the picture ("on the far left", "top right corner"), ranks ("leftmost", "second from the
    right", "middle one of the three", "second biggest"), relations to other things, which may have places of their own
    ("cup left of the dog under the lamp"), "between", and hours ("at 3 o'clock"). Left out is what is seen from
    another's eyes ("on his left"), where a thing is not ("not the left one"), and words that only look like places
    ("facing left", "top hat", "what is left").
    """
    reader = _Reader(place_tokens(text))
    thing, _ = reader.thing(0, 0, None)
    return thing.described()


class _Reader(Tokens):
    def thing(self, i: int, depth: int, relation: RelationName | None) -> tuple[Thing, int]:
        """The description that begins at token ``i``, and where it ends; an anchor of ``relation`` ends before it
        turns to the subject again.
        """
        thing = Thing()
        nested = depth > 0
        while i < len(self.tokens):
            word = self.tokens[i]
            if word in self.known.lists["negation"] and self._is_place(self._after_determiner(i + 1)):
                i = self._after_part(i)
            elif word == "right" and self.token(i + 1) == "?":
                i += 1
            elif word in (",", "?"):
                if nested:
                    break
                thing.parts.append([])
                i += 1
            elif nested and word == "and" and self._turns_back(i + 1, relation):
                break
            elif self._begins_anew(i, thing, nested):
                if nested:
                    break
                thing.parts.append([])
                i += 2 if word == "there" else 1
            elif nested and self.fronted and self._is_second_thing(i, thing):
                break
            else:
                clause = self._clause(i)
                after = self._place(clause, i, thing, depth, relation)
                if after is None:
                    break
                if after == clause and (clause == i or not self._is_place(clause)):  # no place
                    thing.words.append(word)
                    after = i + 1
                i = after
        return thing, i

    def _after_determiner(self, i: int) -> int:
        return i + 1 if self.token(i) in self.known.determiners else i

    def _after_part(self, i: int) -> int:
        """Where the part between commas that token ``i`` is in ends."""
        while self.token(i) not in ("", ",", "?"):
            i += 1
        return i

    def _is_second_thing(self, i: int, thing: Thing) -> bool:
        """Whether the subject begins here, without a comma: "near the cat a black car"."""
        return self.tokens[i] in self.known.determiners and self._clause(i) == i and bool(noun_phrase(thing.words))

    fronted = False
    """Whether the sentence began with a place ("near the cat a black car")."""

    def _begins_anew(self, i: int, thing: Thing, nested: bool) -> bool:
        """Whether a place at the front ends here ("left of the dog is ...", "in the corner there is ...")."""
        word, following = self.token(i), self.token(i + 1)
        if word == "there" and following in ("is", "are"):
            return True
        if word not in ("is", "are", "sits", "stands", "lies") or self.token(i - 1) in ("that", "which", "who", "one"):
            return False
        if nested:
            return self.fronted and following in self.known.determiners
        return not thing.named and bool(thing.where)

    def _turns_back(self, i: int, relation: RelationName | None) -> bool:
        """Whether what follows an "and" is said of the subject, or is a second anchor."""
        if relation == "between":
            return True
        return self._is_place(self._clause(i)) or self.token(i) in self.known.determiners or self.token(i) == "another"

    def _clause(self, i: int) -> int:
        """Where a place can begin after "that is", "located" and the like; ``i`` where nothing of it stands here."""
        j = i
        if self.token(j) in ("that", "which", "who") and self.token(j + 1) in ("is", "are", "was"):
            j += 2
        elif self.token(j) in ("that's", "who's"):
            j += 1
        if self.token(j) in ("located", "placed", "positioned", "situated", "seen"):
            j += 1
        return j

    def _is_place(self, i: int) -> bool:
        return (
            match_region(self, i) is not None
            or match_relation(self, i) is not None
            or match_rank(self, i) is not None
            or self.end(self.known.clock, i) > i
            or (self.end(self.known.ordinal, i) > i and self.end(self.known.origin, i + 1) > i + 1)
        )

    # Places

    def _place(self, i: int, start: int, thing: Thing, depth: int, relation: RelationName | None) -> int | None:
        """Where the place at token ``i`` ends, taken into ``thing``; ``i`` without one, None where an anchor ends."""
        nested, clause = depth > 0, i > start
        for read in (self._with, self._clock, self._among, self._origin, self._ordinal):
            after = read(i, thing, depth)
            if after > i:
                return after
        named = match_relation(self, i)
        rank = match_rank(self, i)
        if rank is not None and (named is None or rank[1] >= named[1]):
            axis, after = rank
            thing.ranks.append((Rank(axis), len(thing.parts) - 1))
            return after
        region = match_region(self, i)
        if region is not None and (named is None or region[1] > named[1]):
            place, after = region
            if nested and not clause and noun_phrase(thing.words) and relation not in _LOW:
                return None
            if place.sides == ("middle",) and place.choosing and self.end(self.known.among, after) > after:
                thing.ranks.append((Rank("middle"), len(thing.parts) - 1))
            else:
                thing.where.append(place)
            self.fronted = self.fronted or (depth == 0 and not thing.named)
            return after
        if named is not None and depth < _DEPTH:
            return self._related(*named, i, thing, depth)
        return i

    def _with(self, i: int, thing: Thing, depth: int) -> int:
        """Where "with a cup to its right" ends: the thing is left of the cup."""
        if self.token(i) != "with":
            return i
        for j in range(i + 2, min(i + 14, len(self.tokens))):
            if self.token(j) == ",":
                break
            for name, pattern in self.known.inverse.items():
                after = self.end(pattern, j)
                if after > j:
                    anchor = _Reader(self.tokens[i + 1 : j]).thing(0, depth + 1, name)[0].described()
                    thing.where.append(Related(name, (anchor,)))
                    return after
        return i

    def _clock(self, i: int, thing: Thing, depth: int) -> int:  # noqa: ARG002
        found = self.known.clock.match(self.tails[i])
        if found is None:
            return i
        hour = found["hour"]
        thing.where.append(Clock(int(hour) if hour.isdigit() else self.known.numbers[hour]))
        return i + len(found[0].split())

    def _among(self, i: int, thing: Thing, depth: int) -> int:
        """Where "of the three red dogs" ends, after a rank or at the front."""
        found = self.known.among.match(self.tails[i])
        if found is None:
            return i
        ranked = bool(thing.ranks) or thing.place is not None
        start = not any(thing.parts) and depth == 0 and not thing.where
        if thing.words and not ranked and thing.words[-1] in ("one", "ones"):
            ranked = True
        if not (ranked or start) or (noun_phrase(thing.words) and not found["number"]):
            return i
        after = i + len(found[0].split())
        inner = _Reader(self.tokens[after:])
        words, used = inner.group()
        thing.among = singular_phrase(words)
        if found["number"]:
            thing.count = _number(found["number"])
        return after + used

    def group(self) -> tuple[str, int]:
        """The noun phrase of several things at the front, and the number of its tokens."""
        thing, end = self.thing(0, _DEPTH, None)
        return noun_phrase(thing.words), end

    def _origin(self, i: int, thing: Thing, depth: int) -> int:
        """Where "from the left" ends, with which things are counted."""
        found = self.known.origin.match(self.tails[i])
        if found is None:
            return i
        way = found["from"]
        if thing.place is None and (way != "from" or self._is_place_word_before(i)):
            return i
        if depth > 0 and thing.place is None:
            return i
        side = {"camera": "front", "viewer": "front", "us": "front", "rear": "back"}.get(found["side"], found["side"])
        axis: Axis = side  # type: ignore[assignment]
        if thing.place is not None:
            thing.count_from(axis, inward=way == "from")
        else:
            thing.origin = axis
            if thing.words[-1:] == ["counting"]:
                thing.words.pop()
        return i + len(found[0].split())

    def _is_place_word_before(self, i: int) -> bool:
        return self.token(i - 1) in ("further", "furthest", "away", "coming", "looking", "seen", "drinking", "hanging")

    def _ordinal(self, i: int, thing: Thing, depth: int) -> int:  # noqa: ARG002
        found = self.known.ordinal.match(self.tails[i]) or self.known.bare_number.match(self.tails[i])
        if found is None or thing.place is not None:
            return i
        after = i + len(found[0].split())
        if self.token(after) in self.known.lists["unranked"]:
            return i
        if thing.words[-1:] in (["number"], ["no"]):
            thing.words.pop()
        groups = found.groupdict()
        thing.last = any(map(groups.get, ("last", "next", "end")))
        thing.place = 1 if groups.get("end") else 2 if groups.get("next") else _number(groups["place"] or "")
        ranked = match_rank(self, after)
        if ranked is not None and not thing.last:  # "second largest dog"
            axis, after = ranked
            thing.ranks.append((Rank(axis, thing.place), len(thing.parts) - 1))
            thing.place = None
        elif thing.origin is not None:
            thing.count_from(thing.origin, inward=True)
            rank, part = thing.ranks[-1]
            thing.ranks[-1] = (Rank(rank.axis, rank.place), part)
        return after

    def _related(self, name: RelationName, after: int, i: int, thing: Thing, depth: int) -> int:
        """Where the relation whose anchor begins at token ``after`` ends, taken into ``thing``."""
        viewer = self.end(self.known.viewer, after)
        if viewer > after and self.token(viewer) not in ("of",) and name != "between":
            return self._near_viewer(name, viewer, thing)
        self.fronted = self.fronted or (depth == 0 and not thing.named)
        if name == "between":
            return self._between(after, i, thing, depth)
        names = self._upright(i, after, name)
        while (
            self.token(after) == "and" and (more := match_relation(self, after + 1)) is not None
        ):  # "above and left of"
            names, after = (*names, *self._upright(after + 1, more[1], more[0])), more[1]
        if "between" in names:
            names = (name,)
        anchor, end = self._anchor(after, depth, names[-1])
        if name == "nearest" and anchor.phrase == "" and len(anchor.where) == 1:
            (place,) = anchor.where
            if isinstance(place, Region) and place.sides[0] != "middle":  # "closest to the left"
                thing.ranks.append((Rank(place.sides[0]), len(thing.parts) - 1))
                return end
        if anchor.phrase == "" and not anchor.where:
            side = _ALONE.get(name)
            if self.token(i - 1) == "left":  # "bag left behind"
                side = None
            if side is None or noun_phrase(thing.words) == "" or self.token(i) in ("on", "over"):
                thing.words.append(self.tokens[i])
                return i + 1
            thing.where.append(Region((side,), choosing=True))
            return max(after, end)
        thing.where += [Related(each, (anchor,)) for each in names]
        while self.token(end) == "and" and not self._is_place(self._clause(end + 1)) and self._names_thing(end + 1):
            anchor, end = self._anchor(end + 1, depth, name)
            if anchor.phrase:
                thing.where.append(Related(name, (anchor,)))
        return end

    def _upright(self, i: int, after: int, name: RelationName) -> tuple[RelationName, ...]:
        """The relation whose words are those from token ``i`` on, and that of "upper" or "lower" among them."""
        words = self.tokens[i:after] if name in ("left_of", "right_of") else ()
        if "upper" in words or "top" in words:
            return name, "above"
        return (name, "below") if "lower" in words or "bottom" in words else (name,)

    def _names_thing(self, i: int) -> bool:
        return self.token(i) in self.known.determiners or self.token(i) == "another"

    def _anchor(self, i: int, depth: int, name: RelationName) -> tuple[Described, int]:
        thing, end = self.thing(i, depth + 1, name)
        return thing.described(), end

    def _near_viewer(self, name: RelationName, end: int, thing: Thing) -> int:
        if name in ("in_front_of", "nearest", "next_to"):
            thing.where.append(Region(("front",), choosing=True))
        elif name == "furthest":
            thing.where.append(Region(("back",), choosing=True))
        return end

    def _between(self, after: int, i: int, thing: Thing, depth: int) -> int:
        pair = self.known.pair.match(self.tails[after])
        if pair is not None:
            start = after + len(pair[0].split())
            anchor, end = self._anchor(start, depth, "between")
            one = Described(singular_phrase(anchor.phrase), anchor.where)
            thing.where.append(Related("between", (one, one)))
            return end
        first, end = self._anchor(after, depth, "between")
        if self.token(end) in ("and", "&") and first.phrase:
            second, end = self._anchor(end + 1, depth, "on")
            if second.phrase:
                thing.where.append(Related("between", (first, second)))
                return end
        one = Described(singular_phrase(first.phrase), first.where)
        if one.phrase and one.phrase != first.phrase:
            thing.where.append(Related("between", (one, one)))
            return end
        thing.words.append(self.tokens[i])
        return i + 1


def _number(word: str) -> int:
    word = word.split()[0]
    return int(word) if word.isdigit() else place_words().numbers[word]
