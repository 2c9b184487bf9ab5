"""Along the field lines of a capacitor, wherever they lead: in the slab, and behind either plate.

    dx̃/dτ = ∓E(x̃)      x̃ = (x, z), E over the sum of all weights

from the far plate to the near one (−) or back (+). Near a charge E is the displacement from it, so that in τ
a line leaves one charge and comes to the other exponentially: no step is too long at either end, none is
wasted between, and nothing happens where E_z changes sign. A line that passes by the charges of a plate goes
on behind it, turns, and comes to them from there. Lines leave a point charge evenly in all directions, and so
they are started, a little way off it, in the front half or in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics import DATA_STD, Capacitor

# τ for the way between the plates, beyond the logarithms of leaving and coming.
_BETWEEN = {"front": 4.0, "both": 16.0}


@dataclass(frozen=True)
class Lines(Solver[Capacitor]):
    """Heun's rule along the lines: two evaluations a step.

    Attributes:
        direction: `backward` from the far plate to the data's, `forward` from the data's to the far one: then
            give items of data to start from.
        side: `front`, where lines start into the slab, or `both`, all lines there are.
        launch: how far off its charge a line starts, and how near it comes before it ends, over the data's s.
    """

    direction: str = "backward"
    side: str = "front"
    launch: float = 0.01
    stochastic = True

    @property
    def needs_start(self) -> bool:
        return self.direction == "forward"

    def __post_init__(self) -> None:
        if self.direction not in ("backward", "forward"):
            raise InputError(f"direction={self.direction}: lines are followed backward or forward")
        if self.side not in _BETWEEN:
            raise InputError(f"side={self.side}: lines start on the front side, or on both")
        if not 0 < self.launch < 1:
            raise InputError(
                f"launch={self.launch:g}: give a small share of the data's deviation, such as 0.01"
            )

    def walk(
        self, path: Path[Capacitor], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        shape, steps = x.shape, len(path.times) - 1
        way = _Way(path, shape[1:], x.dtype, label, 1.0 if self.direction == "forward" else -1.0)
        h = self._duration(way.L) / max(steps, 1)
        point = self._launched(x, way.L, streams)
        for i in range(steps):
            slope, field = way.slope(point)
            middle = point + h * slope
            point = point + 0.5 * h * (slope + way.slope(middle)[0])
            if i == steps - 1:
                field = way.field(point)
                point = point + way.sign * field
            yield point[:, :-1].reshape(shape).to(x.dtype), field.to(x.dtype)

    def _launched(self, x: Tensor, L: float, streams: Streams) -> Tensor:
        """Places in N + 1 dimensions a little way off the charges, `(batch, N + 1)`, float64."""
        normal, uniform = streams.normal(x)
        along = math.sqrt(2) * torch.erfinv(2 * uniform.to(x.device) - 1)
        forward = self.direction == "forward"
        if self.side == "front":
            along = along.abs() if forward else -along.abs()
        ray = torch.cat([normal.flatten(1).double(), along[:, None]], 1)
        point = torch.cat([x.flatten(1).double(), torch.full_like(along[:, None], 0.0 if forward else L)], 1)
        off: Tensor = self.launch * DATA_STD * ray / ray.norm(dim=1, keepdim=True)
        return point + off

    def finish(self, path: Path[Capacitor], x: Tensor, label: Tensor | None) -> Tensor:
        return x  # the last step went to the charge itself

    def times(self, process: Capacitor, steps: int) -> list[float]:
        # Each line has a clock of its own; these only count the steps.
        return torch.linspace(process.t_max, process.t_min, steps + 1, dtype=torch.float64).tolist()

    def usual_steps(self, process: Capacitor) -> int:
        return 30 if self.side == "front" else 80

    def evaluations(self, steps: int) -> int:
        return 2 * steps + 1

    def _duration(self, L: float) -> float:
        """τ from charge to charge."""
        return 2 * math.log(L / (self.launch * DATA_STD)) + _BETWEEN[self.side]


@dataclass(frozen=True)
class _Way:
    """The lines' equation at places in N + 1 dimensions.

    Attributes:
        path: process and field.
        shape: of one item.
        dtype: that the field is given.
        label: class numbers or None.
        sign: +1 along the field, −1 against it.
    """

    path: Path[Capacitor]
    shape: torch.Size
    dtype: torch.dtype
    label: Tensor | None
    sign: float

    @property
    def L(self) -> float:
        """From plate to plate."""
        return self.path.process.length(self.shape)

    def field(self, point: Tensor) -> Tensor:
        """E over the sum of all weights, float64."""
        x = point[:, :-1].reshape(-1, *self.shape)
        field: Tensor = self.path.field(x.to(self.dtype), point[:, -1] / self.L, self.label)
        return field.double()

    def slope(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """dx̃/dτ, and the field. Far from both plates steps grow with the distance from them."""
        field = self.field(point)
        other = torch.cat([point[:, :-1], point[:, -1:] - self.L], 1)
        distance = torch.minimum(point.norm(dim=1), other.norm(dim=1))
        radius = DATA_STD * math.sqrt(point.shape[1] - 1)
        size = field.norm(dim=1).clamp_min(1e-30)
        speed = torch.maximum(size, 0.5 * (distance - 3 * radius))
        slope: Tensor = self.sign * (speed / size)[:, None] * field
        return slope, field
