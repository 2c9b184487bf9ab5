"""What an object's class decides: of tables from classes to what serves them, the entry of the nearest class.

Of a class and those that it comes from, in the order in which Python looks up a method, the first in the
table counts. So a table names a family once, and what comes from it is served alike until it brings its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from unstir.errors import InputError

V = TypeVar("V")


def nearest(table: Mapping[type[Any], V], thing: object) -> V | None:
    """The entry of the nearest class of `thing`, or None where the table has none."""
    return next((table[kind] for kind in type(thing).__mro__ if kind in table), None)


def serving(table: Mapping[type[Any], V], thing: object, refusal: str) -> V:
    """The entry of the nearest class of `thing`.

    Raises:
        InputError: with `refusal`, where the table has none.
    """
    found = nearest(table, thing)
    if found is None:
        raise InputError(refusal)
    return found
