"""Capacitor: two charged plates, whose field lines carry one data set to the other (Kolesov 2025).

Charges +1 lie at the data y on the plate z = 0 and −1 at the partner's points on the plate z = L, in N + 1
dimensions. With r the distance to a charge the field is

    E(x, z) = Σ₊ w_i (x − y_i, z)/r_i^{N+1} − Σ₋ w_j (x − y_j, z − L)/r_j^{N+1}

and each line of it leads from a plus to a minus: dx/dz = E_x/E_z, both ways. The flux through the plane z is
the law of the particles that travel along the lines, and ∇·E = 0 their continuity:

    p_z = ½ (p₊ * K_z + p₋ * K_{L−z})       K_h the N-dimensional Cauchy law of scale h

Half of a plate's lines leave it forwards. Where L is large beside the plates' radius R = s√N, nearly all of
these come to the other plate from the front, and front lines alone carry one law to the other. The others
pass between the charges and come to them from behind, a tenth to a quarter of them at usual L: lines must be
followed there too (`flow/plates.py`). Both plates' weights are known by their logarithms, which are brought
together before any is normalised: else their ratio, which is the physics, is lost. The clock is t = z/L;
lengths are in model units.
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
from unstir.physics.linear import DATA_STD
from unstir.physics.noise import StudentT
from unstir.physics.plate import GaussianPlate, Plate, PointPlate, combined
from unstir.physics.process import FlowProcess, check_kept, check_state, per_item

_FIRST = 2e-3  # the last time before the near plate
_BEND = 0.1  # of s: nearer to a plate than this times are told apart evenly, further off by their logarithm
_BEND_OF_TIMES = 0.01  # of L, where no shape is known
_LARGEST_PLATE = 10_000  # points kept of the far plate
_ROOM = 1e-3  # of L: the clock ends this far before the far plate, where its charges are singular
_LEAK = 0.02  # (R/L)^N at the usual distance
_NEAREST = 2.0  # L/R at least: in many dimensions the leak alone would bring the plates together


@dataclass(frozen=True, eq=False)
class Capacitor(FlowProcess):
    """Two plates, a distance apart.

    Attributes:
        spec_name: with parameters.
        distance: L over the radius s√N of a plate; 0 for the usual one.
        far: points of the far plate, `(points, *shape)`, or None for the Gaussian N(0, s²I).
    """

    spec_name: str
    distance: float
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

    def bend(self, shape: Sequence[int]) -> float:
        """The time from a plate at which its charges, seen from there, begin to blur: a tenth of s."""
        return _BEND * DATA_STD / self.length(shape)

    def far_plate(self) -> Plate:
        """The minus charges."""
        return GaussianPlate(DATA_STD) if self.far is None else PointPlate(self.far.flatten(1))

    def far_points(self, n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw from the far plate, `(n, *shape)`, on the generator's device."""
        if self.far is None:
            return DATA_STD * torch.randn((n, *shape), generator=generator, device=generator.device)
        if tuple(self.far.shape[1:]) != tuple(shape):
            raise InputError(
                f"process {self.name}: its far plate has items of shape {tuple(self.far.shape[1:])}, "
                f"not {tuple(shape)}"
            )
        index = torch.randint(len(self.far), (n,), generator=generator, device=generator.device)
        return self.far.to(index.device)[index]

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """A particle on a line, by the flux through the plane: x ~ ½ K_z(y) + ½ p₋ * K_{L−z}."""
        return self.on_lines(data, t, generator, math.inf, torch.full_like(t, 0.5))

    def on_lines(
        self, data: Tensor, t: Tensor, generator: torch.Generator, reach: float, near: Tensor
    ) -> Tensor:
        """As `perturb`, of particles that are less than `reach` L √N from the charge they come from or go to.

        A share `near`, `(batch,)`, of them is reckoned from the near plate: ½ by the flux.

        Times below 0 or above 1 lie behind the plates; the law there is the mirror image.
        """
        check_state("data", data, t)
        shape, device = data.shape[1:], generator.device
        L = self.length(shape)
        far = sent(self.far_points(len(data), shape, generator), data.device, data.dtype)
        side = sent(torch.rand(len(data), generator=generator, device=device), data.device) < near
        height = L * torch.where(side, t, 1 - t).abs().double()
        # K_h is h n/|g|, n and g normal; reach L > h/|g| is a bound on |g|, drawn by inversion.
        uniform = torch.rand(len(data), generator=generator, device=device, dtype=torch.float64)
        below = torch.erf(height / (reach * L * math.sqrt(2)))
        g = math.sqrt(2) * torch.erfinv(below + (1 - below) * sent(uniform, data.device))
        normal = sent(torch.randn(data.shape, generator=generator, device=device), data.device, data.dtype)
        scale = height / g.clamp_min(1e-12)
        origin = torch.where(side.reshape(-1, *(1,) * len(shape)), data, far)
        return origin + per_item(scale, data) * normal

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
                f"partner: its items have shape {tuple(partner.shape[1:])}, "
                f"the data's {tuple(items.shape[1:])}; give data of one shape"
            )
        order = torch.randperm(len(partner), generator=torch.Generator().manual_seed(0))
        chosen = partner[order[:_LARGEST_PLATE].to(partner.device)]
        return dataclasses.replace(self, far=chosen.float().cpu().contiguous())

    def kept(self) -> dict[str, Tensor]:
        """The far plate's points, where it has some."""
        return {} if self.far is None else {"far": self.far}

    def restored(self, kept: Mapping[str, Tensor]) -> Capacitor:
        """With a kept far plate."""
        check_kept(self.name, kept, "far", fits=set(kept) == {"far"} and len(kept["far"]) > 0)
        return dataclasses.replace(self, far=kept["far"])

    def pulled(self, near: Plate, far: Plate, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """`combined` of two plates at states `(batch, *shape)` and times `(batch,)`, in float64.

        Times are z/L, outside of 0…1 behind the plates.
        """
        L, flat = self.length(x.shape[1:]), x.flatten(1).double()
        z = L * t.double()
        return combined(near.pull(flat, z), far.pull(flat, z - L))

    def field(self, logit: Tensor, across: Tensor, t: Tensor, shape: Sequence[int]) -> Tensor:
        """E over the sum of all weights, from what `pulled` gives, `(batch, N + 1)`; the last along z."""
        z, a = self.length(shape) * t.double(), torch.sigmoid(logit.double())
        along = a * z + torch.sigmoid(-logit.double()) * (self.length(shape) - z)
        return torch.cat([across, along[:, None].to(across)], 1)

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        shape = x.shape[1:]
        N, L = math.prod(shape), self.length(shape)
        flat, z = x.flatten(1).double(), L * t.double()
        squared = torch.cdist(flat, data.flatten(1).to(flat)).square()
        cauchy = StudentT(1.0)
        own = cauchy.log_density(squared / z[:, None] ** 2, N) - N * torch.log(z)[:, None]
        return torch.logaddexp(own, log_flux(self.far_plate(), flat, L - z)[:, None]) - math.log(2)

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """E/E_z of one charge at `data` and the far plate, `(batch, N + 1)`; of all, its posterior mean."""
        L, flat = self.length(x.shape[1:]), x.flatten(1).double()
        z = L * t.double()
        across = flat - data.flatten(1).double()
        log_weight = -0.5 * (flat.shape[1] + 1) * torch.log(across.square().sum(1) + z.square())
        pulled = combined((log_weight, across), self.far_plate().pull(flat, z - L))
        field = self.field(*pulled, t, x.shape[1:])
        return (field / field[:, -1:]).to(x.dtype)

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt = L E_x/E_z from the field, `(batch, N + 1)`, of any positive length."""
        across, along = prediction[:, :-1], prediction[:, -1:]
        return (self.length(x.shape[1:]) * across / along).reshape(x.shape)

    def times(self, n: int) -> Tensor:
        """`n` times from t_max to t_min: fine near the plates, where fields have the data's own scale."""
        if n < 2:
            raise ValueError(f"n={n}: at least two times are needed")
        ends = torch.tensor([self.t_max, _FIRST], dtype=torch.float64)
        first, last = time_level(ends, _BEND_OF_TIMES).unbind()
        levels = torch.linspace(float(first), float(last), n - 1, dtype=torch.float64)
        return torch.cat([level_time(levels, _BEND_OF_TIMES), torch.zeros(1, dtype=torch.float64)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capacitor) and self.name == other.name

    def __hash__(self) -> int:
        return hash((Capacitor, self.name))


def log_flux(plate: Plate, x: Tensor, height: Tensor) -> Tensor:
    """ln of a plate's law blurred by K_h, `(batch,)`: E_z of it, in units in which its flux is 1.

    Args:
        plate: of charges of total 1.
        x: `(batch, N)`, float64.
        height: above it, `(batch,)` or one number.
    """
    N = x.shape[1]
    log_weight, _ = plate.pull(x, height.expand(len(x)))
    return log_weight + torch.log(height) + math.lgamma(0.5 * (N + 1)) - 0.5 * (N + 1) * math.log(math.pi)


def time_level(t: Tensor, bend: float) -> Tensor:
    """asinh(t/bend) − asinh((1−t)/bend): rises with t, fine at both plates, and goes on behind them."""
    return torch.asinh(t / bend) - torch.asinh((1 - t) / bend)


def level_time(level: Tensor, bend: float) -> Tensor:
    """The time between the plates that has a level, float64, by bisection."""
    low, high = torch.zeros_like(level, dtype=torch.float64), torch.ones_like(level, dtype=torch.float64)
    for _ in range(50):
        middle = 0.5 * (low + high)
        under = time_level(middle, bend) < level
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    return 0.5 * (low + high)


def capacitor(L: float = 0.0) -> Capacitor:
    """Two charged plates: field lines lead from data to a Gaussian or to other data (Kolesov 2025)."""
    if not 0 <= L <= 1000:
        raise InputError(
            f"L={L:g}: give the plates' distance in units of their radius, such as 2, or 0 for the usual one"
        )
    return Capacitor(spec.name_of("capacitor", capacitor, L=L), L)
