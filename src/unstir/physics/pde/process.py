"""PDE: any linear PDE as a process, by name or by its dispersion relation.

In a periodic box the prior is the flat density, whatever the row; in free space (`on="particles"`) it is the
row's own Green's function at t_max. Going back, the exact field of the data says where particles go and where
they are born.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.physics.pde.box import Box
from unstir.physics.pde.condition import (
    REMNANT,
    Verdict,
    can_generate,
    equilibrium_time,
    slowest,
    smallest_time,
)
from unstir.physics.pde.current import Current
from unstir.physics.pde.dispersion import Custom, Dispersion, Row
from unstir.physics.pde.grid import GridCurrent
from unstir.physics.pde.kernel import KernelCurrent, kernel_of
from unstir.physics.pde.particles import Cloud, transport
from unstir.physics.pde.rows import ROWS

_FEW = 100  # particles to branch from
_LEFT = 0.05  # of the slowest mode: more than this and the prior is not flat


@dataclass(frozen=True)
class PDE:
    """A row of the table (or a user's ω) in a box, from t_min = 0 to t_max.

    Attributes:
        name: as `physics.parse` reads it back; for a user's ω, with the function's name.
        row: the PDE.
        box: where it lives, with its resolution.
        t_max: the time of the prior.
        births: how, see `particles`: 'source' or 'branch'.
    """

    name: str
    row: Row
    box: Box
    t_max: float
    births: str = "source"

    @property
    def t_min(self) -> float:
        """The time of the data, a hundredth of what blurs them as much as the grid does."""
        return 0.01 * smallest_time(self.row, self.box)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether it can generate, which condition fails, and where."""
        return can_generate(self.row, self.box, self.t_max)

    def check(self) -> None:
        """Pass where it can generate.

        Raises:
            InputError: it cannot; the line names the condition that fails, and k, or time and place.
        """
        verdict = self.verdict
        if not verdict:
            raise InputError(f"{self.name} cannot generate, {verdict.failed} fails: {verdict.reason}")
        left = self.remnant()
        if left > _LEFT:
            wanted = equilibrium_time(self.row, self.box)
            raise InputError(
                f"t_max={self.t_max:g}: {100 * left:.2g} % of the slowest mode is left there; "
                f"give t_max={wanted:.3g}, or leave it out"
            )

    def remnant(self) -> float:
        """What is left at t_max of the slowest mode in the box, relative to the whole."""
        return math.exp(slowest(self.row, self.box) * self.t_max)

    def current(self, data: Tensor, on: str = "grid") -> Current:
        """The exact current of `data`, `(n, dimension)`.

        Args:
            data: points.
            on: 'grid' for the periodic box, 'particles' for the closed form in free space.

        Raises:
            InputError: data that do not fit, or a row that has no closed form.
        """
        if on == "grid":
            return GridCurrent.of_points(self.row, self.box, data)
        if on != "particles":
            raise InputError(f"on={on!r}: give 'grid' or 'particles'")
        kernel = kernel_of(self.row)
        if kernel is None:
            raise InputError(
                f"on='particles': {self.row.name} has no closed form in free space; give on='grid'"
            )
        if data.ndim != 2 or data.shape[1] != self.box.dimension:
            raise InputError(
                f"data: has shape {tuple(data.shape)}; give points of shape (n, {self.box.dimension}), "
                "or set dimension="
            )
        return KernelCurrent.of_points(kernel, data)

    def times(self, steps: int, on: str = "grid") -> list[float]:
        """`steps` + 1 times from t_min to t_max, geometric; in free space, with no blur, earlier."""
        start = {"grid": self.t_min}.get(on, 0.1 * self.t_min)
        return torch.logspace(math.log10(start), math.log10(self.t_max), steps + 1).tolist()

    def backward(
        self, data: Tensor, n: int, generator: torch.Generator, steps: int = 64, on: str = "grid"
    ) -> Iterator[Cloud]:
        """Run particles of the prior back to the data, and yield every cloud.

        Args:
            data: points `(points, dimension)`.
            n: how many are to arrive, in the mean: as many start as would have survived the way up.
            generator: of the prior, the births and the deaths.
            steps: of Heun's method.
            on: 'grid' or 'particles', see `current`.

        Raises:
            InputError: the row cannot generate, the data do not fit, or nobody is left to branch.
        """
        self.check()
        current = self.current(data, on)
        times = self.times(steps, on)[::-1]
        left = current.mass(times[0]) / current.mass(times[-1])
        start = math.floor(n * left + float(torch.rand((), generator=generator, dtype=torch.float64)))
        if self.births == "branch" and n * left < _FEW:
            raise InputError(
                f"births=branch: of {n} particles {n * left:.2g} survive to t_max={self.t_max:.4g}, "
                "too few to branch from; give births=source, or ask for more"
            )
        per_mass = None if self.births == "branch" else n / current.mass(times[-1])
        x = current.equilibrium(start, self.t_max, generator)
        yield from transport(current, x, times, generator, per_mass)

    def forward(
        self, data: Tensor, n: int, generator: torch.Generator, steps: int = 64, on: str = "grid"
    ) -> Iterator[Cloud]:
        """Run `n` particles of the data up to t_max, with births and deaths; any row, generative or not."""
        current = self.current(data, on)
        times = self.times(steps, on)
        per_mass = None if self.births == "branch" else n / current.mass(times[0])
        yield from transport(current, current.draw(n, times[0], generator), times, generator, per_mass)

    def sample(
        self, data: Tensor, n: int, generator: torch.Generator, steps: int = 64, on: str = "grid"
    ) -> Tensor:
        """`n` new points `(n, dimension)`, float64: the prior run back through the exact field of `data`.

        Raises:
            InputError: the row cannot generate (which condition fails, and where), or the data do not fit.
        """
        found = torch.empty(0, self.box.dimension, dtype=torch.float64)
        asked = n
        while len(found) < n:
            # A little more each time, for births and deaths leave a random number.
            asked = math.ceil(1.1 * asked) + 16
            *_, last = self.backward(data, asked, generator, steps, on)
            if len(last.position) > len(found):
                found = last.position
        return found[torch.randperm(len(found), generator=generator)[:n]]


def pde(
    row: str = "heat",
    dispersion: str | Dispersion = "row",
    dimension: int = 2,
    m: float = 1.0,
    k0: float = 0.1,
    epsilon: float = 50.0,
    a: float = 1.5,
    box: float = 8.0,
    cells: int = 128,
    t_max: float = 0.0,
    births: str = "source",
) -> PDE:
    """Any linear PDE in 1-D or 2-D, by row or by its dispersion relation (Liu 2023, GenPhys).

    Args:
        row: heat, fractional, poisson, screened, helmholtz, damped_wave, wave or schroedinger.
        dispersion: instead of a row, ω(k) of your own: a function of a float64 tensor of k ≥ 0.
        dimension: 1 or 2.
        m: of screened. k0: of helmholtz. epsilon: of damped_wave. a: of fractional.
        box: the side of the periodic box, centred at 0.
        cells: grid points a side.
        t_max: the time of the prior; 0 takes it from the slowest mode (down to 1e-3).
        births: drawn from the 'source' R, exact, or by 'branch', copies of what is there.

    Raises:
        InputError: an unknown row, a parameter that the row does not have or out of range.
    """
    own = {"m": m, "k0": k0, "epsilon": epsilon, "a": a}
    law, label = _law(row, dispersion, own)
    if dimension not in (1, 2):
        raise InputError(f"dimension={dimension}: give 1 or 2")
    if not 0 < box < math.inf:
        raise InputError(f"box={box:g}: the side must be positive and finite, such as box=8")
    if cells < 8 or cells % 2:
        raise InputError(f"cells={cells}: give an even number of 8 or more, such as cells=128")
    if not 0 <= t_max < math.inf:
        raise InputError(f"t_max={t_max:g}: give a positive time, or 0 to take it from the slowest mode")
    if births not in ("source", "branch"):
        raise InputError(f"births={births!r}: give source or branch")
    has = inspect.signature(type(law)).parameters
    shown: dict[str, spec.Value] = {key: value for key, value in own.items() if key in has}
    name = spec.name_of(
        label,
        pde,
        always=tuple(shown),
        dimension=dimension,
        **shown,
        box=box,
        cells=cells,
        t_max=t_max,
        births=births,
    )
    place = Box(dimension, float(box), cells)
    # `row=heat` is a parameter like the others: one colon in all.
    name = name.replace(f"{label}:", f"{label},", 1)
    return PDE(name, law, place, float(t_max) or equilibrium_time(law, place, REMNANT), births)


def _law(row: str, dispersion: str | Dispersion, own: dict[str, float]) -> tuple[Row, str]:
    """The row, or the user's, and the beginning of its name."""
    law: Row
    if isinstance(dispersion, str):
        if dispersion != "row":
            raise InputError(
                f"dispersion={dispersion!r}: give a function omega(k) from Python, "
                f"or row= one of {', '.join(ROWS)}"
            )
        if row not in ROWS:
            raise InputError(f"row={row!r}: the rows are {', '.join(ROWS)}")
        make: Callable[..., Row] = ROWS[row]
        has = inspect.signature(make).parameters
        law = make(**{key: own[key] for key in own if key in has})
        label = f"pde:row={row}"
    else:
        if row != "heat":
            raise InputError(f"row={row!r}: dispersion= is given too; give one of them")
        law = Custom(dispersion)
        label = f"pde:dispersion={getattr(dispersion, '__name__', 'omega').strip('<>')}"
    known = spec.defaults(pde)
    for key, value in own.items():
        if value != known[key] and key not in inspect.signature(type(law)).parameters:
            raise InputError(f"{key}={value:g}: the row {law.name} has no parameter {key}; leave it out")
    return law, label
