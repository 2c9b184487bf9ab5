"""Refusal: physics that cannot generate must not pretend to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from unstir.measure.certificates.check import Check, Finding


@dataclass(frozen=True)
class Refusal(Check):
    """An attempt that must be refused: 1 where it is, 0 where it goes through.

    Attributes:
        attempt: what must not work.
        error: how it must be refused.
    """

    kind: ClassVar[str] = "refusal"

    attempt: Callable[[], None]
    error: type[Exception]

    def measure(self) -> Finding:
        try:
            self.attempt()
        except self.error:
            return Finding(1.0, 1.0, at_least=True)
        return Finding(0.0, 1.0, at_least=True)
