"""Particles in a current, forward or backward in time, with births and deaths.

A particle moves with v. The rate R/p along its path makes it die or multiply; the sign of dt turns the deaths
of one direction into the births of the other. Births come in one of two ways, of the same mean:

    branching   w = exp(∫(R/p) dt), spent at every step: ⌊w + U⌋ copies, U uniform. Copies share their place
                and, as the flow is deterministic, the rest of their path; the number wanders.
    source      particles only die, exp(∫min(R/p, 0) dt), and births are drawn where R has them. Exact
                however much mass has died: at mt = 25 the screened row leaves e^{−25} to branch from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.physics.pde.current import Current


@dataclass(frozen=True)
class Cloud:
    """The particles after step `index`, at `time`.

    Attributes:
        position: `(particles, dimension)`.
        born, died: how many in this step.
    """

    index: int
    time: float
    position: Tensor
    born: int = 0
    died: int = 0


def transport(
    current: Current,
    position: Tensor,
    times: Sequence[float],
    generator: torch.Generator,
    per_mass: float | None = None,
) -> Iterator[Cloud]:
    """Carry particles through `times`, rising (forward) or falling (backward), by Heun's method.

    Args:
        current: v and R/p.
        position: float64 `(n, dimension)` at times[0].
        times: where to stop.
        generator: of births and deaths.
        per_mass: how many particles stand for a unit of mass, to draw births from the source R; without it
            they branch.

    Yields:
        The start, and the cloud at every later time.
    """
    x = position
    yield Cloud(0, times[0], x)
    for index, (t, s) in enumerate(itertools.pairwise(times), start=1):
        x, copies = _step(current, x, t, s, generator, branch=per_mass is None)
        born, died = int((copies - 1).clamp_min(0).sum()), int((copies == 0).sum())
        if per_mass is not None:
            new = _newborn(current, t, s, per_mass, generator)
            born += len(new)
            x = torch.cat([x, new])
        yield Cloud(index, s, x, born, died)


def _step(
    current: Current, x: Tensor, t: float, s: float, generator: torch.Generator, branch: bool
) -> tuple[Tensor, Tensor]:
    """The particles at s, and how many copies of each there are."""
    v0, r0 = current.field(x, t)
    v1, r1 = current.field(current.wrap(x + (s - t) * v0), s)
    gain0, gain1 = (s - t) * r0, (s - t) * r1
    if not branch:
        gain0, gain1 = gain0.clamp_max(0), gain1.clamp_max(0)
    uniform = torch.rand(len(x), generator=generator, dtype=torch.float64)
    copies = torch.floor(torch.exp(0.5 * (gain0 + gain1)) + uniform).long()
    x = current.wrap(x + 0.5 * (s - t) * (v0 + v1))
    return x.repeat_interleave(copies, dim=0), copies


def _newborn(current: Current, t: float, s: float, per_mass: float, generator: torch.Generator) -> Tensor:
    """Those born between t and s, at s: drawn in the middle and carried the rest of the way."""
    middle, sign = math.sqrt(t * s), 1 if s > t else -1
    mean = per_mass * abs(s - t) * current.creation(middle, sign)
    count = math.floor(mean + float(torch.rand((), generator=generator, dtype=torch.float64)))
    if not count:
        return torch.empty(0, current.dimension, dtype=torch.float64)
    x = current.draw_born(count, middle, sign, generator)
    return _step(current, x, middle, s, generator, branch=False)[0]
