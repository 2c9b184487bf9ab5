"""What lies between two states of a prior, each family by its own law.

A straight line between two draws of noise leaves the noise's law: half-way its length is down by √2, and a
flow carries it to what is no item at all. Noise that is a radial mixture has a direction, uniform on the
sphere, and a radius of its own law:

    direction     along the great circle between the two, at equal speed
    radius        r₀^{1−s} r₁^s

which keeps normal noise on its shell, and of heavy tails never leaves the range of the ends. Others come to
such noise first: Langevin's velocities by their variance, and Kac flow, whose coordinates run on their own,
coordinate by coordinate through Φ⁻¹ of their law. Blurred data, where they are the prior, go straight.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.ascent import last_time
from unstir.physics import HeatProcess, Kac, LangevinProcess, LinearProcess, Process
from unstir.physics.kinds import serving

P = TypeVar("P", bound=Process)

_NODES = 20_001  # of the table of a coordinate's law
_FURTHEST = 8.0  # deviations of a normal law that the table reaches


def between(process: Process, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """States between two of the prior, `(shares, batch, *state_shape)`.

    Args:
        process: whose prior it is.
        first: `(batch, *state_shape)`, given back where the share is 0.
        second: likewise, where it is 1.
        share: `(shares,)`, of the way from the first to the second.

    Raises:
        InputError: shapes that differ, or a process whose prior is not known so well.
    """
    if first.shape != second.shape or first.ndim < 2:
        raise InputError(
            f"states of shapes {tuple(first.shape)} and {tuple(second.shape)}: give two batches alike"
        )
    missing = f"process {process.name}: nothing lies between two states of its prior"
    way = serving(_WAYS, process, missing)(process)
    path = [way.at(first.double(), second.double(), s).to(first) for s in share.tolist()]
    return torch.stack(path)


def great_circle(first: Tensor, second: Tensor, s: float) -> Tensor:
    """Between rows `(batch, N)`: directions along the great circle, radii by their geometric mean."""
    radii: list[Tensor] = [
        row.norm(dim=1, keepdim=True).clamp_min(torch.finfo(row.dtype).tiny) for row in (first, second)
    ]
    a, b = first / radii[0], second / radii[1]
    # Of nearly equal directions an arc cosine would keep half the digits.
    angle = 2 * torch.atan2((a - b).norm(dim=1, keepdim=True), (a + b).norm(dim=1, keepdim=True))
    whole = angle.sin()
    near = whole.abs() < 1e-9
    safe = torch.where(near, 1.0, whole)
    weights = [
        torch.where(near, part, (part * angle).sin() / safe)
        for part in (torch.full_like(angle, 1 - s), torch.full_like(angle, s))
    ]
    direction = weights[0] * a + weights[1] * b
    length = direction.norm(dim=1, keepdim=True).clamp_min(torch.finfo(first.dtype).tiny)
    radius = radii[0].pow(1 - s) * radii[1].pow(s)
    found: Tensor = direction * (radius / length)
    return found


class _Way(ABC, Generic[P]):
    def __init__(self, process: P) -> None:
        self.process = process

    @abstractmethod
    def at(self, first: Tensor, second: Tensor, s: float) -> Tensor:
        """The states at a share of the way, `(batch, *state_shape)`, float64."""


class _Radial(_Way[P]):
    """Noise whose direction is uniform."""

    def at(self, first: Tensor, second: Tensor, s: float) -> Tensor:
        u, v = (self.whitened(part).flatten(1) for part in (first, second))
        return self.coloured(great_circle(u, v, s).reshape(first.shape))

    def whitened(self, states: Tensor) -> Tensor:
        """Of uniform direction."""
        return states

    def coloured(self, white: Tensor) -> Tensor:
        """The inverse of `whitened`."""
        return white


class _Phase(_Radial[LangevinProcess]):
    """Positions of variance 1, velocities of variance M."""

    def whitened(self, states: Tensor) -> Tensor:
        x, v = states.chunk(2, 1)
        return torch.cat([x, v / math.sqrt(self.process.mass)], 1)

    def coloured(self, white: Tensor) -> Tensor:
        x, v = white.chunk(2, 1)
        return torch.cat([x, v * math.sqrt(self.process.mass)], 1)


class _Coordinates(_Radial[Kac]):
    """Coordinates of one law each, which Φ⁻¹ of it makes normal; from a table, straight beyond its ends."""

    def __init__(self, process: Kac) -> None:
        super().__init__(process)
        end = last_time(process)
        reach = process.speed * end + _FURTHEST * process.width
        k = torch.linspace(-reach, 0, _NODES, dtype=torch.float64)
        time = torch.full((_NODES,), end, dtype=torch.float64)
        density = process.log_kernel(k[:, None], torch.zeros(1, 1, dtype=torch.float64), time)[:, 0].exp()
        mass = torch.cumulative_trapezoid(density, k)
        # Half the law lies below 0.
        share = 0.5 * mass / mass[-1]
        kept = share > torch.special.ndtr(torch.tensor(-_FURTHEST, dtype=torch.float64))
        k, score = k[1:][kept], torch.special.ndtri(share[kept])
        self._k, self._score = torch.cat([k, -k[:-1].flip(0)]), torch.cat([score, -score[:-1].flip(0)])

    def whitened(self, states: Tensor) -> Tensor:
        return _looked_up(states, self._k, self._score)

    def coloured(self, white: Tensor) -> Tensor:
        return _looked_up(white, self._score, self._k)


class _Blurred(_Way[HeatProcess]):
    """What is left of the data goes straight, the noise in all other modes as noise does."""

    def at(self, first: Tensor, second: Tensor, s: float) -> Tensor:
        modes = self.process.modes
        if modes is None:
            raise InputError(f"process {self.process.name}: its prior is blurred data; prepare it on some")
        u, v = (self.process.basis.coordinates(part).flatten(1) for part in (first, second))
        noise = torch.ones(u.shape[1], dtype=torch.bool, device=u.device)
        noise[modes.to(u.device)] = False
        out = torch.lerp(u, v, s)
        if bool(noise.any()):
            out[:, noise] = great_circle(u[:, noise], v[:, noise], s)
        return self.process.basis.state(out.reshape(first.shape))


def _looked_up(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """y at values of x by straight lines, which go on beyond the table's ends; x and y rise."""
    x, y = x.to(values.device), y.to(values.device)
    at = torch.searchsorted(x, values.contiguous()).clamp(1, len(x) - 1)
    low, high = x[at - 1], x[at]
    return y[at - 1] + (values - low) / (high - low) * (y[at] - y[at - 1])


_WAYS: Mapping[type[Any], type[_Way[Any]]] = {
    LinearProcess: _Radial,
    HeatProcess: _Blurred,
    LangevinProcess: _Phase,
    Kac: _Coordinates,
}
