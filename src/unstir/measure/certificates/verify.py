"""Verify: every check of every process asked for, one record after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unstir.errors import InputError
from unstir.measure.certificates.case import Case
from unstir.measure.certificates.check import Certificate, Check
from unstir.measure.certificates.registry import case_of
from unstir.physics import entries, parse


@dataclass(frozen=True)
class Question:
    """A check of a process that waits to be measured."""

    process: str
    check: Check

    def answer(self) -> Certificate:
        """Measure it, on one thread of exact arithmetic."""
        return self.check.certificate(self.process)


def questions(names: Sequence[str] = ()) -> list[Question]:
    """The checks of the processes that `names` specify, in order; of all that there are by default.

    Raises:
        InputError: an unknown name or parameter, or a process for which no exact case is known.
    """
    return [Question(case.name, check) for case in _cases(names) for check in case.checks()]


def verify(names: Sequence[str] = ()) -> Iterator[Certificate]:
    """The records of all checks, each as soon as it is measured. Arguments and errors as `questions`."""
    for question in questions(names):
        yield question.answer()


def _cases(names: Sequence[str]) -> list[Case]:
    if not names:
        every = (case_of(parse(entry.name)) for entry in entries())
        return [case for case in every if case is not None]
    cases = []
    for name in names:
        case = case_of(parse(name))
        if case is None:
            raise InputError(f"process {name}: no exact case is known for it yet; see unstir processes")
        cases.append(case)
    return cases
