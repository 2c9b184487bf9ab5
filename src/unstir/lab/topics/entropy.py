"""The entropy of a process on data, as it rises forward and falls backward. `{"kind": "entropy"}`.

    exact       H_t = −E log₂ p_t(x_t), p_t the exact mixture over the data: a mean over draws, and its error
    forward     from states x_t alone, by the distances to their neighbours (Kozachenko & Leonenko 1987)
    backward    the same, of states that the exact field takes back from the prior

In bits, as a differential entropy: as the noise goes to 0 each of the data's points becomes an atom, and H
falls without bound, by two bits for each halving of the noise in the plane. Both estimates are of the whole
state, velocities too where there are any. Neighbours see nothing finer than the draws lie apart, and so the
last of the fall only the exact curve shows; it is there for linear processes. Coins have their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir import flow
from unstir.errors import InputError
from unstir.lab import walks
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import DataSpec
from unstir.lab.requests import Request
from unstir.lab.scenes import LabScene
from unstir.measure import exact_entropy, nearest_neighbour_entropy
from unstir.physics import LinearProcess

_COARSE = 300
_DRAWS, _LEAST = 600, 120  # for the exact curve
_PAIRS = 600_000  # of draws and points, for each of its times
_BITS = 1 / math.log(2)
_FAR = 1e15  # states beyond which their squares leave float32's range


class Entropy(Request):
    """Asks for the curves.

    Attributes:
        data: points.
        process: with parameters.
        n: states whose neighbours are looked at.
        frames: moments, from data to prior.
        seed: of all draws.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["entropy"]
    data: DataSpec
    process: Annotated[str, Bounded(min_length=1, max_length=200)]
    n: Annotated[int, Bounded(ge=50, le=2000)] = 1500
    frames: Annotated[int, Bounded(ge=4, le=64)] = 32
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        scene = context.scene(self.data, self.process)
        if scene.data.images or scene.family.forward is not walks.perturbed:
            raise InputError(
                f"process {self.process}: has no curve of entropy here; take points, and a process that adds "
                "noise, such as edm"
            )
        if self.n > _COARSE:
            yield self._stage(scene, context, _COARSE, done=False)
            context.check()
        yield self._stage(scene, context, self.n, done=True)

    def _stage(self, scene: LabScene, context: Context, n: int, *, done: bool) -> Answer:
        process: Any = scene.process
        times = scene.family.clock(process, self.frames)
        arrays: dict[str, Tensor] = {"times": torch.tensor(times)}
        if isinstance(process, LinearProcess):
            draws = min(_DRAWS, max(_LEAST, _PAIRS // len(scene.items)))
            found = []
            for time in times:
                context.check()
                found.append(exact_entropy(process, scene.items, time, min(n, draws), self.seed))
            arrays["exact"] = _BITS * torch.tensor([each.value for each in found])
            arrays["error"] = _BITS * torch.tensor([each.error for each in found])
        arrays["forward"] = torch.tensor([_seen(x) for x in self._forward(scene, context, times, n)])
        back = list(self._backward(scene, context, times[::-1], n))
        arrays["backward_times"] = torch.tensor([time for time, _ in back][::-1])
        arrays["backward"] = torch.tensor([_seen(x) for _, x in back][::-1])
        return Answer({"process": process.name, "n": n, "points": len(scene.items)}, arrays, done)

    def _forward(self, scene: LabScene, context: Context, times: list[float], n: int) -> Iterator[Tensor]:
        first = scene.items[torch.arange(n) % len(scene.items)]
        for time in times:
            context.check()
            t = torch.full((n,), time, dtype=torch.float64)
            yield scene.process.perturb(first, t, torch.Generator().manual_seed(self.seed))

    def _backward(
        self, scene: LabScene, context: Context, times: list[float], n: int
    ) -> Iterator[tuple[float, Tensor]]:
        process = scene.process
        text = scene.family.solver
        solver = flow.default_solver(process) if text is None else flow.parse_solver(text, process)
        streams = flow.Streams(self.seed, 0, n)
        x = streams.draw(lambda g: process.prior(1, tuple(scene.items.shape[1:]), g))
        # Without the last denoising, which leaves atoms.
        for step in flow.trajectory(
            process, scene.exact, x, solver=solver, times=times, streams=streams, denoise=False
        ):
            context.check()
            yield step.time, step.state


def _seen(x: Tensor) -> float:
    """Bits; −∞ for atoms, which travels as float32 does."""
    inside = x[x.flatten(1).abs().amax(1) < _FAR]
    return _BITS * nearest_neighbour_entropy(inside)
