"""How long a run is: in steps, or in minutes that are turned into steps as the machine's speed becomes known.

The learning rate depends on step/total alone. A budget in minutes sets `total` from the rate measured of
late, again and again until nine tenths of the time are gone; after that only where the plan would end far
too soon or too late. The total is kept in the checkpoint.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

_EVERY = 0.04  # share of the time between plans
_LAST = 0.9  # share of the time after which the plan stands
_SOON, _LATE = 0.95, 1.2  # shares of the time between which it may end
_WINDOW = 3  # rates whose median counts: neither a stall nor a busy minute early on should rule the end


@dataclass
class Budget:
    """Steps done and time spent against what there is.

    Attributes:
        seconds: the budget in time, or None where `total` was given.
        total: planned steps; 0 until the first plan.
        spent: seconds of training so far, over all sessions.
    """

    seconds: float | None
    total: int = 0
    spent: float = 0.0
    _mark: tuple[int, float] | None = None
    _rates: list[float] = field(default_factory=list)

    def update(self, step: int, elapsed: float) -> None:
        """Take note of `step` steps done, the last of them in `elapsed` seconds."""
        self.spent += elapsed
        if self.seconds is None:
            return
        if self._mark is None:
            # The first step pays for allocation and set-up.
            self._mark = (step, self.spent)
            return
        soon = self.done(step) and self.spent < _SOON * self.seconds
        since, at = self._mark
        if self.spent - at < _EVERY * self.seconds and not soon:
            return
        self._mark = (step, self.spent)
        # Far ahead of the plan, only the newest rate tells how far.
        kept = [] if soon else self._rates[1 - _WINDOW :]
        self._rates = [*kept, (step - since) / max(self.spent - at, 1e-9)]
        self._plan(step, self.seconds, soon)

    def _plan(self, step: int, seconds: float, soon: bool) -> None:
        if self.done(step) and not soon:
            return
        rate = statistics.median(self._rates)
        if soon or self.spent < _LAST * seconds:
            end = seconds
        elif not self.total or self.spent + (self.total - step) / rate > _LATE * seconds:
            end = _LATE * seconds
        else:
            return
        self.total = step + max(1, round(rate * (end - self.spent)))

    def progress(self, step: int) -> float:
        """The share done, in [0, 1]."""
        return min(step / self.total, 1.0) if self.total else 0.0

    def done(self, step: int) -> bool:
        """Whether the run is over."""
        return bool(self.total) and step >= self.total
