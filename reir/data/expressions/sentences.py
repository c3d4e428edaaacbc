"""Programs to English: one of many phrasings, chosen by a number."""

from __future__ import annotations

from random import Random
from typing import Literal

from reir.data.expressions.programs import Between, Constraint, Description, Position, Rank, Relation
from reir.data.expressions.wording import (
    BARE_POSITIONS,
    BETWEEN_WORDS,
    CLAUSES,
    COMPARATIVES,
    FRONTED,
    LINKS,
    NUMBERS,
    ORDINALS,
    PARTICIPLES,
    PICTURE,
    POSITION_WORDS,
    POSTURES,
    RELATION_WORDS,
    SIZE_PREDICATES,
    SIZE_WORDS,
    SUPERLATIVES,
    TRAILING_SUPERLATIVES,
    WITH,
    indefinite,
    names_of,
    plural_of,
)

Style = Literal["definite", "indefinite", "bare"]


def write(program: Description, wording: int, *, ordinal: bool = False) -> str:
    """The program in words: lower case, single spaces, no sign but commas and hyphens.

    The same ``wording`` gives the same phrasing, so that a program changed in one place reads the same but for
    that place. ``ordinal`` counts first places too ('the first dog from the left').
    """
    return _Voice(Random(wording), ordinal).sentence(program)


