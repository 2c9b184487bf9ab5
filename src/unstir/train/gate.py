"""The gate: which steps of a training count, decided on the device that works them out.

    ahead = ln‖g‖ − m
    m    ← m + ε·min(ahead, ln S)          the usual size of a gradient, ε = max(1/20, 1/(n + 1))
    ‖g‖ > S·exp(m), S = 50                 a spike: the step changes nothing, as does one that is not finite

n is how many steps counted; the first of them sets m, and the first 20 are no spikes. Healthy trainings keep
‖g‖ below 4·exp(m), those with heavy tails among them (`tests/train/test_watch.py` holds some to 10). A spike
moves m too, so that a change that lasts is followed after a few steps.

Nothing here is read by the host. What comes of it is a tensor that is true or false: whoever changes
something in a step makes the change nothing where it is false.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EARLY = 20  # steps before anything is usual
_SPIKE = math.log(50.0)
_RATE = 0.05


class Gate:
    """m and n, as scalar tensors on a device; new ones at each step, so that those of a step stay its own.

    Args:
        device: of the training.

    Attributes:
        size: m.
        steps: n.
        skipped: steps that did not count.
    """

    def __init__(self, device: torch.device) -> None:
        self.dtype = precise(device)
        self.size, self.steps, self.skipped = (
            torch.zeros((), dtype=self.dtype, device=device) for _ in range(3)
        )

    @torch.no_grad()
    def takes(self, norm: Tensor) -> Tensor:
        """Whether the step with a gradient of this norm counts, as a scalar; it is counted either way."""
        norm = norm.to(self.dtype)
        log, begun = norm.log(), self.steps > 0
        ahead = log - self.size
        rate = (1 / (self.steps + 1)).clamp_min(_RATE)
        moved = torch.where(begun, self.size + rate * ahead.clamp_max(_SPIKE), log)
        finite = norm < math.inf  # nor is it NaN
        self.size = torch.where(finite & (norm > 0), moved, self.size)
        usual = finite & ((self.steps < EARLY) | (ahead <= _SPIKE))
        self.steps, self.skipped = self.steps + usual, self.skipped + ~usual
        return usual

    def restore(self, *, size: float, steps: int, skipped: int) -> None:
        """Go on from a checkpoint's numbers."""
        for name, value in (("size", size), ("steps", steps), ("skipped", skipped)):
            setattr(self, name, torch.full_like(self.size, value))


def precise(device: torch.device) -> torch.dtype:
    """The widest floats of a device: Apple's has no double ones."""
    return torch.float32 if device.type == "mps" else torch.float64
