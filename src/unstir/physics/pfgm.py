"""PFGM as it was first made: charges in a space with one more dimension, the height z (Xu 2022).

Data are charges on the plane z = 0. Their Poisson field in N + 1 dimensions, with x̃ = (x, z) and ỹ = (y, 0),

    E(x̃) ∝ Σ_i (x̃ − ỹ_i)/‖x̃ − ỹ_i‖^{N+1}        Ê = −E/Σ_i ‖x̃ − ỹ_i‖^{−(N+1)} = (E[y | x̃] − x, −z)

drives them up to a hemisphere so large that they lie on it uniformly. Anchored in z the flow is
dx/dz = E_x/E_z = (x − E[y | x̃])/z, and with t exponential in z it is a linear path of A = 1, B = z: the prior
on the plane z_max, the hemisphere's shadow by rays from the centre, is the Cauchy law. So this is
`poisson:D=1` on another clock. Its own is how it is trained: where the field is asked, and what is learned.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent
from unstir.physics.linear import LinearProcess
from unstir.physics.noise import StudentT
from unstir.physics.process import per_item
from unstir.physics.schedule import Exponential

_Z_MIN = 1e-3
_TYPICAL_STEPS = 291  # M of CIFAR-10: stands in until the data are known


@dataclass(frozen=True)
class Pfgm(LinearProcess):
    """Poisson flow in N + 1 dimensions.

    Attributes:
        gamma: γ, which bounds the learned field near the charges.
        sigma: σ of the smallest perturbation.
        tau: τ, by which one grows to the next.
        M: how many there are; found from the data by `prepared` where 0 was asked for.
    """

    gamma: float = 5.0
    sigma: float = 0.01
    tau: float = 0.03
    M: int = 0

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> Pfgm:
        """With M, and so z_max, from the data's mean norm (the published code's rule, 291 for CIFAR-10)."""
        wide = super().prepared(items, partner)
        if self.M:
            return self._of(wide)
        size = items[0].numel()
        norm2 = float(items.flatten(1).norm(dim=1).double().mean()) ** 2
        steps = 0.75 * math.log(max(norm2 / (2 * math.sqrt(size) * self.sigma**2), 2)) / math.log1p(self.tau)
        return self._reaching(int(steps) + 1)._of(wide)

    def _of(self, known: LinearProcess) -> Pfgm:
        return dataclasses.replace(self, spread=known.spread).knowing(known.kept())

    def _reaching(self, M: int) -> Pfgm:
        return dataclasses.replace(self, M=M, schedule=_schedule(self.sigma, self.tau, M))

    def kept(self) -> dict[str, Tensor]:
        """M, and what else is kept."""
        return {"M": torch.tensor(self.M)} | super().kept()

    def restored(self, kept: Mapping[str, Tensor]) -> Pfgm:
        """With what `kept` gave."""
        M = kept.get("M")
        if M is None or M.numel() != 1 or not 1 <= int(M) <= 10_000:
            raise InputError(f"process {self.name}: the run does not hold its M; train it again")
        known = self if int(M) == self.M else self._reaching(int(M))
        return known._of(super().restored({name: value for name, value in kept.items() if name != "M"}))

    def scatter(self, data: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where the field is learned: x + ε_x (1+τ)^m, z = |ε_z| (1+τ)^m, m uniform on [0, M] (equation 5).

        Points at grazing height, |ε_z| < σ/2, take m from the first 0.7 M only, as the published code does.

        Returns:
            Points `(batch, *shape)` and heights `(batch,)`, above 0.
        """
        n = len(data)
        noise = torch.randn((n, *data.shape[1:]), generator=generator, device=generator.device)
        height = torch.randn(n, generator=generator, device=generator.device).abs()
        share = torch.rand(n, generator=generator, device=generator.device)
        share = torch.where(height < 0.5, 0.7 * share, share)
        size = self.scale * self.sigma * torch.exp(share * (self.M or _TYPICAL_STEPS) * math.log1p(self.tau))
        x = data + sent(noise * per_item(size, noise), data.device, data.dtype)
        return x, sent((height * size).clamp_min(1e-10), data.device)

    def time_of(self, z: Tensor) -> Tensor:
        """The time at height z, below z_min too, of any shape."""
        return self.schedule.time_at(z / self.scale)

    def hemisphere(self, n: int, size: int, generator: torch.Generator) -> Tensor:
        """Uniform on the upper unit hemisphere of N + 1 dimensions, N = `size`: `(n, size + 1)`, float64."""
        point = torch.randn((n, size + 1), generator=generator, device=generator.device, dtype=torch.float64)
        point[:, -1] = point[:, -1].abs()
        return torch.nn.functional.normalize(point)

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """The hemisphere seen from its centre on the plane z_max: p ∝ (‖x‖² + z_max²)^{−(N+1)/2}.

        No radius is cut off, where the published code puts all beyond one bound on it.
        """
        point = self.hemisphere(n, math.prod(shape), generator)
        z_max = float(self.B(torch.tensor(self.t_max, dtype=torch.float64)))
        return (z_max * point[:, :-1] / point[:, -1:]).reshape(n, *shape).to(dtype)


def _schedule(sigma: float, tau: float, M: int) -> Exponential:
    """z from z_min to the mean of |ε_z| (1+τ)^M, exponential in time."""
    z_max = math.sqrt(2 / math.pi) * sigma * (1 + tau) ** (M or _TYPICAL_STEPS)
    return Exponential(_Z_MIN, max(z_max, 10 * _Z_MIN))


def pfgm(gamma: float = 5.0, sigma: float = 0.01, tau: float = 0.03, M: int = 0) -> Pfgm:
    """Charges as first published: the data's plane, a height z above it, a hemisphere (Xu 2022, PFGM)."""
    if not (0 <= gamma < math.inf and 0 < sigma < math.inf and 0 < tau < math.inf and 0 <= M <= 10_000):
        raise InputError(
            f"gamma={gamma:g}, sigma={sigma:g}, tau={tau:g}, M={M}: give gamma of 0 or more, sigma and tau "
            "above 0, and M up to 10000, or 0 to find it from the data"
        )
    name = spec.name_of("pfgm", pfgm, gamma=gamma, sigma=sigma, tau=tau, M=M)
    return Pfgm(name, _schedule(sigma, tau, M), StudentT(1.0), gamma=gamma, sigma=sigma, tau=tau, M=M)
