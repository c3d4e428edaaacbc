"""Picture filters as SQL conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, bindparam, func, select
from sqlalchemy.sql import ColumnElement

from reir.store.records import ImageFilter
from reir.store.tables import images, stored_name


def among(connection: Connection, column: ColumnElement[Any], values: Iterable[int] | Iterable[str]) -> Any:
    """The condition that ``column`` is one of ``values``: one bound variable, however many they are."""
    kept = [stored_name(value) if isinstance(value, str) else value for value in values]
    if connection.dialect.name == "sqlite":
        listed = func.json_each(json.dumps(kept)).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == func.any(bindparam(None, kept, type_=ARRAY(column.type)))


def starts_with(prefix: str) -> Sequence[ColumnElement[bool]]:
    """The conditions that a path begins with ``prefix``, in a form that uses the index on paths."""
    if not prefix:
        return ()
    prefix = stored_name(prefix)
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
