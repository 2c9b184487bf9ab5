"""A check: one number held against one bound, and the record of it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check measured.

    Attributes:
        value: the number.
        bound: what it may be at most, or at least.
        at_least: which of the two; a probability must be at least its level.
    """

    value: float
    bound: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bound holds; not where the value is NaN."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Certificate:
    """The record of one check of one process."""

    process: str
    check: str
    compared: str
    value: float
    bound: float
    at_least: bool
    passed: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


@dataclass(frozen=True)
class Check(ABC):
    """One question to the physics. It holds what the answer takes; nothing runs before `measure`.

    Attributes:
        compared: one line of what is held against what.
    """

    kind: ClassVar[str]

    compared: str

    @abstractmethod
    def measure(self) -> Finding:
        """Answer it. The same every time: seeds are fixed."""

    def certificate(self, process: str) -> Certificate:
        """Answer it for the record."""
        start = time.perf_counter()
        found = self.measure()
        seconds = time.perf_counter() - start
        return Certificate(
            process,
            self.kind,
            self.compared,
            found.value,
            found.bound,
            found.at_least,
            found.passed,
            seconds,
        )