class _Voice:
    """One speaker: with or without determiners, and with habits that hold for a whole sentence."""

    def __init__(self, rng: Random, ordinal: bool) -> None:
        self.rng = rng
        self.ordinal = ordinal
        self.style: Style = rng.choices(("definite", "indefinite", "bare"), (0.45, 0.2, 0.35))[0]
        self.fronted = rng.random() < 0.13
        self.with_form = rng.random() < 0.12
        self.turn = rng.random()

    def sentence(self, program: Description) -> str:
        where = program.where
        if not where:
            return self.attributed(program)
        rank = next((constraint for constraint in where if isinstance(constraint, Rank)), None)
        if rank is not None:
            rest = [constraint for constraint in where if constraint is not rank]
            return self.ranked(program, rank, rest)
        if len(where) == 1:
            return self.placed(program, where[0])
        subject = self.subject(program)
        first, second = (self.modifier(program, constraint) for constraint in where)
        return _join(subject, self.link(first), first, "and", second)

    # Noun phrases

    def plain(self, thing: Description, *, bare_noun: bool = False) -> str:
        """Size, colour and noun, without determiner."""
        names = names_of(thing.noun)
        name = names[0] if len(names) == 1 or self.rng.random() < 0.72 else self.rng.choice(names[1:])
        if bare_noun:
            return name
        size = self.rng.choice(SIZE_WORDS[thing.size]) if thing.size else ""
        return _join(size, thing.colour or "", name)

    def subject(self, thing: Description) -> str:
        phrase = self.plain(thing)
        if self.style == "definite":
            return f"the {phrase}"
        return indefinite(phrase) if self.style == "indefinite" else phrase

    def anchor(self, thing: Description, subject: Description) -> str:
        """The noun phrase of an anchor; 'another' where the words would fit the subject as well."""
        phrase = self.plain(thing)
        draw = self.rng.random()
        if _could_be(subject, thing):
            phrase = f"{'another' if draw < 0.6 or self.style == 'indefinite' else 'the other'} {phrase}"
        elif self.style == "bare":
            phrase = phrase if draw < 0.88 else f"the {phrase}"
        elif draw < (0.8 if self.style == "definite" else 0.4):
            phrase = f"the {phrase}"
        else:
            phrase = indefinite(phrase)
        if not thing.where:
            return phrase
        return _join(phrase, self.rng.choice(CLAUSES), self.modifier(thing, thing.where[0]))

    def attributed(self, thing: Description) -> str:
        """A noun with attributes, some of them after it."""
        if (thing.colour is None and thing.size is None) or self.turn < 0.6:
            return self.subject(thing)
        clause = self.rng.choice(CLAUSES)
        noun = Description(thing.noun)
        if thing.size is None:
            return _join(self.subject(noun), clause, thing.colour or "")
        size = self.rng.choice(SIZE_PREDICATES[thing.size])
        if thing.colour is None:
            return _join(self.subject(noun), clause, size)
        if self.turn < 0.72:
            return _join(self.subject(Description(thing.noun, size=thing.size)), clause, thing.colour)
        if self.turn < 0.86:
            return _join(self.subject(Description(thing.noun, thing.colour)), clause, size)
        if size.startswith("of"):
            return _join(self.subject(noun), clause, thing.colour, "and", size)
        return _join(self.subject(noun), clause, size, "and", thing.colour)

    # What is said of a place

    def link(self, modifier: str) -> str:
        """What joins a noun to its place: nothing, a clause, or a participle where none follows."""
        link = self.rng.choice(LINKS)
        return "" if link in PARTICIPLES and modifier.startswith(POSTURES) else link

    def modifier(self, subject: Description, constraint: Constraint) -> str:
        """'left of the couch', 'between ...', 'in the top left corner'."""
        if isinstance(constraint, Relation):
            words = self.rng.choice(RELATION_WORDS[constraint.name])
            return _join(words, self.anchor(constraint.anchor, subject))
        if isinstance(constraint, Between):
            return _join(self.rng.choice(BETWEEN_WORDS), self.pair(constraint, subject))
        if isinstance(constraint, Position):
            return self.position(constraint)
        raise ValueError(f"no modifier for {constraint}")

    def pair(self, constraint: Between, subject: Description) -> str:
        first, second = constraint.first, constraint.second
        if first == second:
            size = self.rng.choice(SIZE_WORDS[first.size]) if first.size else ""
            other = "other" if _could_be(subject, first) else ""
            the = "the" if self.style == "definite" and self.rng.random() < 0.5 else ""
            return _join(the, "two", other, size, first.colour or "", plural_of(first.noun))
        return _join(self.anchor(first, subject), "and", self.anchor(second, subject))

    def position(self, constraint: Position) -> str:
        if self.style == "bare" and self.rng.random() < 0.55:
            return self.rng.choice(BARE_POSITIONS[constraint.name])
        words = self.rng.choice(POSITION_WORDS[constraint.name])
        return words.replace("{picture}", self.rng.choice(PICTURE))

    def placed(self, program: Description, constraint: Constraint) -> str:
        """A thing and one thing said of its place, in one of several orders."""
        if isinstance(constraint, Relation):
            if self.with_form and constraint.name in WITH and not constraint.anchor.where:
                return self.accompanied(program, constraint)
            if self.fronted:
                front = _join(self.rng.choice(FRONTED[constraint.name]), self.anchor(constraint.anchor, program))
                return self.after(front, program)
        elif self.fronted:
            return self.after(self.modifier(program, constraint), program)
        subject = self.subject(program)
        modifier = self.modifier(program, constraint)
        if isinstance(constraint, Position) and self.style == "bare":
            return _join(subject, modifier)
        return _join(subject, self.link(modifier), modifier)

    def accompanied(self, program: Description, constraint: Relation) -> str:
        return _join(
            self.subject(program),
            "with",
            self.anchor(constraint.anchor, program),
            self.rng.choice(WITH[constraint.name]),
        )

    def after(self, front: str, program: Description) -> str:
        """The place first, then the thing."""
        if self.style == "bare":
            return f"{front}, {self.plain(program)}"
        if self.turn < 0.5:
            return f"{front}, {self.subject(program)}"
        if self.turn < 0.75 and self.style == "definite":
            return _join(front, "is", self.subject(program))
        return _join(front, "there is", indefinite(self.plain(program)))

    # Superlatives and ordinals

    def ranked(self, program: Description, rank: Rank, rest: list[Constraint]) -> str:
        scope = Description(program.noun, rank.colour, rank.size)
        head = self.counted(scope, rank) if self.ordinal or rank.place > 1 else self.superlative(scope, rank)
        if self.style != "bare":
            head = f"the {head}" if not head.startswith(("of ", "counting ")) else head
        colour = program.colour if rank.colour is None else None
        size = program.size if rank.size is None else None
        parts = [head]
        if colour or size:
            parts.append(self.aside(colour, size))
        for constraint in rest:
            one = "the one " if self.style == "definite" and self.turn < 0.4 else ""
            parts.append(one + self.modifier(program, constraint))
        return ", ".join(parts)

    def aside(self, colour: str | None, size: str | None) -> str:
        """The thing's own attributes, after a comma."""
        attributes = _join(self.rng.choice(SIZE_WORDS[size]) if size else "", colour or "")
        draw = self.rng.random()
        if self.style == "bare" and draw < 0.5 and colour:
            return attributes
        if draw < 0.4 and colour and not size:
            return f"which is {colour}"
        return f"the {attributes} one" if draw < 0.75 else indefinite(f"{attributes} one")

    def among(self, scope: Description, count: int | None) -> str:
        """'of the three red dogs'."""
        the = "" if self.style == "bare" and self.rng.random() < 0.6 else "the"
        number = NUMBERS[count] if count else ""
        size = self.rng.choice(SIZE_WORDS[scope.size]) if scope.size else ""
        if not number:
            the = "the"
        return _join("of", the, number, size, scope.colour or "", plural_of(scope.noun))

    def superlative(self, scope: Description, rank: Rank) -> str:
        words = self.rng.choice(SUPERLATIVES[rank.axis])
        if rank.count is not None:
            if rank.count == 2 and self.rng.random() < 0.6:
                words = self.rng.choice(COMPARATIVES[rank.axis])
            return _join(words, self.among(scope, rank.count))
        draw = self.rng.random()
        if draw < 0.25:
            return _join(words, self.among(scope, None))
        if draw < 0.45 and rank.axis in TRAILING_SUPERLATIVES:
            return _join(self.plain(scope), self.rng.choice(TRAILING_SUPERLATIVES[rank.axis]))
        return _join(words, self.plain(scope))

    def counted(self, scope: Description, rank: Rank) -> str:
        nth = ORDINALS[rank.place - 1]
        the = "" if self.style == "bare" and self.rng.random() < 0.6 else "the"
        origin = _join("from", the, rank.axis)
        draw = self.rng.random()
        if rank.count is not None:
            among = self.among(scope, rank.count)
            if rank.count == 3 and rank.place == 2 and draw < 0.6:
                if draw < 0.2:
                    return f"{among}, {_join('' if self.style == 'bare' else 'the', 'middle one')}"
                return _join("middle one" if draw < 0.4 else "middle", among)
            if draw < 0.8:
                return _join(nth, origin, among)
            return f"{among}, {_join('' if self.style == 'bare' else 'the', nth, origin)}"
        if draw < 0.62:
            return _join(nth, self.plain(scope), origin)
        if draw < 0.75:
            return _join(self.plain(scope), "that is", nth, origin)
        if draw < 0.87:
            return _join(nth, origin, self.among(scope, None))
        return f"counting {origin}, {_join('' if self.style == 'bare' else 'the', nth, self.plain(scope))}"


def _could_be(subject: Description, anchor: Description) -> bool:
    """Whether the anchor's words fit the subject too, so that 'another' is needed."""
    return (
        subject.noun == anchor.noun and anchor.colour in (None, subject.colour) and anchor.size in (None, subject.size)
    )


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
