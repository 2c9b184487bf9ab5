"""Watch over a training: which steps are skipped, and when it has diverged.

    m  ← m + ε·min(ln‖g‖ − m, ln S)       the usual size of a gradient, ε = 1/20
    ‖g‖ > S·exp(m), S = 50                 a spike: the step changes nothing

Healthy trainings keep ‖g‖ below 4·exp(m), those with heavy tails among them (`tests/train/test_watch.py`
holds some to 10). A spike moves m too, so that a change that lasts is followed after a few steps. A training
has diverged when 50 steps in a row were skipped, or when the loss, averaged over about 50 steps, is 100 times
the least it was and 10 times what it began with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

_SPIKE = 50.0
_RATE, _LOSS_RATE = 0.05, 0.02
_EARLY = 20  # steps before anything is usual
_MOST_SKIPPED = 50
_ABOVE_LEAST, _ABOVE_FIRST = 100.0, 10.0


@dataclass
class Watch:
    """What was usual so far; all of it is kept in checkpoints, so that a resumed run skips the same steps.

    Attributes:
        skipped: steps so far that changed nothing.
        spikes: those of them whose gradient was finite.
        in_a_row: the newest of them, without one that counted between.
        steps: those that counted.
        size: m above.
        loss: the average.
        first: the same when `_EARLY` steps had counted.
        least: the least since then.
    """

    skipped: int = 0
    spikes: int = 0
    in_a_row: int = 0
    steps: int = 0
    size: float = 0.0
    loss: float = 0.0
    first: float = 0.0
    least: float = 0.0

    def takes(self, norm: float) -> bool:
        """Whether the step with a gradient of this norm is to be made; it is counted either way."""
        finite = math.isfinite(norm)
        usual = finite
        if finite and norm > 0:
            ahead = math.log(norm) - self.size if self.steps else 0.0
            usual = self.steps < _EARLY or ahead <= math.log(_SPIKE)
            rate = max(_RATE, 1 / (self.steps + 1))
            self.size = self.size + rate * min(ahead, math.log(_SPIKE)) if self.steps else math.log(norm)
        if usual:
            self.steps, self.in_a_row = self.steps + 1, 0
            return True
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        self.spikes += finite
        return False

    def note(self, loss: float) -> None:
        """Take note of the loss of a step that was made."""
        if not math.isfinite(loss):
            return
        rate = max(_LOSS_RATE, 1 / max(self.steps, 1))
        self.loss += rate * (loss - self.loss)
        if self.steps == _EARLY:
            self.first = self.least = self.loss
        self.least = min(self.least, self.loss)

    def verdict(self) -> str | None:
        """Why the training has diverged, or None where it has not."""
        if self.in_a_row >= _MOST_SKIPPED:
            return f"{self.in_a_row} steps in a row had no finite gradient, or one far above the usual"
        grown = self.least > 0 and self.loss > max(_ABOVE_LEAST * self.least, _ABOVE_FIRST * self.first)
        if self.steps > _EARLY and grown:
            return f"the loss has grown to {self.loss:.3g}, from {self.least:.3g}"
        return None

    def state(self) -> dict[str, float]:
        """As plain values, under names of their own."""
        return {name if name == "skipped" else f"watch_{name}": value for name, value in asdict(self).items()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from `state`; a checkpoint of old has the number of skipped steps alone.

        Raises:
            KeyError, TypeError, ValueError: it is not of a watch.
        """
        for field in fields(self):
            name = field.name if field.name == "skipped" else f"watch_{field.name}"
            if name in state or name == "skipped":
                value = state[name]
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise ValueError(f"{name} is no finite number")
                setattr(self, field.name, type(getattr(self, field.name))(value))
