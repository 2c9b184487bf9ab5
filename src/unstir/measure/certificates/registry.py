"""Which case a process is checked on: that of the nearest of its classes listed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unstir.measure.certificates.case import Case
from unstir.measure.certificates.cases.linear import LinearCase
from unstir.physics import LinearProcess

# A new family is a new file and a line here.
_CASES: dict[type[object], Callable[[Any], Case]] = {
    LinearProcess: LinearCase,
}


def case_of(process: object) -> Case | None:
    """The case of a process, or None where no family brings one."""
    for kind in type(process).__mro__:
        if kind in _CASES:
            return _CASES[kind](process)
    return None
