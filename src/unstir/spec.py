"""Specifications such as `poisson:D=128` or `churn:amount=20`: a known name and its own parameters.

A closed table of constructors is all that a specification can reach; the constructor's signature says which
parameters there are, and of what type.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from unstir.errors import InputError

T = TypeVar("T")
Value = float | int | str | bool


def defaults(make: Callable[..., object]) -> dict[str, Value]:
    """The parameters of a constructor with their defaults."""
    return {p.name: p.default for p in inspect.signature(make).parameters.values()}


def parse(kind: str, spec: str, table: Mapping[str, Callable[..., T]]) -> T:
    """Make what `spec` names.

    Args:
        kind: what it is called in errors, such as 'process'.
        spec: `name`, or `name:key=value,key=value`.
        table: the closed list of constructors.

    Raises:
        InputError: an unknown name (the known ones are listed, the nearest suggested) or parameter, or a bad
            value.
    """
    name, _, text = spec.strip().partition(":")
    if name not in table:
        near = difflib.get_close_matches(name.lower(), table, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise InputError(f"{kind} {name!r} is not known{hint} Known: {', '.join(table)}")
    known = defaults(table[name])
    given: dict[str, Value] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = (s.strip() for s in part.partition("="))
        if key not in known:
            listed = ", ".join(f"{k}={v}" for k, v in known.items()) or "none"
            raise InputError(f"{kind} {spec!r}: {name} has no parameter {key!r}; it has {listed}")
        if key in given:
            raise InputError(f"{kind} {spec!r}: {key} is given twice; give it once")
        if not equals or not value:
            raise InputError(f"{kind} {spec!r}: write {key}=VALUE, such as {key}={known[key]}")
        given[key] = _value(kind, spec, key, value, known[key])
    return table[name](**given)


def name_of(base: str, make: Callable[..., object], always: tuple[str, ...] = (), **given: Value) -> str:
    """The canonical specification: the parameters that differ from their defaults, and those in `always`."""
    known = defaults(make)
    shown = {k: v for k, v in given.items() if k in always or v != known[k]}
    text = ",".join(f"{k}={_shortest(v)}" for k, v in shown.items())
    return f"{base}:{text}" if text else base


def _value(kind: str, spec: str, key: str, value: str, default: Value) -> Value:
    if isinstance(default, str):
        return value
    if isinstance(default, bool):
        if value not in ("yes", "no"):
            raise InputError(f"{kind} {spec!r}: {key}={value!r} is neither yes nor no")
        return value == "yes"
    wanted = int if isinstance(default, int) else float
    try:
        return wanted(value)
    except ValueError:
        what = "a whole number" if wanted is int else "a number"
        raise InputError(f"{kind} {spec!r}: {key}={value!r} is not {what}, such as {default}") from None


def _shortest(value: Value) -> str:
    """The shortest text that reads back as the same value: 128, not 128.0."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
