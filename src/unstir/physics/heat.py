"""Heat: the plate that comes to one temperature, run backwards (Rissanen 2022; Hoogeboom & Salimans 2022).

    x_t = a_t d_k(t) y_k + B_t ε_k      in the cosine modes k of the image

Blurring diffusion and its heavy-tailed kin (`heat_poisson`) damp the modes while noise comes up, and end in
noise alone. Inverse heat dissipation keeps the noise small and constant, so that its prior is the data,
blurred: that law is kept, as the few modes that are left of it, and sampling needs no data set.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.byparts import by_parts
from unstir.errors import InputError
from unstir.physics.linear import Layout, LinearProcess
from unstir.physics.moments import TOGETHER, moments_of, together
from unstir.physics.process import check_kept, stratified

_LARGEST_RESERVOIR = 10_000  # items whose blurred modes are kept
# Measured on digits and Fashion-MNIST, `docs/few-steps.md`.
_BLUR_RHO, _LEAP, _FARTHEST, _SHORT = 1.4, 0.15, 0.6, 1.0
_CLOCK_RHO, _CLOCK_ORDER = 0.7, 2
_SMALLEST_MODE = 1e-3  # of the noise: less than that of a mode is not kept


@dataclass(frozen=True, eq=False)
class DampedProcess(LinearProcess):
    """A linear process in the cosine basis, with the data's own spectrum once it is prepared."""

    @property
    def layout(self) -> Layout:
        """Modes come up one by one as their blur ends: little happens before the largest of them does."""
        if self.spectrum is None:
            return Layout()
        return Layout(_BLUR_RHO, min(_FARTHEST, _LEAP * float(self.spectrum.max()) ** 0.5))

    def few_times(self, n: int) -> Tensor:
        """`n` times that fall evenly in s^{1/ρ} of the clock s after the leap.

        The last one lies above t_min by two steps in place of one: the field there is the rest of the way.
        """
        layout = self.layout
        if self.spectrum is None or n < 3:
            return super().few_times(n)
        second = self.time_at(torch.tensor(layout.leap * n * self.scale, dtype=torch.float64))
        share = float(self._clock(second))
        leap = int(share < 1)
        steps = torch.arange(n - leap, dtype=torch.float64) / (n - leap - 1 + _SHORT)
        places = torch.cat([torch.ones(leap, dtype=torch.float64), share * (1 - steps) ** layout.rho])
        return self.t_min + (self.t_max - self.t_min) * places

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> DampedProcess:
        """With spectrum, centre and axes of `items`."""
        super().prepared(items, partner)
        return self.knowing(moments_of(by_parts(self.basis.coordinates, items)))

    def restored(self, kept: Mapping[str, Tensor]) -> DampedProcess:
        """With what `kept` gave."""
        fits = set(kept) - set(TOGETHER) == {"spectrum"} and together(kept)
        check_kept(self.name, kept, "spectrum, centre and axes", fits=fits)
        return self.knowing(kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DampedProcess) and (type(self), self.name, self.scale) == (
            type(other),
            other.name,
            other.scale,
        )

    def __hash__(self) -> int:
        return hash((type(self), self.name, self.scale))


