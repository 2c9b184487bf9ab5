"""How long a run is: in steps, or in minutes that are turned into steps as the machine's speed becomes known.

The learning rate depends on step/total alone. A budget in minutes sets `total` from the rate measured of
late, again and again until four fifths of the time are gone, and the total is kept in the checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_EVERY = 0.04  # share of the time between plans
_LAST = 0.8  # share of the time after which the plan stands, unless it ends far too soon


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
    _marks: list[tuple[int, float]] = field(default_factory=list)

    def update(self, step: int, elapsed: float) -> None:
        """Take note of `step` steps done, the last of them in `elapsed` seconds."""
        self.spent += elapsed
        if self.seconds is None:
            return
        if not self._marks:
            # The first step pays for allocation and set-up.
            self._marks.append((step, self.spent))
            return
        early = self.total and step >= self.total and self.spent < 0.9 * self.seconds
        if self.spent - self._marks[-1][1] < _EVERY * self.seconds and not early:
            return
        # The rate over the last few marks: a busy minute early on should not rule the end.
        since, at = self._marks[-5:][0]
        rate = (step - since) / max(self.spent - at, 1e-9)
        self._marks.append((step, self.spent))
        if self.spent < _LAST * self.seconds or not self.total or early:
            self.total = step + max(1, round(rate * (self.seconds - self.spent)))

    def progress(self, step: int) -> float:
        """The share done, in [0, 1]."""
        return min(step / self.total, 1.0) if self.total else 0.0

    def done(self, step: int) -> bool:
        """Whether the run is over."""
        return bool(self.total) and step >= self.total
