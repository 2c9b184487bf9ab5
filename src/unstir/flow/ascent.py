"""The deterministic flow from data to prior, each family in variables and on a clock in which it is tame.

    linear     z = x/√(A²s² + B²) on ln σ = ln B/A  dz/d ln σ = (s² u/(s² + σ²) − D)/√(s² + σ²)    u = x/A
    in time    z = x              on t              dz/dt = v(x, t)          heat, of constant noise
    fronts     z = x              on t              the same, up to where the prior has atoms: Kac flow
    phase      z = (x, v)         on ln t           dz/d ln t = t v(u, t)    Langevin diffusion
    bridge     z = (u − W x₁)/√(r² + σ²) on ln σ    as linear, of x₀ given x₁
    plates     z = x              on ln t/(1−t)     dz/ds = t (1−t) v(x, t)  capacitor (`slab.py`)

A flow of these leads from the density of its prior to that of the data at `t_min` (`likelihood.py`) and back
from data to the state of the prior that they come from (`encode.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field
from unstir.flow.ascending import Ascent, Entry, TimeAscent
from unstir.flow.slab import SlabAscent
from unstir.flow.streams import Streams
from unstir.physics import (
    Bridge,
    Capacitor,
    CoinProcess,
    CosineModes,
    HeatProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
    Process,
)
from unstir.physics.kinds import nearest, serving
from unstir.physics.linear import DATA_STD

_SMALLEST_SIGNAL = 1e-6  # stands in for A where it is 0
# The noise in all that a state of Langevin diffusion tells of the data, where its flow begins: as in EDM.
_PHASE_START = 0.002
_BRIDGE_ENDS = (0.002, 80.0)  # σ, as in EDM
_MODES = CosineModes()


class LinearAscent(Ascent[LinearProcess]):
    """z in the coordinates of the basis, which does not move where the data are normal.

    With u = x/A, du/d ln σ = u − D. Of normal data of the deviation s that the process was fitted to,
    D = s² u/(s² + σ²), and u/√(s² + σ²) stays: what moves is what the data are beside.
    """

    def __init__(self, process: LinearProcess, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
        A = process.A(ends).clamp_min(_SMALLEST_SIGNAL)
        self.clock = (process.B(ends) / A).log()
        self._std = DATA_STD * process.scale
        # x = size · z
        self._size: list[float] = (A * self._width(self.clock)).tolist()

    def _width(self, s: Tensor) -> Tensor:
        return (self._std**2 + (2 * s).exp()).sqrt()

    def signal(self) -> Tensor:
        return self.process.signal(torch.tensor(self.process.t_min, dtype=torch.float64), self.shape)

    def _scaled(self, data: Tensor, A: Tensor) -> Tensor:
        basis = self.process.basis
        return basis.state(A * basis.coordinates(data))

    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        return self._entry(self.process.basis.coordinates(x) / self._size[0], 0)

    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        # The solver's guess of a first step may look beyond the end.
        s = s.clamp(self.clock[0], self.clock[1])
        time, width = self.process.time_at(s.exp()), self._width(s)
        A = float(self.process.B(time) / s.exp())
        x = self.process.basis.state(z * (A * float(width)))
        d = self.process.basis.coordinates(self.field.at(float(time))(x, label))
        d = d if self.process.damping is None else d * self.process.relative(time, self.shape).to(d)
        return z * float(self._std**2 / width**2) - d / float(width)

    def leave(self, z: Tensor) -> Entry:
        x = self.process.basis.state(z * self._size[1])
        return self._entry(x, 1)

    def _entry(self, state: Tensor, end: int) -> Entry:
        return Entry(state, -math.prod(self.shape) * math.log(self._size[end]))

    def log_prior(self, x: Tensor) -> Tensor:
        return self.process.log_prior(x)

    def arrive(self, x: Tensor) -> Tensor:
        return self.process.basis.coordinates(x) / self._size[1]

    def _state(self, z: Tensor) -> Tensor:
        return self.process.basis.state(z * self._size[0])


class HeatAscent(TimeAscent[HeatProcess]):
    """Inverse heat dissipation: its noise level never changes, its blur does."""

    def signal(self) -> Tensor:
        return self.process.signal(torch.tensor(self.process.t_min, dtype=torch.float64), self.shape)

    def _scaled(self, data: Tensor, A: Tensor) -> Tensor:
        basis = self.process.basis
        return basis.state(A * basis.coordinates(data))

    def log_prior(self, x: Tensor) -> Tensor:
        return self.process.log_prior(x)


def last_time(process: Kac) -> float:
    """The time before t_max at which what is left of the data is as wide as an atom of `log_kernel`."""
    left = process.width / (0.5 * process.scale)
    return process.t_max - left * (process.t_max - process.t_min)


class KacAscent(TimeAscent[Kac]):
    """Kac flow up to where what is left of the data is as wide as an atom of `log_kernel`.

    At t_max the prior has atoms, at ±c g, and no density. A little before, each of them is blurred by the
    data's deviation: the law of `log_kernel` about a datum of 0.
    """

    def __init__(self, process: Kac, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        self.clock[1] = last_time(process)

    def signal(self) -> Tensor:
        return self.process.f(torch.tensor(self.process.t_min, dtype=torch.float64)).reshape(1)

    def log_prior(self, x: Tensor) -> Tensor:
        t = torch.full((len(x),), float(self.clock[1]), dtype=torch.float64, device=x.device)
        return self.process.log_kernel(x, torch.zeros(1, *self.shape, dtype=x.dtype, device=x.device), t)[
            :, 0
        ]


class PhaseAscent(Ascent[LangevinProcess]):
    """Langevin diffusion, from positions with velocities drawn from the law q that they have there.

    A little after t_min, u = a y + L ε. Of data that are smooth at the size of this noise, any y is as likely
    beforehand as another: q(v | x) is the law of v − x a_v/a_x, which does not depend on y.

    For any q, E_q[ln p(x, v) − ln q(v | x)] ≤ ln p(x) (Dockhorn 2022, appendix B.4): a bound from below, and
    the nearer the smoother the data.
    """

    def __init__(self, process: LangevinProcess, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        start = process.time_at(torch.tensor([_PHASE_START]))
        self.clock = torch.tensor([float(start[0]), process.t_max], dtype=torch.float64).log()
        a, root = (part[0] for part in process.kernel(start))
        self._signal, self._lag = float(a[0]), float(a[1] / a[0])
        self._deviation = math.hypot(float(root[1, 0]) - self._lag * float(root[0, 0]), float(root[1, 1]))

    def signal(self) -> Tensor:
        return torch.tensor([self._signal], dtype=torch.float64)

    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        if streams is None:
            return Entry(torch.cat([x, self._lag * x], 1), 0.0)
        n = streams.draw(lambda g: torch.randn((1, *x.shape[1:]), generator=g, dtype=x.dtype)).to(x.device)
        log_q = -0.5 * n.double().flatten(1).square().sum(1)
        log_q = log_q - math.prod(self.shape) * (0.5 * math.log(2 * math.pi) + math.log(self._deviation))
        return Entry(torch.cat([x, self._lag * x + self._deviation * n], 1), -log_q)

    def grid(self, steps: int) -> Tensor:
        """Evenly in √t: the bath's work is done late."""
        first, last = (0.5 * self.clock).exp().tolist()
        grid = 2 * torch.linspace(first, last, steps + 1, dtype=torch.float64).log()
        grid[0], grid[-1] = self.clock
        return grid

    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        time = float(s.clamp(self.clock[0], self.clock[1]).exp())
        t = torch.full((len(z),), time, dtype=torch.float64, device=z.device)
        return time * self.process.velocity(z, t, self.field.at(time)(z, label)).to(z.dtype)

    def leave(self, z: Tensor) -> Entry:
        return Entry(z, 0.0)

    def log_prior(self, x: Tensor) -> Tensor:
        return self.process.log_prior(x)

    def arrive(self, x: Tensor) -> Tensor:
        return x

    def _state(self, z: Tensor) -> Tensor:
        return z.chunk(2, 1)[0]


