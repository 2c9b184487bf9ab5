"""Watch over a training: how many steps were skipped, and when it has diverged.

Which steps count is decided on the device (`gate.py`); here is what the host makes of it, a row a step, when
the rows arrive. A training has diverged when 50 steps in a row were skipped, or when the loss, averaged over
about 50 steps, is 100 times the least it was and 10 times what it began with.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor

from unstir.train.gate import EARLY

_LOSS_RATE = 0.02
_MOST_SKIPPED = 50
_ABOVE_LEAST, _ABOVE_FIRST = 100.0, 10.0
_LATE = 32  # steps whose rows are sent at once, and read when the next ones are sent


@dataclass
class Watch:
    """What was usual so far; all of it is kept in checkpoints, so that a resumed run skips the same steps.

    Attributes:
        skipped: steps so far that changed nothing.
        spikes: those of them whose gradient was finite.
        in_a_row: the newest of them, without one that counted between.
        steps: those that counted.
        size: the logarithm of a gradient's usual size, the gate's.
        loss: the average.
        first: the same when `EARLY` steps had counted.
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

    def note(self, loss: float, *, finite: bool, made: bool) -> None:
        """Take note of a step.

        Args:
            loss: of its batch.
            finite: whether its gradient was.
            made: whether it counted.
        """
        if not made:
            self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
            self.spikes += finite
            return
        self.steps, self.in_a_row = self.steps + 1, 0
        if not math.isfinite(loss):
            return
        rate = max(_LOSS_RATE, 1 / self.steps)
        self.loss += rate * (loss - self.loss)
        if self.steps == EARLY:
            self.first = self.least = self.loss
        self.least = min(self.least, self.loss)

    def verdict(self) -> str | None:
        """Why the training has diverged, or None where it has not."""
        if self.in_a_row >= _MOST_SKIPPED:
            return f"{self.in_a_row} steps in a row had no finite gradient, or one far above the usual"
        grown = self.least > 0 and self.loss > max(_ABOVE_LEAST * self.least, _ABOVE_FIRST * self.first)
        if self.steps > EARLY and grown:
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


class Rows:
    """Figures of steps, a row of scalar tensors each, on their way from a device to the host.

    Some steps' rows are sent at once, and read when those after them are sent. The host waits then, if at
    all, for the lot before, while the device has a whole one to work on, and is never more than two lots
    ahead of it. The CPU's are there at once.

    Args:
        device: of the training.
    """

    def __init__(self, device: torch.device) -> None:
        self._every = 1 if device.type == "cpu" else _LATE
        self._cuda = device.type == "cuda"
        self._kept: list[Tensor] = []
        self._sent: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def add(self, row: Sequence[Tensor]) -> None:
        """Add a step's row; all are of one dtype."""
        self._kept.append(torch.stack(list(row)))
        if len(self._kept) == self._every:
            self._send()

    def arrived(self) -> Iterator[list[float]]:
        """The rows that can be read without waiting, in the order of their steps; each is given once."""
        while len(self._sent) > (self._every > 1):
            yield from self._read()

    def all(self) -> Iterator[list[float]]:
        """All rows that were not given yet: waits for the device."""
        if self._kept:
            self._send()
        while self._sent:
            yield from self._read()

    def _send(self) -> None:
        rows, self._kept = torch.stack(self._kept), []
        if not self._cuda:
            self._sent.append((rows, None))
            return
        there = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
        there.copy_(rows, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(rows.device))
        self._sent.append((there, event))

    def _read(self) -> list[list[float]]:
        rows, event = self._sent.popleft()
        if event is not None:
            event.synchronize()
        values: list[list[float]] = rows.tolist()
        return values
