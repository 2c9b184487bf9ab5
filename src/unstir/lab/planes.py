"""The plane: what there is to see between the particles at one time, by family of processes.

velocity    dx/dt of the flow, where x is what is seen of a state
density     log p_t(x), from the same items as the exact field
lines       paths of the flow from prior to data
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Field
from unstir.lab import walks
from unstir.lab.walks import Ask
from unstir.physics.noise import StudentT

if TYPE_CHECKING:
    from unstir.lab.context import Context
    from unstir.lab.scenes import LabScene

_BLOCK = 2**18  # pairs at a time
_FLOOR = 300.0  # nats below the greatest density at which a picture ends
_INSIDE = 1e-3  # of the clock: as near to its ends as a field is asked


class Plane(ABC):
    """How a family's field is looked at."""

    @abstractmethod
    def velocity(self, scene: LabScene, field: Field, x: Tensor, t: float) -> Tensor:
        """dx/dt at `x`, `(n, 2)`."""

    @abstractmethod
    def log_density(self, scene: LabScene, items: Tensor, axis: Tensor, t: float, context: Context) -> Tensor:
        """log p_t of `items` at every (axis_j, axis_i), `(cells, cells)` with rows rising along y."""

    def lines(self, scene: LabScene, field: Field, n: int, steps: int, context: Context) -> Tensor:
        """`n` paths from prior to data, `(n, steps, 2)`."""
        walk = walks.flown(scene, Ask(n, steps, 0, field, check=context.check))
        return walk.states.transpose(0, 1)

    def potential(self, scene: LabScene, items: Tensor, axis: Tensor, t: float) -> Tensor | None:
        """The logarithm of the charges' potential, as `log_density`, where there are charges."""
        return None

    def inside(self, scene: LabScene, t: float) -> float:
        """The time nearest to `t` at which a field is asked."""
        low, high = float(scene.process.t_min), float(scene.process.t_max)
        return min(max(t, low), high)


