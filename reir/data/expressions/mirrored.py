"""The same expression of the mirrored picture: left and right change places, in words and in meaning."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reir.data.expressions.expression import Expression, express
from reir.data.expressions.programs import Axis, Between, Constraint, Description, Position, Rank, Relation

_RELATIONS: Final = {"left_of": "right_of", "right_of": "left_of"}
_POSITIONS: Final = {
    "left": "right",
    "right": "left",
    "top_left": "top_right",
    "top_right": "top_left",
    "bottom_left": "bottom_right",
    "bottom_right": "bottom_left",
}
_AXES: Final[dict[Axis, Axis]] = {"left": "right", "right": "left"}


def mirror_program(program: Description) -> Description:
    """What holds of an object's mirror image where ``program`` holds of the object."""
    if not program.where:
        return program
    return replace(program, where=tuple(_mirror_constraint(constraint) for constraint in program.where))


def mirror_expression(expression: Expression) -> Expression:
    """The expression of the mirrored scene, in the same words but for left and right."""
    program = mirror_program(expression.program)
    return expression if program == expression.program else express(program, expression.kind, expression.wording)


def _mirror_constraint(constraint: Constraint) -> Constraint:
    match constraint:
        case Relation(name, anchor):
            return Relation(_RELATIONS.get(name, name), mirror_program(anchor))
        case Between(first, second):
            return Between(mirror_program(first), mirror_program(second))
        case Position(name):
            return Position(_POSITIONS.get(name, name))
        case Rank(axis):
            return replace(constraint, axis=_AXES.get(axis, axis))
