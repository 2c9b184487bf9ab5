"""The linear family: x_t = A_t y + B_t ε, with A diagonal in an orthonormal basis and B one number.

The field is a denoiser D(x, t) = E[y | x_t = x], and the deterministic flow

    dx/dt = (Ḃ/B) x + (Ȧ − (Ḃ/B) A) D(x, t)

holds for every law of ε: it is the posterior mean of dx_t/dt at fixed ε. Basis, schedule and noise are
three independent parts, so a new physics is often one new line in `registry.py`.

In the cosine basis heat damps each mode on its own: A_t is a_t d_k(t), with a_t of the schedule and d_k of
`damping.py`; the uniform mode k = 0 is never damped, and its ratio B/a is what noise levels are told by.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from unstir.moving import sent
from unstir.physics.basis import Basis, Pixel
from unstir.physics.damping import Damping
from unstir.physics.moments import TOGETHER, moments_of, together
from unstir.physics.noise import Gaussian, Noise
from unstir.physics.process import FlowProcess, check_kept, check_state, per_item, stratified
from unstir.physics.schedule import Linear, Schedule

# The standard deviation of the data for which the published noise ranges were made (Karras 2022).
DATA_STD = 0.5
_WIDE = 0.125  # of a layout's leap, over the largest deviation that the data have in any direction
_SAMPLE = 1024  # items that tell it


@dataclass(frozen=True)
class Layout:
    """Where the few time steps of an exponential solver lie: evenly in (B/A)^{1/ρ} after one leap, or, where
    modes are damped, in the clock's own s^{1/ρ}.

    At high noise the field is nearly constant and such a solver exact: how far down that holds is the
    process's own, and so is where the field turns most. Measured: `docs/few-steps.md`.

    Attributes:
        rho: larger puts more steps at low noise.
        leap: the second time lies at B/A = leap · steps, for data of standard deviation ½.
        order: how many evaluations a multistep solver draws a polynomial through.
    """

    rho: float = 7.0
    leap: float = 0.4
    order: int = 3


@dataclass(frozen=True)
class LinearProcess(FlowProcess):
    """A path of signal and noise.

    Attributes:
        name: with parameters, as `physics.parse` reads it back.
        schedule: A and B against time, for data of standard deviation ½.
        noise: the law of ε.
        basis: where A is diagonal.
        scale: a factor on B; `fitted(std)` sets it for data of another standard deviation.
        damping: how A falls with each mode of the basis, or None where it does not.
        spread: the largest deviation of the training data in any direction, where it is so large that few
            time steps must lie elsewhere for it, as for large images; else None.
        spectrum: of the data with centre and axes (`moments.py`), once it is prepared, where modes are damped
            or W varies: to restore data given what was seen of them. Else None.
        centre: likewise; None in runs from before it was kept.
        axes: likewise.
    """

    name: str = "edm"
    schedule: Schedule = field(default_factory=Linear)
    noise: Noise = field(default_factory=Gaussian)
    basis: Basis = field(default_factory=Pixel)
    scale: float = 1.0
    damping: Damping | None = None
    spread: float | None = None
    spectrum: Tensor | None = field(default=None, compare=False, repr=False)
    centre: Tensor | None = field(default=None, compare=False, repr=False)
    axes: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def layout(self) -> Layout:
        """Of few time steps: the leap ends before the first directions of the data come out of the noise."""
        return Layout() if self.spread is None else Layout(leap=_WIDE * self.spread / self.scale)

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> LinearProcess:
        """With the spread of `items`, where that tells, and where W varies with their moments."""
        super().prepared(items, partner)
        if self.damping is not None:
            return self
        known = self.knowing(moments_of(items)) if self.noise.mixed else self
        spread = largest_deviation(items)
        wide = spread is not None and _WIDE * spread > Layout.leap * self.scale
        return dataclasses.replace(known, spread=spread if wide else None)

    def knowing(self, known: Mapping[str, Tensor]) -> Self:
        """With as many of spectrum, centre and axes as there are."""
        spectrum, centre, axes = (known.get(name) for name in ("spectrum", *TOGETHER))
        return dataclasses.replace(self, spectrum=spectrum, centre=centre, axes=axes)

    def kept(self) -> dict[str, Tensor]:
        """The spread, where there is one, and spectrum, centre and axes, where they are known."""
        spread = None if self.spread is None else torch.tensor(self.spread, dtype=torch.float64)
        values = {"spread": spread, "spectrum": self.spectrum, "centre": self.centre, "axes": self.axes}
        return {name: value for name, value in values.items() if value is not None}

    def restored(self, kept: Mapping[str, Tensor]) -> LinearProcess:
        """With what `kept` gave."""
        spread = kept.get("spread", torch.ones(()))
        fits = not set(kept) - {"spread", "spectrum", *TOGETHER} and together(kept) and spread.numel() == 1
        check_kept(self.name, kept, "spread", fits=fits and 0 < float(spread) < math.inf)
        return dataclasses.replace(self.knowing(kept), spread=float(spread) if "spread" in kept else None)

    @property
    def t_min(self) -> float:
        """The time of the data."""
        return self.schedule.t_min

    @property
    def t_max(self) -> float:
        """The time of the prior."""
        return self.schedule.t_max

    def fitted(self, std: float) -> LinearProcess:
        """The same process with its noise range scaled to data of standard deviation `std`.

        Raises:
            ValueError: `std` is not a positive finite number.
        """
        if not 0 < std < float("inf"):
            raise ValueError(f"std={std}: the data's standard deviation must be positive and finite")
        return dataclasses.replace(self, scale=std / DATA_STD)

    def A(self, t: Tensor) -> Tensor:
        """The signal's coefficient at times of any shape; of the uniform mode, where there is damping."""
        return self.schedule.A(t)

    def B(self, t: Tensor) -> Tensor:
        """The noise's coefficient at times of any shape."""
        return self.scale * self.schedule.B(t)

    def signal(self, t: Tensor, shape: Sequence[int]) -> Tensor:
        """A of every mode, `(*t.shape, *modes)`, where `modes` broadcasts against items of `shape`."""
        A = self.A(t).reshape(*t.shape, *(1,) * len(shape))
        return A if self.damping is None else A * self.damping.factor(self._clock(t), shape).to(A.dtype)

    def drift(self, t: Tensor, shape: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """(f, g) of the flow dx/dt = f x + g D at times of any shape.

        Args:
            t: times.
            shape: of one item, where there is damping: then g has the axes of `signal`.
        """
        f = self.schedule.dB(t) / self.schedule.B(t)
        g = self.schedule.dA(t) - f * self.schedule.A(t)
        if self.damping is None:
            return f, g
        ones = (1,) * len(shape)
        factor = self.damping.factor(self._clock(t), shape).to(t.dtype)
        rate = self.damping.rate(self._clock(t), shape).to(t.dtype) / (self.t_max - self.t_min)
        return f, g.reshape(*t.shape, *ones) * factor + self.A(t).reshape(*t.shape, *ones) * rate

    def relative(self, t: Tensor, shape: Sequence[int]) -> Tensor:
        """g of every mode over that of the uniform one, shaped as `signal`: 1 where nothing is damped."""
        _, g = self.drift(t, shape)
        uniform = self.schedule.dA(t) - self.schedule.dB(t) / self.schedule.B(t) * self.schedule.A(t)
        ones = (1,) * len(shape)
        return g.reshape(*t.shape, *(ones if self.damping is None else g.shape[t.ndim :])) / uniform.reshape(
            *t.shape, *ones
        )

    def _clock(self, t: Tensor) -> Tensor:
        """The time as a share of the way from data to prior."""
        return (t - self.t_min) / (self.t_max - self.t_min)

    def progress(self, t: Tensor) -> Tensor:
        """What a field changes smoothly in, at times of any shape: B/A."""
        return self.B(t) / self.A(t)

    def level(self, t: Tensor, log_mixing: Tensor) -> Tensor:
        """How loud the noise is beside the signal, about ±1: ¼ ln(B √W/A) of the uniform mode."""
        return 0.25 * (torch.log(self.B(t) / self.A(t)) + 0.5 * log_mixing)

    def time_at(self, ratio: Tensor) -> Tensor:
        """The time at which the noise-to-signal ratio B/A equals `ratio`, held within [t_min, t_max]."""
        return self.schedule.time_at(ratio / self.scale).clamp(self.t_min, self.t_max)

    def times(self, n: int, rho: float = 7.0, jump: float | None = None) -> Tensor:
        """`n` times from `t_max` down to `t_min`, float64, evenly spaced in (B/A)^{1/ρ}.

        The flow depends on B/A alone, so one spacing (Karras 2022, equation 5) serves every schedule.

        Args:
            n: how many, 1 or more.
            rho: larger puts more of them at low noise.
            jump: where the second time lies, as B/A for data of standard deviation ½, the rest being
                spaced from there on. Without it, or off the clock, they are spaced from t_max.

        Raises:
            ValueError: `n` below 1.
        """
        if n < 1:
            raise ValueError(f"n={n}: at least one time is needed")
        ends = torch.tensor([self.t_max, self.t_min], dtype=torch.float64)
        high, low = (self.B(ends) / self.A(ends)).tolist()
        leap = n > 2 and jump is not None and low < jump * self.scale < high
        start = jump * self.scale if leap and jump is not None else high
        root = torch.linspace(start ** (1 / rho), low ** (1 / rho), n - leap, dtype=torch.float64)
        times = self.time_at(root**rho)
        if leap:
            times = torch.cat([times[:1], times])
        times[0] = self.t_max
        if n > 1:
            times[-1] = self.t_min
        return times

    def few_times(self, n: int) -> Tensor:
        """`n` times for an exponential solver, as the layout says."""
        layout = self.layout
        return self.times(n, layout.rho, layout.leap * n)

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t = A y + B ε given y = `data`."""
        check_state("data", data, t)
        noise = sent(self.noise.draw(len(data), data.shape[1:], generator, data.dtype), data.device)
        A = self.signal(t, data.shape[1:]).to(data.dtype)
        return self.basis.state(A * self.basis.coordinates(data)) + per_item(self.B(t), data) * noise

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw from the law of B ε at t_max, in this process's own law of noise."""
        end = torch.tensor(self.t_max, dtype=torch.float64)
        return self.noise.draw(n, shape, generator, dtype) * float(self.B(end))

    def log_prior(self, x: Tensor) -> Tensor:
        """log density of the prior at `x` in nats, float64 `(batch,)`."""
        B = self.B(torch.tensor(self.t_max, dtype=torch.float64))
        u = x.flatten(1).double() / B
        dimension = u.shape[1]
        return self.noise.log_density((u**2).sum(1), dimension) - dimension * B.log()

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log p_t(x given data) for every pair, float64 `(batch, points)`."""
        check_state("x", x, t)
        if data.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"data: items have shape {tuple(data.shape[1:])}, those of x {tuple(x.shape[1:])}; "
                "give the same"
            )
        B = self.B(t.double())[:, None]
        factor = expanded(self.signal(t.double(), x.shape[1:]), x.shape[1:]) / B
        u = self.basis.coordinates(x).flatten(1).double()
        v = self.basis.coordinates(data).flatten(1).double()
        squared = squared_distances(u / B, v, factor)
        return self.noise.log_density(squared, u.shape[1]) - u.shape[1] * B.log()

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The data themselves: the field is a denoiser."""
        return data

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt = f x + g D."""
        check_state("x", x, t)
        f, g = self.drift(t.double(), x.shape[1:])
        g = g.reshape(len(x), *(1,) * (x.ndim - 1)) if self.damping is None else g
        carried = self.basis.state(g.to(x.dtype) * self.basis.coordinates(prediction))
        return per_item(f, x) * x + carried

    def training_times(self, n: int, mean: float, std: float, generator: torch.Generator) -> Tensor:
        """Times to train a field at, `(n,)`, float32: ln(B/A) ~ N(mean, std²) (Karras 2022, table 1).

        Stratified over the batch: item i has its own n-th of the law's mass. `mean` and `std` are for data
        of standard deviation ½.
        """
        uniform = stratified(n, generator)
        normal = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
        return self.time_at(self.scale * torch.exp(mean + std * normal)).float()


def expanded(coefficient: Tensor, shape: Sequence[int]) -> Tensor:
    """A coefficient `(batch, *modes)` with one column a coordinate, or one for all: `(batch, N or 1)`."""
    if math.prod(coefficient.shape[1:]) == 1:
        return coefficient.reshape(len(coefficient), 1)
    return coefficient.expand(len(coefficient), *shape).flatten(1)


def squared_distances(x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
    """‖x_i − factor_i y_j‖² for every pair `(batch, points)`, by one matrix product, or two for modes.

    `x` `(batch, N)`, `y` `(points, N)`, `factor` `(batch or 1, 1 or N)`. In float64 it keeps 1e-14 of
    ‖x‖² + ‖y‖², enough down to noise of 1e-6 of the data's size; in float32 only down to 1e-2.
    """
    size = factor**2 * (y**2).sum(1) if factor.shape[1] == 1 else factor**2 @ (y**2).T
    cross = torch.addmm((x**2).sum(1, keepdim=True) + size, x * factor, y.T, alpha=-2)
    return cross.clamp_min_(0)


def largest_deviation(items: Tensor) -> float | None:
    """The largest standard deviation in any direction, of an even sample of items; None of fewer than two."""
    x = items[:: max(1, len(items) // _SAMPLE)][:_SAMPLE].flatten(1).double()
    if len(x) < 2:
        return None
    x = x - x.mean(0)
    products = x @ x.T if len(x) < x.shape[1] else x.T @ x
    return math.sqrt(float(torch.linalg.eigvalsh(products)[-1].clamp_min(0)) / len(x))