class FlowPlane(Plane):
    """A process whose states are what is seen of them."""

    def velocity(self, scene: LabScene, field: Field, x: Tensor, t: float) -> Tensor:
        one, found = field.at(t), []
        for part in torch.split(x, max(1, _BLOCK // len(scene.items))):
            times = torch.full((len(part),), t, dtype=torch.float64)
            found.append(scene.process.velocity(part, times, one(part, None)))
        return torch.cat(found)

    def log_density(self, scene: LabScene, items: Tensor, axis: Tensor, t: float, context: Context) -> Tensor:
        x = grid(axis)
        found = []
        for part in torch.split(x, max(1, _BLOCK // len(items))):
            context.check()
            times = torch.full((len(part),), t, dtype=torch.float64)
            found.append(torch.logsumexp(scene.process.log_kernel(part, items, times), 1))
        return torch.cat(found).reshape(len(axis), -1) - math.log(len(items))


class LinearPlane(FlowPlane):
    """Noise of any law; that of charges in D more dimensions has a potential.

    φ(x) = mean_i (‖x − A y_i‖² + r²)^{−(N + D − 2)/2}      r = B √D, N = 2
    """

    def potential(self, scene: LabScene, items: Tensor, axis: Tensor, t: float) -> Tensor | None:
        process: Any = scene.process
        if not isinstance(process.noise, StudentT):
            return None
        D, time = process.noise.D, torch.tensor(t, dtype=torch.float64)
        height = float(process.B(time)) * math.sqrt(D)
        charges = float(process.A(time)) * items.double()
        found = []
        for part in torch.split(grid(axis), max(1, _BLOCK // len(items))):
            squared = torch.cdist(part, charges).square() + height**2
            found.append(torch.logsumexp(-0.5 * D * squared.log(), 1))
        return torch.cat(found).reshape(len(axis), -1) - math.log(len(items))


class KacPlane(FlowPlane):
    """Coordinates that run on their own: the law is a product, and one axis serves for both."""

    def log_density(self, scene: LabScene, items: Tensor, axis: Tensor, t: float, context: Context) -> Tensor:
        times = torch.full((len(axis),), t, dtype=torch.float64)
        across, up = (scene.process.log_kernel(axis[:, None], items[:, i, None], times) for i in range(2))
        return product_law(across, up) - math.log(len(items))


class PhasePlane(Plane):
    """Positions of particles that have velocities too: what is seen moves with their mean velocity.

    x_t = a_x y + …, v_t = a_v y + …, jointly normal with covariance S for one y
    E[v | x] = Σ_i w_i (a_v y_i + S_xv/S_xx (x − a_x y_i))      w_i = softmax_i log N(x; a_x y_i, S_xx)
    """

    def velocity(self, scene: LabScene, field: Field, x: Tensor, t: float) -> Tensor:
        if field is not scene.exact and field is not scene.coarse:
            raise InputError("of: positions alone have arrows of the exact field; give exact")
        items = scene.items.double()
        a, b, variance, slope = self._law(scene, t)
        weights = torch.softmax(-0.5 * torch.cdist(x, a * items).square() / variance, 1)
        mean = weights @ items
        v = b * mean + slope * (x - a * mean)
        return float(scene.process.beta / scene.process.mass) * v

    def log_density(self, scene: LabScene, items: Tensor, axis: Tensor, t: float, context: Context) -> Tensor:
        a, _, variance, _ = self._law(scene, t)
        across, up = (-0.5 * (axis[:, None] - a * items[:, i].double()).square() / variance for i in range(2))
        return product_law(across, up) - math.log(len(items) * 2 * math.pi * variance)

    def inside(self, scene: LabScene, t: float) -> float:
        high = float(scene.process.t_max)
        return min(max(t, _INSIDE * high), high)

    def _law(self, scene: LabScene, t: float) -> tuple[float, float, float, float]:
        """a_x, a_v, S_xx and S_xv/S_xx."""
        mean, root = scene.process.kernel(torch.tensor(t, dtype=torch.float64))
        first = float(root[0, 0])
        return float(mean[0]), float(mean[1]), max(first**2, 1e-12), float(root[1, 0]) / max(first, 1e-6)


class CapacitorPlane(FlowPlane):
    """A plane between the plates: where lines of the field go through it, and how many."""

    def inside(self, scene: LabScene, t: float) -> float:
        return min(max(t, _INSIDE), float(scene.process.t_max))


class CloudPlane(Plane):
    """A PDE: its own current, in its box."""

    def velocity(self, scene: LabScene, field: Any, x: Tensor, t: float) -> Tensor:  # noqa: ANN401
        v, _ = field.field(x.double(), t)
        found: Tensor = v
        return found

    def log_density(self, scene: LabScene, items: Tensor, axis: Tensor, t: float, context: Context) -> Tensor:
        current: Any = scene.exact
        density: Tensor = current.density(current.wrap(grid(axis)), t)
        return density.clamp_min(1e-30).log().reshape(len(axis), -1)

    def lines(self, scene: LabScene, field: Any, n: int, steps: int, context: Context) -> Tensor:  # noqa: ANN401
        process = scene.process
        process.check()
        times = process.times(steps - 1)[::-1]
        x = field.equilibrium(n, process.t_max, walks.generator_of(0, 1))
        path = [x]
        for t, s in itertools.pairwise(times):
            context.check()
            v, _ = field.field(x, t)
            w, _ = field.field(field.wrap(x + (s - t) * v), s)
            x = x + 0.5 * (s - t) * (v + w)
            path.append(x)
        return torch.stack(path, 1)


def grid(axis: Tensor) -> Tensor:
    """Places (axis_j, axis_i), row by row upwards, `(cells², 2)`."""
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def product_law(across: Tensor, up: Tensor) -> Tensor:
    """log Σ_m exp(across_jm + up_im), `(cells, cells)` with rows of `up`."""
    top, side = across.amax(1, keepdim=True), up.amax(1, keepdim=True)
    total = torch.exp(up - side) @ torch.exp(across - top).T
    return total.clamp_min(1e-300).log() + side + top.T


def floored(logs: Tensor) -> Tensor:
    """Without infinities: what lies far below the greatest is all alike."""
    high = logs.nan_to_num(nan=-math.inf).amax()
    return torch.maximum(logs.nan_to_num(nan=-math.inf), high - _FLOOR)
