"""Rows that are sought by pairs of values, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Collection


def is_pair_among(first: sa.ColumnElement[Any], second: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the two columns hold one of the pairs that `pair_values` gives under this name.

    SQLite looks nothing up by a list of pairs: it reads the whole namespace. By a list of firsts and a list of seconds it does.
    """
    return sa.and_(
        first.in_(sa.bindparam(f"{name}_firsts", expanding=True)),
        second.in_(sa.bindparam(f"{name}_seconds", expanding=True)),
        sa.tuple_(first, second).in_(sa.bindparam(name, expanding=True)),
    )


def pair_values(name: str, pairs: Collection[tuple[Any, Any]]) -> dict[str, list[Any]]:
    """The parameters of `is_pair_among`."""
    return {
        name: list(pairs),
        f"{name}_firsts": list(dict.fromkeys(first for first, _ in pairs)),
        f"{name}_seconds": list(dict.fromkeys(second for _, second in pairs)),
    }
