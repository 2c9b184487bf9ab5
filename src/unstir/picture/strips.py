"""Strips: the same states at moments side by side, forward from data to prior and backward again.

Forward, every frame draws x_t given the same data with the same random numbers, so that what is seen moving
is the physics and not the dice. Backward, the default solver runs the exact field of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir import flow
from unstir.picture.canvas import frames
from unstir.picture.looks import look_of
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_SEED = 1


@dataclass(frozen=True)
class Frame:
    """One moment of a strip.

    Attributes:
        time: on the process's clock.
        state: what is seen, `(n, *shape)`, model units.
    """

    time: float
    state: Tensor


def forward(scene: Scene, n: int) -> list[Frame]:
    """`n` items at the scene's moments, the first of them the data themselves."""
    process, first = scene.process, scene.items[_chosen(len(scene.items), n)]
    frames = [Frame(process.t_min, first)]
    for time in scene.moments[1:]:
        generator = torch.Generator().manual_seed(_SEED)
        t = torch.full((len(first),), time, dtype=torch.float64)
        frames.append(Frame(time, process.observed(process.perturb(first, t, generator))))
    return frames


def backward(scene: Scene, n: int) -> list[Frame]:
    """`n` states of the prior taken back, at the steps nearest the scene's moments, falling."""
    process, shape = scene.process, tuple(scene.items.shape[1:])
    streams = flow.Streams(_SEED, 0, n)
    x = streams.draw(lambda g: process.prior(1, shape, g))
    solver = None if scene.solver is None else flow.parse_solver(scene.solver, process)
    walk = list(
        flow.trajectory(
            process, scene.field, x, solver=solver, steps=scene.steps, times=scene.times, streams=streams
        )
    )
    inner = [min(walk, key=lambda step: abs(step.time - time)) for time in scene.moments[-2:0:-1]]
    picks = [walk[0], *inner, walk[-1]]
    return [Frame(step.time, process.observed(step.state)) for step in picks]


def carried(scene: Scene, n: int, count: int = 8) -> list[Frame]:
    """`n` items carried along field lines to the far plate, where each item has more than one line.

    Times are shares of the way, as counted in steps of the lines' own clock.
    """
    process, first = scene.process, scene.items[_chosen(len(scene.items), n)]
    walk = list(
        flow.trajectory(
            process,
            scene.field,
            first,
            solver=flow.Lines(direction="forward"),
            streams=flow.Streams(_SEED, 0, len(first)),
        )
    )
    last = len(walk) - 1
    picks = [round(i * last / (count - 1)) for i in range(count)]
    return [Frame(pick / last, walk[pick].state) for pick in picks]


class Carried(Picture):
    """From plate to plate."""

    name: ClassVar[str] = "forward"

    def draw(self, scene: Scene) -> Figure:
        look = look_of(scene.dataset, scene.coder)
        caption = f"{scene.process.name}: {scene.dataset.name} along its field lines, from plate to plate"
        return _strip(scene, carried(scene, look.count), caption)


class Forward(Picture):
    """From data to prior."""

    name: ClassVar[str] = "forward"

    def draw(self, scene: Scene) -> Figure:
        look = look_of(scene.dataset, scene.coder)
        caption = f"{scene.process.name}: {scene.dataset.name}, forward, from data to prior"
        return _strip(scene, forward(scene, look.count), caption)


class Backward(Picture):
    """From prior to data."""

    name: ClassVar[str] = "backward"

    def draw(self, scene: Scene) -> Figure:
        look = look_of(scene.dataset, scene.coder)
        caption = (
            f"{scene.process.name}: backward, from prior to data, by the exact field of items of "
            f"{scene.dataset.name}, which gives these very items back"
        )
        return _strip(scene, backward(scene, look.count), caption)


def _strip(scene: Scene, moments: list[Frame], caption: str) -> Figure:
    figure, row = frames([_label(moment.time) for moment in moments], caption)
    look = look_of(scene.dataset, scene.coder)
    for axes, moment in zip(row, moments, strict=True):
        look.show(axes, moment.state)
    return figure


def _chosen(total: int, n: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(_SEED))[:n]


def _label(time: float) -> str:
    return f"t = {time:.0f}" if time >= 100 else f"t = {time:.3g}"