class BridgeAscent(Ascent[Bridge]):
    """A bridge told where it begins is a diffusion of x₀ alone: its density is that of x₀ given x₁.

        u = (x_t − t x₁)/(1 − t) = x₀ + σ n      σ² = Σ² t/(1 − t)      du/d ln σ = u − E[x₀ | x_t, x₁]

    z are the cosine modes of u about Wiener's guess W x₁ of them, over √(r² + σ²) with r² what that leaves.
    They stand still where the pairs are normal. At the end, where the noise drowns all else, their law is
    normal of variance 1 about (E[x₀ | x₁] − W x₁)/√(r² + σ²), with the mean from the field there.
    Items and states are pairs (x₀, x₁), as channels one after the other.
    """

    def __init__(self, process: Bridge, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        if shape[0] % 2:
            raise InputError(
                f"data: has {shape[0]} channels; of process {process.name} an item is a pair, the clean "
                "image and the degraded one, as channels one after the other"
            )
        self.clock = torch.tensor(_BRIDGE_ENDS, dtype=torch.float64).log()
        self._factor, self._left, _ = process.wiener((shape[0] // 2, *shape[1:]))
        self._start = self._guess = torch.empty(0)
        self._label: Tensor | None = None

    def signal(self) -> Tensor:
        return torch.ones(1, dtype=torch.float64)

    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        u, self._start = x.chunk(2, 1)
        self._guess = self._factor.to(x) * _MODES.coordinates(self._start)
        width = self._width(self.clock[0]).to(x.device)
        z = (_MODES.coordinates(u) - self._guess) / width.to(x)
        return Entry(z, -float(width.log().sum()))

    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        self._label = label
        width, left = self._width(s).to(z), self._left.to(z)
        return z * left / width**2 - self._beside(s, z, label) / width

    def _beside(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        """Modes of what the field answers, about Wiener's guess."""
        s = s.clamp(self.clock[0], self.clock[1])
        width, guess = self._width(s).to(z), self._guess.to(z)
        t = float(1 / (1 + self.process.sigma**2 * (-2 * s).exp()))
        start = self._start.to(z)
        u = _MODES.state(guess + width * z)
        clean = self.field.at(t)(torch.cat([(1 - t) * u + t * start, start], 1), label)
        return _MODES.coordinates(clean) - guess

    def leave(self, z: Tensor) -> Entry:
        s = self.clock[1]
        width, left = self._width(s).to(z), self._left.to(z)
        # D = m + r²/(r² + σ²) (u − m)
        share = left / width**2
        mean = (self._beside(s, z.to(self._start), self._label).to(z) - share * width * z) / (1 - share)
        return Entry(z - mean / width, 0.0)

    def log_prior(self, x: Tensor) -> Tensor:
        z = x.flatten(1).double()
        return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))

    def arrive(self, x: Tensor) -> Tensor:
        return x

    def _state(self, z: Tensor) -> Tensor:
        guess = self._guess.to(z)
        return _MODES.state(guess + self._width(self.clock[0]).to(z) * z)

    def _width(self, s: Tensor) -> Tensor:
        return (self._left + (2 * s).exp()).sqrt()


# The nearest class of a process decides.
_ASCENTS: Mapping[type[Process], type[Ascent[Any]]] = {
    LinearProcess: LinearAscent,
    HeatProcess: HeatAscent,
    Kac: KacAscent,
    LangevinProcess: PhaseAscent,
    Bridge: BridgeAscent,
    Capacitor: SlabAscent,
}
_WITHOUT: Mapping[type[Process], str] = {
    CoinProcess: "its states turn at random, along no flow; of their likelihood nats_bound is a bound",
}


def ascent(process: Process, field: Field, shape: tuple[int, ...]) -> Ascent[Any]:
    """The flow of a process from its data up.

    Args:
        process: any with a deterministic flow from a prior whose density is known.
        field: its field.
        shape: of one item.

    Raises:
        InputError: there is no such flow, or no such prior.
    """
    why = nearest(_WITHOUT, process)
    missing = f"process {process.name}: has no flow from data to a known prior"
    kind = serving(_ASCENTS, process, missing if why is None else f"{missing}: {why}")
    return kind(process, field, shape)
