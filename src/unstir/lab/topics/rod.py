"""Heat on a rod: it comes to one temperature, mode by mode; and the way back. `{"kind": "rod"}`.

    û_k(σ) = e^{−λ_k σ²/2} û_k        λ_k = (πk/n)²        τ = (σ/n)²/2 in units of length²/diffusivity

The frames are the clock of a process with heat, such as `heat:blur=1`, and the profile itself before all.
Backward, each mode of the rod as it is measured, with an error of ε at each place, is divided by what is left
of it: û_k + ε n̂_k e^{λ_k σ²/2}. Of the fine modes soon nothing but the error comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import LIMITS
from unstir.lab.requests import Request
from unstir.physics import DampedProcess
from unstir.picture.registry import parse
from unstir.picture.rod import fading, temperatures

_HOTTEST = 10.0
_LEAST = 1e-100  # of a mode that is left: less is as good as nothing
_LARGEST = 1e6  # of a temperature that is sent: errors grow without bound

PLACES = 64  # along a rod of those below

Temperature = Annotated[float, Bounded(ge=-_HOTTEST, le=_HOTTEST)]


def _pieces(x: Tensor) -> Tensor:
    rod = torch.full_like(x, -0.6)
    for start, end, u in ((0.06, 0.28, 1.0), (0.47, 0.56, 0.6), (0.72, 0.94, 0.2)):
        rod = torch.where((x >= start) & (x < end), u, rod)
    return rod


POURED: dict[str, Callable[[Tensor], Tensor]] = {
    "pieces": _pieces,
    "end": lambda x: torch.where(x < 0.3, 1.1, -0.5),
    "spot": lambda x: torch.where((x - 0.35).abs() < 0.03, 1.3, -0.4),
    "wave": lambda x: torch.cos(3 * math.pi * x),
    "comb": lambda x: torch.cos(12 * math.pi * x),
}
Poured = Literal["pieces", "end", "spot", "wave", "comb"]
"""Profiles by name: temperatures at places 0 … 1 along a rod."""


@dataclass(frozen=True)
class Cooling:
    """A rod over time.

    Attributes:
        width: σ as a share of the rod's length, `(frames,)`, the first of them 0.
        temperature: `(frames, length)`.
        left: what is left of each mode, `(frames, length)`.
        modes: û at first, `(length,)`.
        back: the profile that would be reckoned back from each frame, `(frames, length)`.
        lost: its error, root mean square, `(frames,)`.
    """

    width: Tensor
    temperature: Tensor
    left: Tensor
    modes: Tensor
    back: Tensor
    lost: Tensor


def cooling(process: DampedProcess, rod: Tensor, frames: int, error: float, seed: int) -> Cooling:
    """Let a profile `(length,)` cool, and reckon it back from each of `frames` moments.

    Args:
        process: whose damping is the heat.
        rod: temperatures.
        frames: at least 2, the profile itself among them.
        error: ε of the thermometers.
        seed: of their errors, the same at all moments.
    """
    if process.damping is None:
        raise TypeError("process: has no damping, which is what heat does")
    rod, n = rod.double(), len(rod)
    blurred = float(process.damping.width(torch.zeros(()), n)) > 0  # already at the first of its times
    clock = torch.linspace(0, 1, frames - blurred, dtype=torch.float64)
    times = process.t_min + clock * (process.t_max - process.t_min)
    width, share = process.damping.width(clock, n) / n, fading(process, n, times)
    # Without the signal's own fading, which is no heat: that of the uniform mode.
    left, temperature = share / share[:, :1], temperatures(process, rod, times) / share[:, :1]
    if blurred:
        width = torch.cat([torch.zeros(1, dtype=torch.float64), width])
        left = torch.cat([torch.ones(1, n, dtype=torch.float64), left])
        temperature = torch.cat([rod[None], temperature])
    noise = torch.randn(rod.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    modes = process.basis.coordinates(rod[None])[0]
    wrong = error * process.basis.coordinates(noise[None]) / left.clamp_min(_LEAST)
    back = process.basis.state(modes + wrong)
    return Cooling(width, temperature, left, modes, back, (back - rod).square().mean(1).sqrt())


class Rod(Request):
    """Pours heat on a rod.

    Attributes:
        profile: temperatures along it, or the name of one in `POURED`.
        process: one with heat in it, such as `heat:blur=1`.
        frames: moments.
        error: ε of the thermometers that the way back reads.
        seed: of these errors.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["rod"]
    profile: Annotated[list[Temperature], Bounded(min_length=8, max_length=256)] | Poured
    process: Annotated[str, Bounded(min_length=1, max_length=200)] = "heat:blur=1"
    frames: Annotated[int, Bounded(ge=2, le=4 * LIMITS.frames)] = 96
    error: Annotated[float, Bounded(ge=0, le=1)] = 0.01
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        process = parse(self.process)
        if not isinstance(process, DampedProcess):
            raise InputError(
                f"process {self.process}: has no heat in it; give heat, blurring or heat_poisson"
            )
        if isinstance(self.profile, str):
            rod = POURED[self.profile]((torch.arange(PLACES, dtype=torch.float64) + 0.5) / PLACES)
        else:
            rod = torch.tensor(self.profile, dtype=torch.float64)
        found = cooling(process, rod, self.frames, self.error, self.seed)
        arrays = {
            "width": found.width,
            "time": 0.5 * found.width.square(),  # of length²/diffusivity
            "temperature": found.temperature,
            "left": found.left,
            "modes": found.modes,
            "back": found.back.clamp(-_LARGEST, _LARGEST),
            "lost": found.lost.clamp_max(_LARGEST),
        }
        yield Answer({"process": process.name, "mean": float(rod.mean())}, arrays)
