"""Capacitor: two charged plates, whose field lines carry one data set to the other (Kolesov 2025).

Charges +1 lie at the data y on the plate z = 0 and −1 at the partner's points on the plate z = L, in N + 1
dimensions. With r the distance to a charge the field is

    E(x, z) = Σ₊ w_i (x − y_i, z) / r_i^{N+1} − Σ₋ w_j (x − y_j, z − L) / r_j^{N+1}

and each line of it leads from a plus to a minus: dx/dz = E_x/E_z, both ways. The flux through the plane z is
the law of the particles that travel along the lines,

    p_z = ½ (p₊ * K_z + p₋ * K_{L−z})       K_h the N-dimensional Cauchy law of scale h (∇·E = 0 is continuity)

Half of a plate's lines leave it forwards. Where L is large beside the plates' radius R = s√N these are the ones
that come to the other plate from the front, within the slab: (R/L)^N is the share of the far plate's density
that others pass through. Whatever the plates are made of, a field is a weighted mean of displacements
and the logarithm of the weights' sum; the two plates' logarithms are brought together before any is
normalised, or their ratio, which is the physics, is lost. The clock is t = z/L; lengths in model units.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.physics.linear import DATA_STD
from unstir.physics.noise import StudentT
from unstir.physics.process import FlowProcess, check_state

_LARGEST_PLATE = 10_000  # points kept of the far plate
_ROOM = 1e-3  # of L: the clock ends this far before the far plate, where its charges are singular
_LEAK = 0.02  # (R/L)^N at the usual distance
_NEAREST = 1.5  # L/R at least: in many dimensions the leak alone would bring the plates together


class Plate(ABC):
    """Charges of total 1 in a plane, seen from the side."""

    @abstractmethod
    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        """The field's logarithm and direction at points off the plane.

        Args:
            x: `(batch, N)`, float64.
            height: above the plane, `(batch,)`, of either sign.

        Returns:
            log Σ w/r^{N+1}, `(batch,)`, and the mean of x − y with those weights, `(batch, N)`.
        """


@dataclass(frozen=True, eq=False)
class PointPlate(Plate):
    """Point charges.

    Attributes:
        points: `(points, N)`, equal shares.
    """

    points: Tensor

    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        y = self.points.to(x)
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        logs = -0.5 * (x.shape[1] + 1) * torch.log(squared + height[:, None].square())
        log_weight = torch.logsumexp(logs, 1)
        return log_weight - math.log(len(y)), x - torch.exp(logs - log_weight[:, None]) @ y


@dataclass(frozen=True)
class GaussianPlate(Plate):
    """Charges spread as N(0, s²I): 1/r^{N+1} as a mixture of Gaussians, of variance v, in closed form over x.

        ∫ N(y; 0, s²) r^{−(N+1)} dy = 2^{−a}/Γ(a) ∫ v^{−½} e^{−h²/2v} (s² + v)^{−N/2} e^{−‖x‖²/2(s²+v)} d ln v

    with a = (N+1)/2. The trapezoid rule in ln v converges faster than any power.
    """

    std: float

    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        N, s2 = x.shape[1], self.std**2
        h2 = height.square().clamp_min(1e-12 * s2)
        energy = x.square().sum(1)
        low = torch.log(h2 / 80)
        high = torch.log(100 * torch.maximum(torch.maximum(energy / N, h2), torch.full_like(h2, s2)))
        count = math.ceil(float((high - low).max()) / min(0.5, math.sqrt(2 / N))) + 1
        step = (high - low) / count
        u = low[:, None] + step[:, None] * torch.arange(count + 1, dtype=x.dtype, device=x.device)
        v = u.exp()
        total = s2 + v
        logs = -0.5 * (u + h2[:, None] / v + N * total.log() + energy[:, None] / total)
        log_sum = torch.logsumexp(logs, 1)
        a = 0.5 * (N + 1)
        log_weight = log_sum + step.log() - a * math.log(2) - math.lgamma(a)
        share = (torch.exp(logs - log_sum[:, None]) * v / total).sum(1)
        return log_weight, share[:, None] * x


def combined(plus: tuple[Tensor, Tensor, Tensor], minus: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The field of two plates over the sum of all weights, `(batch, N + 1)`.

    Args:
        plus: log weight `(batch,)`, mean displacement `(batch, N)` and height `(batch,)` over the plate.
        minus: the same of the other plate.
    """
    logs = torch.stack([plus[0], minus[0]], 1)
    a, b = torch.softmax(logs, 1).unbind(1)
    across = a[:, None] * plus[1] - b[:, None] * minus[1]
    return torch.cat([across, (a * plus[2] - b * minus[2])[:, None]], 1)


