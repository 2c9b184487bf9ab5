"""Can a PDE generate? GenPhys' two conditions (Liu 2023, section 3), tested rather than believed.

    C1  p ≥ 0 at all times, so that p is a density and v = J/p is defined where there is mass
    C2  Im ω(k) < Im ω(0) for all k > 0: details fade faster than the whole, so that every start ends alike

In a periodic box of side L the wavenumbers begin at 2π/L, and data are blurred by the grid's resolution. C2
is tested at 8192 wavenumbers from 2π/L to the grid's largest and at every mode of the box, its maximum and
its edges refined. C1 is tested on the spectral sum of the Green's function of one blurred point, at times
from the smallest scale's to t_max.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.physics.pde.box import Box
from unstir.physics.pde.dispersion import Row

BLUR = 2.0  # cells: a Gaussian of this width has 3e-9 of its height left at the largest wavenumber of an axis
REMNANT = 1e-3  # of the slowest mode at the default t_max
_NEGATIVE = 1e-6  # of the greatest density; the truncated sum is good to 1e-8
_TIMES = 48


@dataclass(frozen=True)
class Verdict:
    """Whether a PDE can generate, and if not, why.

    Attributes:
        failed: '' where it generates, else 'C1' or 'C2'.
        k: the wavenumbers (from, to) that fail C2.
        time, place: when and where p is most negative, the place as the distance from the point source.
        reason: one sentence.
    """

    failed: str = ""
    k: tuple[float, float] | None = None
    time: float | None = None
    place: float | None = None
    reason: str = "p >= 0 and Im omega(k) < Im omega(0) for all k > 0"

    @property
    def generates(self) -> bool:
        """Whether both conditions hold."""
        return not self.failed

    def __bool__(self) -> bool:
        return self.generates


def can_generate(row: Row, box: Box, t_max: float | None = None) -> Verdict:
    """Test C2, then C1, of `row` in `box` until `t_max` (by default where the slowest mode has faded)."""
    bad = failing_wavenumbers(row, box)
    if bad is not None:
        where = f"{bad[0]:.4g}" if bad[0] == bad[1] else f"{bad[0]:.4g} to {bad[1]:.4g}"
        reason = f"Im omega(k) is not below Im omega(0) at k = {where}; {row.hint}"
        return Verdict("C2", k=bad, reason=reason)
    end = equilibrium_time(row, box) if t_max is None else t_max
    worst = most_negative(row, box, end)
    if worst is None:
        return Verdict()
    depth, time, place = worst
    where = f"at t = {time:.3g}, {place:.3g} from the data"
    reason = f"p is negative ({depth:.2g} of its greatest) {where}; {row.hint}"
    return Verdict("C1", time=time, place=place, reason=reason)


def gap(row: Row, k: Tensor) -> Tensor:
    """Im ω(k) − Im ω(0): minus the rate at which the mode k fades against the whole."""
    return row.omega(k).imag - row.omega(torch.zeros(1, dtype=torch.float64)).imag


def slowest(row: Row, box: Box) -> float:
    """The greatest gap among the modes of the box: minus the rate of the one that fades last."""
    k = box.wavenumber().flatten()
    return float(gap(row, k[k > 0]).max())


def failing_wavenumbers(row: Row, box: Box) -> tuple[float, float] | None:
    """The first interval of wavenumbers that fail C2 (one of them, twice, where it is narrow), or none."""
    modes = box.wavenumber().flatten()
    even = torch.linspace(box.lowest, box.highest, 8192, dtype=torch.float64)
    k = torch.cat([even, modes[modes > 0]]).sort().values
    values = gap(row, k)
    scale = float(row.omega(k).abs().max())
    fails = values >= -1e-12 * scale
    if not bool(fails.any()):
        # Between the samples: the interval around the greatest, sampled again.
        top = int(values.argmax())
        low, high = float(k[max(top - 1, 0)]), float(k[min(top + 1, len(k) - 1)])
        fine = torch.linspace(low, high, 1025, dtype=torch.float64)
        inside = gap(row, fine)
        at = int(inside.argmax())
        return (float(fine[at]),) * 2 if float(inside[at]) >= -1e-12 * scale else None
    first = int(fails.nonzero()[0])
    passes = (~fails[first:]).nonzero()
    last = first + int(passes[0]) - 1 if len(passes) else len(k) - 1
    start = float(k[first]) if first == 0 else _edge(row, float(k[first]), float(k[first - 1]), scale)
    stop = float(k[last]) if last == len(k) - 1 else _edge(row, float(k[last]), float(k[last + 1]), scale)
    return start, stop


def _edge(row: Row, bad: float, good: float, scale: float) -> float:
    """Where C2 begins to hold between a wavenumber that fails it and one that does not, by bisection."""
    for _ in range(50):
        middle = (bad + good) / 2
        value = float(gap(row, torch.tensor([middle], dtype=torch.float64)))
        bad, good = (middle, good) if value >= -1e-12 * scale else (bad, middle)
    return bad


def equilibrium_time(row: Row, box: Box, remnant: float = REMNANT) -> float:
    """When the slowest mode in the box is down to `remnant` of the whole; L/2, as waves cross, if never."""
    rate = -slowest(row, box)
    return math.log(1 / remnant) / rate if rate > 0 else box.side / 2


def smallest_time(row: Row, box: Box) -> float:
    """How long the row takes to change the blurred data: one over the rate of a mode of their width."""
    k = torch.tensor([1 / (BLUR * box.spacing)], dtype=torch.float64)
    rate = float((row.omega(k) - row.omega(torch.zeros_like(k))).abs())
    return 1 / rate if rate > 0 else box.spacing


def most_negative(row: Row, box: Box, t_max: float) -> tuple[float, float, float] | None:
    """(p/max p, time, distance from the source) where the Green's function dips below 0 the most, or none."""
    source = torch.zeros(1, box.dimension, dtype=torch.float64)
    spectrum = box.deposit(source, torch.ones(1, dtype=torch.float64), BLUR * box.spacing)
    distance = box.points().square().sum(-1).sqrt().flatten()
    start = min(0.1 * smallest_time(row, box), 0.1 * t_max)
    worst: tuple[float, float, float] | None = None
    for time in torch.logspace(math.log10(start), math.log10(t_max), _TIMES, dtype=torch.float64).tolist():
        p = box.values(row.flow(spectrum, box, time)[0]).flatten()
        depth = float(p.min() / p.abs().max())
        if depth < min(-_NEGATIVE, worst[0] if worst else 0.0):
            worst = depth, time, float(distance[p.argmin()])
    return worst
