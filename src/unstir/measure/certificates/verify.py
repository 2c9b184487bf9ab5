"""Verify: every check of every process asked for, one record after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unstir import spec
from unstir.errors import InputError
from unstir.measure.certificates.case import Case
from unstir.measure.certificates.check import Certificate, Check
from unstir.measure.certificates.registry import case_of
from unstir.physics import Process, entries, parse
from unstir.physics.pde import PDE, ROWS, pde

_PDE = "pde"


@dataclass(frozen=True)
class Question:
    """A check of a process that waits to be measured."""

    process: str
    check: Check

    def answer(self) -> Certificate:
        """Measure it, on one thread of exact arithmetic."""
        return self.check.certificate(self.process)


def questions(names: Sequence[str | Process | PDE] = ()) -> list[Question]:
    """The checks of the processes that `names` specify, in order; of all that there are by default.

    Args:
        names: specifications, or processes themselves, such as one that is not in the list of processes.

    Raises:
        InputError: an unknown name or parameter, or a process for which no exact case is known.
    """
    return [Question(case.name, check) for case in _cases(names) for check in case.checks()]


def verify(names: Sequence[str | Process | PDE] = ()) -> Iterator[Certificate]:
    """The records of all checks, each as soon as it is measured. Arguments and errors as `questions`."""
    for question in questions(names):
        yield question.answer()


def _cases(names: Sequence[str | Process | PDE]) -> list[Case[Any]]:
    if not names:
        every = [*(parse(entry.name) for entry in entries()), *(pde(row, dimension=1) for row in ROWS)]
        return [case for case in map(case_of, every) if case is not None]
    cases = []
    for name in names:
        process = _parsed(name) if isinstance(name, str) else name
        case = case_of(process)
        if case is None:
            raise InputError(
                f"process {process.name}: no exact case is known for it yet; see unstir processes"
            )
        cases.append(case)
    return cases


def _parsed(name: str) -> Process | PDE:
    """What `name` specifies: a process of the list, or a PDE, which is none but can be verified too."""
    if name.strip().partition(":")[0] == _PDE:
        return spec.parse("process", name, {_PDE: pde})
    return parse(name)
