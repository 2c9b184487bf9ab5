"""The figures of a training, `metrics.jsonl`: a line at its first step and its last, and twice a second.

Loss and skipped steps are the newest that have arrived from the device: on a CPU those of the line's own
step, on other devices of one up to 63 steps before. A loss that is in a line already, or not finite, is null.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from unstir.train.loop import TrainStep
from unstir.train.storage import write_text

Line = dict[str, float | None]

_NAME = "metrics.jsonl"
_EVERY = 0.5  # seconds


class Metrics:
    """Notes steps in a stream.

    Args:
        stream: where lines go.
        batch: items of a step.
        step: steps done.
    """

    def __init__(self, stream: TextIO, batch: int, step: int) -> None:
        self._stream, self._batch, self._told = stream, batch, step
        self.go_on(step)

    def go_on(self, step: int) -> None:
        """Time steps from here on: what was done since the last was no training."""
        self._noted, self._at = time.monotonic(), step

    def note(self, step: TrainStep) -> Line | None:
        """Write the line of a step, where one is due, and give it."""
        now = time.monotonic()
        if now - self._noted < _EVERY and step.index not in (1, step.total):
            return None
        rate = (step.index - self._at) * self._batch / max(now - self._noted, 1e-9)
        self._noted, self._at = now, step.index
        arrived, told = step.arrived, self._told
        self._told = arrived.index
        loss = arrived.loss if arrived.index > told else None
        line: Line = {
            "step": step.index,
            "loss": round(loss, 6) if loss is not None and math.isfinite(loss) else None,
            "lr": step.lr,
            "seconds": round(step.seconds, 3),
            "items_per_second": round(rate, 1),
            "skipped": arrived.skipped,
        }
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
        return line


@contextmanager
def metrics(folder: Path, batch: int, step: int, *, kept: bool) -> Iterator[Metrics]:
    """Note the steps of a run within the block.

    Args:
        folder: of the run.
        batch: items of a step.
        step: steps done.
        kept: whether lines are written; of a cluster the leader's are.
    """
    path = folder / _NAME if kept else Path(os.devnull)
    with path.open("a", encoding="utf-8") as stream:
        yield Metrics(stream, batch, step)


def cut_metrics(folder: Path, step: int) -> None:
    """Drop what was noted after the checkpoint at `step`: those steps are done again."""
    path = folder / _NAME
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # a line cut by a kill
    write_text(path, "".join(line + "\n" for line in kept))
