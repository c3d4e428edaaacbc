"""What is searched for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from reir.errors import UsageError
from reir.search.cursor import Cursor
from reir.types import FloatArray, Picture


@dataclass(frozen=True, slots=True)
class Example:
    """An instance found before, as the example of what is searched for."""

    instance_id: int


Query: TypeAlias = "str | Picture | Example | Cursor | FloatArray"
"""An expression, an example picture (a crop of the thing), an instance found before, the place where another page
ended, or a query vector (D,) float32."""

LONGEST_EXPRESSION = 2_000
"""Characters. Far beyond any model's text window; a longer text is a mistake (a file piped into the wrong place)."""


def check_expression(expression: str) -> str:
    """The expression without surrounding or repeated blanks.

    Raises:
        UsageError: it is empty or longer than ``LONGEST_EXPRESSION`` characters.
    """
    tidy = " ".join(expression.split())
    if not tidy:
        raise UsageError('the expression is empty. Describe one thing, for example: reir search "a red cup on a table"')
    if len(tidy) > LONGEST_EXPRESSION:
        raise UsageError(f"the expression has {len(tidy)} characters; at most {LONGEST_EXPRESSION} are allowed")
    return tidy