@dataclass(frozen=True, eq=False)
class HeatProcess(DampedProcess):
    """Inverse heat dissipation: constant noise, and a prior made of blurred data.

    Attributes:
        reservoir: damped modes of training items at t_max, `(items, modes kept)`.
        modes: which they are, indices into the flattened modes.
    """

    reservoir: Tensor | None = None
    modes: Tensor | None = None
    prior_holds_data = True

    @property
    def layout(self) -> Layout:
        """On the clock itself, and of low order: where modes come up, old evaluations tell little."""
        return Layout(_CLOCK_RHO, order=_CLOCK_ORDER)

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> HeatProcess:
        """With spectrum, centre, axes and reservoir of `items`."""
        LinearProcess.prepared(self, items, partner)  # refuses a partner
        shape = items.shape[1:]
        known = moments_of(by_parts(self.basis.coordinates, items))
        factor = self._last_factor(shape).expand(shape).flatten()
        noise = float(self.B(torch.tensor(self.t_max)))
        left = factor * known["spectrum"].flatten().double().sqrt()
        modes = torch.nonzero(left > _SMALLEST_MODE * noise)[:, 0]
        chosen = items
        if len(items) > _LARGEST_RESERVOIR:
            order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0))
            chosen = items[order[:_LARGEST_RESERVOIR].to(items.device)]
        kept = self.basis.coordinates(chosen).flatten(1)[:, modes.to(items.device)]
        reservoir = (kept * factor[modes].to(kept)).cpu()
        return dataclasses.replace(self.knowing(known), reservoir=reservoir, modes=modes)

    def kept(self) -> dict[str, Tensor]:
        """Spectrum, centre, axes, reservoir and the modes in it."""
        if self.reservoir is None or self.modes is None:
            return {}
        return super().kept() | {"reservoir": self.reservoir, "modes": self.modes}

    def restored(self, kept: Mapping[str, Tensor]) -> HeatProcess:
        """With what `kept` gave."""
        names = {"spectrum", "reservoir", "modes"}
        check_kept(
            self.name,
            kept,
            ", ".join(sorted(names)),
            fits=set(kept) - set(TOGETHER) == names and together(kept),
        )
        spectrum, reservoir, modes = kept["spectrum"], kept["reservoir"], kept["modes"]
        inside = modes.dtype == torch.int64 and bool(((modes >= 0) & (modes < spectrum.numel())).all())
        if not inside or reservoir.shape != (len(reservoir), len(modes)) or not len(reservoir):
            raise InputError(
                f"process {self.name}: the kept reservoir does not fit its modes; train it again"
            )
        return dataclasses.replace(self.knowing(kept), reservoir=reservoir, modes=modes)

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Blurred data from the reservoir, with the process's noise.

        Raises:
            InputError: the process was never prepared on data.
        """
        if self.reservoir is None or self.modes is None:
            raise InputError(
                f"process {self.name}: its prior is blurred data; make it with process.prepared(items)"
            )
        noise = self.noise.draw(n, shape, generator, dtype) * float(self.B(torch.tensor(self.t_max)))
        index = torch.randint(len(self.reservoir), (n,), generator=generator, device=generator.device)
        u = torch.zeros(n, math.prod(shape), dtype=dtype)
        u[:, self.modes] = self.reservoir[index.cpu()].to(dtype)
        return self.basis.state(u.reshape(n, *shape)).to(noise) + noise

    def begin(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """The given items, blurred to the end of the clock."""
        return self.perturb(given, torch.full((len(given),), self.t_max), generator)

    def log_prior(self, x: Tensor) -> Tensor:
        """The mixture of the reservoir's kernels, in nats, float64 `(batch,)`."""
        if self.reservoir is None or self.modes is None:
            raise InputError(f"process {self.name}: its prior is blurred data; prepare it on some")
        shape = x.shape[1:]
        B = float(self.B(torch.tensor(self.t_max, dtype=torch.float64)))
        centres = torch.zeros(len(self.reservoir), math.prod(shape), dtype=torch.float64)
        centres[:, self.modes] = self.reservoir.double()
        centres = centres.to(x.device)
        u = self.basis.coordinates(x).flatten(1).double()
        squared = torch.cdist(u, centres).square() / B**2
        dimension = u.shape[1]
        logs = self.noise.log_density(squared, dimension) - dimension * math.log(B)
        return torch.logsumexp(logs, 1) - math.log(len(centres))

    def times(self, n: int, rho: float = 7.0, jump: float | None = None) -> Tensor:
        """`n` times from `t_max` down to `t_min`, more at larger blurs: even in s^{1/ρ} of the clock s.

        ρ is the layout's, whatever is asked for: there is no B/A to lay them out in.
        """
        if n < 1:
            raise ValueError(f"n={n}: at least one time is needed")
        share = torch.linspace(1, 0, n, dtype=torch.float64) ** self.layout.rho
        return self.t_min + (self.t_max - self.t_min) * share

    def few_times(self, n: int) -> Tensor:
        """Those of `times`."""
        return self.times(n)

    def progress(self, t: Tensor) -> Tensor:
        """The clock itself: the logarithm of the blur."""
        return t

    def training_times(self, n: int, mean: float, std: float, generator: torch.Generator) -> Tensor:
        """Every blur alike, the last one too, `(n,)`, float32; there are no noise levels to choose."""
        uniform = stratified(n, generator)
        return (self.t_min + uniform * (self.t_max - self.t_min)).float()

    def level(self, t: Tensor, log_mixing: Tensor) -> Tensor:
        """What a network is told of the time, in ±1: the noise is constant, the blur is not."""
        return 2 * self._clock(t) - 1

    def _last_factor(self, shape: Sequence[int]) -> Tensor:
        if self.damping is None:
            raise TypeError("damping: heat without damping is no heat")
        return self.damping.factor(torch.ones((), dtype=torch.float64), shape)
