"""Picture filters as SQL conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy.sql import ColumnElement

from reir.store.records import ImageFilter
from reir.store.tables import images

T = TypeVar("T")

CHUNK = 5000
"""Values bound in one statement: below every database's limit of variables."""


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """``values`` in lists of at most ``size``."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def starts_with(prefix: str) -> Sequence[ColumnElement[bool]]:
    """The conditions that a path begins with ``prefix``, in a form that uses the index on paths."""
    if not prefix:
        return ()
    conditions: list[ColumnElement[bool]] = [images.c.path >= prefix]
    kept = prefix.rstrip("\U0010ffff")
    if kept:
        following = ord(kept[-1]) + 1
        # U+D800 to U+DFFF are no characters.
        conditions.append(images.c.path < kept[:-1] + chr(0xE000 if following == 0xD800 else following))
    return conditions


def conditions_of(where: ImageFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter, but for its lists of ids, which may be long."""
    conditions = list(starts_with(where.path_prefix or ""))
    if where.after is not None:
        conditions.append(images.c.taken_at >= where.after.replace(tzinfo=None))
    if where.before is not None:
        conditions.append(images.c.taken_at < where.before.replace(tzinfo=None))
    return conditions
