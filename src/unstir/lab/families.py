"""Families of processes: how each kind is shown, from its clock to its way back. The nearest class rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unstir import flow
from unstir.errors import InputError
from unstir.fields.field import Field
from unstir.lab import code, walks
from unstir.lab.coarse import of_law
from unstir.lab.code import Code
from unstir.lab.planes import CapacitorPlane, CloudPlane, FlowPlane, KacPlane, LinearPlane, PhasePlane, Plane
from unstir.lab.points import Items
from unstir.lab.walks import Ask, Walk
from unstir.physics import (
    Bridge,
    Capacitor,
    CoinProcess,
    DampedProcess,
    HeatProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
)
from unstir.physics.kinds import serving
from unstir.physics.pde import PDE
from unstir.picture import moments, oracle

_FIRST = 0.015  # noise over signal at which a clock leaves the data
_BULGE = 2.2  # of the lines between plates
_MOST = 160.0  # and beyond which there is nothing new


def _prepared(process: Any, items: Tensor) -> Any:  # noqa: ANN401
    return process.prepared(items)


def by_ratio(process: LinearProcess, frames: int) -> list[float]:
    """Both ends of the clock and, between them, times at which the noise grows by equal factors."""
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    low, high = (process.B(ends) / process.A(ends).clamp_min(1e-12)).tolist()
    low, high = max(low, _FIRST * process.scale), min(high, _MOST * process.scale)
    ratios = torch.logspace(0, 1, frames - 1, base=high / low, dtype=torch.float64) * low
    times = [process.t_min, *process.time_at(ratios).tolist()]
    times[-1] = process.t_max
    return walks.rising(times)


def by_solver(process: Any, frames: int) -> list[float]:  # noqa: ANN401
    """The time of the data, and those of the process's own solver."""
    return walks.rising([process.t_min, *flow.default_solver(process).times(process, frames - 1)])


def evenly(process: Any, frames: int) -> list[float]:  # noqa: ANN401
    """Evenly along the clock."""
    return torch.linspace(process.t_min, process.t_max, frames, dtype=torch.float64).tolist()


def early(process: Any, frames: int) -> list[float]:  # noqa: ANN401
    """Closer and closer together towards the data."""
    return moments.early(process, frames)


def from_plate(process: Capacitor, frames: int) -> list[float]:
    """Close together near both plates."""
    return process.times(frames).flip(0).tolist()


@dataclass(frozen=True)
class Family:
    """How processes of one kind are shown.

    Attributes:
        name: for the page.
        exact: gives the exact field of a process and items in model units.
        clock: gives times from data to prior, at most so many.
        forward, backward: the walks.
        points, images: the data that it takes.
        solver: of the way back, where not the process's own.
        drawn: states of items at a time, as they are seen.
        prepared: a process with what it learns of the items.
        plane: what is seen between the particles.
        singular: whether no velocity can be asked for at the time of the data, where the last step ends.
        most: items that its field is made of, at most.
        few: of which a coarse field is.
        coarse: a field that answers sooner, of so few.
        frames: of a coarse walk.
        code: how a script writes it.
    """

    name: str
    exact: Callable[[Any, Tensor], Field]
    clock: Callable[[Any, int], list[float]]
    forward: Callable[[Any, Ask], Walk] = walks.perturbed
    backward: Callable[[Any, Ask], Walk] = walks.flown
    points: bool = True
    images: bool = True
    solver: str | None = None
    drawn: Callable[[Any, Tensor, float, torch.Generator], Tensor] = walks.observed
    prepared: Callable[[Any, Tensor], Any] = _prepared
    plane: Plane = field(default_factory=FlowPlane)
    singular: bool = False
    most: int = 5000
    few: int = 200
    coarse: Callable[[Any, Tensor], Field] | None = None
    frames: int = 24
    code: Code = code.LINEAR

    def check(self, process: Any, items: Items) -> None:  # noqa: ANN401
        """Refuse data that it does not take.

        Raises:
            InputError: points for a physics of images, or the other way round.
        """
        if items.images and not self.images:
            raise InputError(f"data: process {process.name} is shown on points; give such as swissroll")
        if not items.images and not self.points:
            raise InputError(f"data: process {process.name} is shown on images; give the images digits")


def _on_plates(scene: Any, first: Tensor, time: float, generator: torch.Generator) -> Tensor:  # noqa: ANN401
    """The window of a capacitor shows both plates, and the lines between them, at all times alike."""
    return _BULGE * first


def _in_box(scene: Any, first: Tensor, time: float, generator: torch.Generator) -> Tensor:  # noqa: ANN401
    """The window of a PDE is its box."""
    return torch.full((1, 2), scene.process.box.side / 2 / 1.9)


_FAMILIES: dict[type, Family] = {
    LinearProcess: Family("linear", oracle.of_linear, by_ratio, plane=LinearPlane(), coarse=of_law),
    DampedProcess: Family("blurring", oracle.of_linear, by_ratio, points=False),
    HeatProcess: Family("heat", oracle.of_linear, evenly, points=False),
    LangevinProcess: Family(
        "langevin", oracle.of_phase, by_solver, plane=PhasePlane(), frames=16, code=code.PHASE, singular=True
    ),
    Kac: Family(
        "kac",
        oracle.of_kac,
        early,
        plane=KacPlane(),
        singular=True,
        most=300,
        few=80,
        code=code.KAC,
        coarse=lambda process, items: oracle.KacField(process, items, nodes=1025),
        frames=16,
    ),
    Capacitor: Family(
        "capacitor",
        oracle.of_plates,
        from_plate,
        forward=walks.carried,
        solver="heun",
        drawn=_on_plates,
        plane=CapacitorPlane(),
        singular=True,
        most=400,
        code=code.PLATES,
    ),
    CoinProcess: Family("coins", oracle.of_coins, evenly, points=False, code=code.COINS),
    Bridge: Family("bridge", oracle.of_bridge, by_solver, points=False, code=code.BRIDGE, singular=True),
    PDE: Family(
        "pde",
        lambda process, items: process.current(items.double()),
        lambda process, frames: process.times(frames - 1),
        forward=walks.clouds_forward,
        backward=walks.clouds_backward,
        images=False,
        drawn=_in_box,
        prepared=lambda process, items: process,
        plane=CloudPlane(),
        code=code.CLOUDS,
        frames=16,
    ),
}


def family_of(process: object) -> Family:
    """How a process is shown.

    Raises:
        InputError: a process of a family that is not listed.
    """
    missing = f"process {process}: the lab lists no family for a {type(process).__name__}"
    return serving(_FAMILIES, process, missing)