@dataclass(frozen=True, eq=False)
class Capacitor(FlowProcess):
    """Two plates, a distance apart.

    Attributes:
        spec_name: with parameters.
        distance: L over the radius s√N of a plate; 0 for the usual one.
        gamma: γ/√N of the normalised field √N E/(‖E‖ + γ).
        far: points of the far plate, `(points, *shape)`, or None for the Gaussian N(0, s²I).
    """

    spec_name: str
    distance: float
    gamma: float
    far: Tensor | None = None

    @property
    def name(self) -> str:
        return self.spec_name

    @property
    def t_min(self) -> float:
        return 0.0

    @property
    def t_max(self) -> float:
        return 1 - _ROOM

    def length(self, shape: Sequence[int]) -> float:
        """L for data of `shape`, in model units."""
        N = math.prod(shape)
        distance = self.distance or max(_NEAREST, _LEAK ** (-1 / N))
        return distance * DATA_STD * math.sqrt(N)

    def far_plate(self) -> Plate:
        """The minus charges."""
        return GaussianPlate(DATA_STD) if self.far is None else PointPlate(self.far.flatten(1))

    def far_points(self, n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw from the far plate, `(n, *shape)`, on the generator's device."""
        if self.far is None:
            return DATA_STD * torch.randn((n, *shape), generator=generator, device=generator.device)
        if tuple(self.far.shape[1:]) != tuple(shape):
            raise InputError(
                f"process {self.name}: its far plate has items of {tuple(self.far.shape[1:])}, not {tuple(shape)}"
            )
        index = torch.randint(len(self.far), (n,), generator=generator, device=generator.device)
        return self.far.to(index.device)[index]

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """A particle on a line, by the flux through the plane: x ~ ½ K_z(y) + ½ p₋ * K_{L−z}."""
        return self.on_lines(data, t, generator, math.inf)

    def on_lines(self, data: Tensor, t: Tensor, generator: torch.Generator, reach: float) -> Tensor:
        """As `perturb`, of particles that are less than `reach` L √N from the charge they come from or go to.

        Times below 0 or above 1 lie behind the plates; the law there is the mirror image.
        """
        check_state("data", data, t)
        shape, device = data.shape[1:], generator.device
        L = self.length(shape)
        far = self.far_points(len(data), shape, generator).to(data)
        side = torch.rand(len(data), generator=generator, device=device).to(data.device) < 0.5
        height = L * torch.where(side, t, 1 - t).abs().double()
        # K_h is h n/|g|, n and g normal; reach L > h/|g| is a bound on |g|, drawn by inversion.
        uniform = torch.rand(len(data), generator=generator, device=device, dtype=torch.float64)
        below = torch.erf(height / (reach * L * math.sqrt(2)))
        g = math.sqrt(2) * torch.erfinv(below + (1 - below) * uniform.to(data.device))
        normal = torch.randn(data.shape, generator=generator, device=device).to(data)
        scale = (height / g.clamp_min(1e-12)).to(data.dtype)
        origin = torch.where(_per_item(side, data), data, far)
        return origin + _per_item(scale, data) * normal

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Points of the far plate."""
        return self.far_points(n, shape, generator).to(dtype)

    def begin(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """The given items themselves, on the far plate."""
        return given

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> Capacitor:
        """With the partner's points as the far plate, where there is one.

        Raises:
            InputError: a partner whose items have another shape.
        """
        if partner is None:
            return self
        if partner.shape[1:] != items.shape[1:]:
            raise InputError(
                f"partner: its items have shape {tuple(partner.shape[1:])}, the data's {tuple(items.shape[1:])}; "
                "give data of one shape"
            )
        order = torch.randperm(len(partner), generator=torch.Generator().manual_seed(0))
        chosen = partner[order[:_LARGEST_PLATE].to(partner.device)]
        return dataclasses.replace(self, far=chosen.float().cpu().contiguous())

    def kept(self) -> dict[str, Tensor]:
        """The far plate's points, where it has some."""
        return {} if self.far is None else {"far": self.far}

    def restored(self, kept: Mapping[str, Tensor]) -> Capacitor:
        """With a kept far plate."""
        if set(kept) != {"far"} or not len(kept["far"]):
            raise InputError(
                f"process {self.name}: the run holds {', '.join(sorted(kept)) or 'nothing'} of it, not far; "
                "train it again"
            )
        return dataclasses.replace(self, far=kept["far"])

    def field_of(self, near: Plate, x: Tensor, t: Tensor) -> Tensor:
        """E over the sum of all weights, float64 `(batch, N + 1)`, of a near plate and this far one.

        Args:
            near: the plus charges.
            x: states `(batch, *shape)`.
            t: times `(batch,)`, z/L; outside of 0…1 behind the plates.
        """
        return self.field_between(near, self.far_plate(), x, t)

    def field_between(self, near: Plate, far: Plate, x: Tensor, t: Tensor) -> Tensor:
        """`field_of` with another far plate, such as a part of its points."""
        L, flat = self.length(x.shape[1:]), x.flatten(1).double()
        z = L * t.double()
        return combined((*near.pull(flat, z), z), (*far.pull(flat, z - L), z - L))

    def normalised(self, field: Tensor) -> Tensor:
        """√N E/(‖E‖ + γ), what a network learns, `(batch, N + 1)`."""
        root = math.sqrt(field.shape[1] - 1)
        return root * field / (field.norm(dim=1, keepdim=True) + root * self.gamma)

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        shape = x.shape[1:]
        N, L = math.prod(shape), self.length(shape)
        flat, z = x.flatten(1).double(), L * t.double()
        squared = torch.cdist(flat, data.flatten(1).to(flat)).square()
        cauchy = StudentT(1.0)
        own = cauchy.log_density(squared / z[:, None] ** 2, N) - N * torch.log(z)[:, None]
        return torch.logaddexp(own, self._log_far_flux(flat, L - z)[:, None]) - math.log(2)

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """E/E_z of one charge at `data` and the far plate, `(batch, N + 1)`: its posterior mean is that of all."""
        L, flat = self.length(x.shape[1:]), x.flatten(1).double()
        z = L * t.double()
        across = flat - data.flatten(1).double()
        squared = across.square().sum(1) + z.square()
        near = (-0.5 * (flat.shape[1] + 1) * torch.log(squared), across, z)
        field = combined(near, (*self.far_plate().pull(flat, z - L), z - L))
        return (field / field[:, -1:]).to(x.dtype)

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt = L E_x/E_z from the field, `(batch, N + 1)`, of any positive length."""
        across, along = prediction[:, :-1], prediction[:, -1:]
        return (self.length(x.shape[1:]) * across / along).reshape(x.shape)

    def times(self, n: int) -> Tensor:
        """`n` times from t_max to t_min: fine near the plates, where fields have the data's own scale."""
        return _spaced(n, self.t_max, _FIRST)

    def _log_far_flux(self, x: Tensor, height: Tensor) -> Tensor:
        """log p₋ * K_h: E_z of the far plate, in units in which the flux through the plane is 1."""
        N = x.shape[1]
        log_weight, _ = self.far_plate().pull(x, height)
        return log_weight + torch.log(height) + math.lgamma(0.5 * (N + 1)) - 0.5 * (N + 1) * math.log(math.pi)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capacitor) and self.name == other.name

    def __hash__(self) -> int:
        return hash((Capacitor, self.name))


_FIRST = 2e-3  # the last time before the near plate


def _spaced(n: int, top: float, bottom: float) -> Tensor:
    """`n` times falling from `top` to 0, the last before it `bottom`: even in ln(t + …) at both ends."""
    if n < 2:
        raise ValueError(f"n={n}: at least two times are needed")
    low, high = math.asinh(bottom / _BEND) - math.asinh(1 / _BEND), math.asinh(1 / _BEND) - math.asinh(
        (1 - top) / _BEND
    )
    u = torch.linspace(high, low, n - 1, dtype=torch.float64)
    return torch.cat([level_time(u), torch.zeros(1, dtype=torch.float64)])


_BEND = 0.01


def time_level(t: Tensor) -> Tensor:
    """asinh(t/b) − asinh((1−t)/b), b = 0.01: a coordinate that is fine at both plates and knows behind from before."""
    return torch.asinh(t / _BEND) - torch.asinh((1 - t) / _BEND)


def level_time(level: Tensor) -> Tensor:
    """The time between the plates that has a level, by bisection."""
    low, high = torch.zeros_like(level), torch.ones_like(level)
    for _ in range(50):
        middle = 0.5 * (low + high)
        under = time_level(middle) < level
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    return 0.5 * (low + high)


def _per_item(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def capacitor(L: float = 0.0, gamma: float = 0.02) -> Capacitor:
    """Two charged plates: field lines lead from data to a Gaussian or to other data (Kolesov 2025)."""
    if not 0 <= L <= 1000:
        raise InputError(f"L={L:g}: give the plates' distance in units of their radius, such as 2, or 0 for the usual one")
    if not 0 <= gamma <= 10:
        raise InputError(f"gamma={gamma:g}: give a number from 0 to 10, such as 0.02")
    return Capacitor(spec.name_of("capacitor", capacitor, L=L, gamma=gamma), L, gamma)
