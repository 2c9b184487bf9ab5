"""Charges and their hemisphere in three dimensions. `{"kind": "hemisphere"}`.

The points are charges on the plane z = 0. Their lines go up to a dome of radius R, and from points spread
evenly over it they come down again: each charge has as many. How evenly the dome is charged is told by the
flux through it, R² E·x̃/R, which is 1 everywhere where the charges look like one: over the middle of them its
deviation falls as 1/R².
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import DataSpec
from unstir.lab.requests import Request
from unstir.picture.dome import even, falling, flux, rising

_SEEN = 0.004  # of the radius: nearer to a charge than that nothing is seen of a line
_MOMENTS = 48
_DOME = 1200  # points at which the flux is told
_COARSE = 60
_PROCESS = "poisson:D=1"


class Hemisphere(Request):
    """Follows field lines between charges and a dome.

    Attributes:
        data: points.
        charges: at most so many of them.
        lines: up, and as many down.
        radius: of the dome, where the data have deviation ½.
        seed: of the charges chosen, and of the directions in which lines leave.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["hemisphere"]
    data: DataSpec
    charges: Annotated[int, Bounded(ge=1, le=300)] = 60
    lines: Annotated[int, Bounded(ge=1, le=600)] = 240
    radius: Annotated[float, Bounded(ge=0.5, le=40)] = 3.0
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        scene = context.scene(self.data, _PROCESS)
        if scene.data.images:
            raise InputError("data: charges lie in the plane; give points")
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(scene.items), generator=generator)[: self.charges]
        charges = scene.items[order].double()
        # The dome stands over the charges' middle, from where they look most like one.
        middle = charges.mean(0)
        charges = charges - middle
        outside = float(charges.norm(dim=1).max()) >= self.radius
        if outside:
            raise InputError(f"radius={self.radius:g}: some charges lie outside of it; give a larger one")
        if self.lines > _COARSE:
            yield self._stage(charges, middle, _COARSE, done=False)
            context.check()
        yield self._stage(charges, middle, self.lines, done=True)

    def _stage(self, charges: Tensor, middle: Tensor, lines: int, *, done: bool) -> Answer:
        generator = torch.Generator().manual_seed(self.seed + 1)
        up = rising(charges, lines, self.radius, generator)
        down = falling(charges, even(lines, self.radius))
        dome = even(_DOME, self.radius)
        through = flux(charges, dome)
        near = torch.cdist(down[-1, :, :2], charges)
        arrays = {
            "charges": charges,
            "up": _seen(up, self.radius),
            "down": _seen(down.flip(0), self.radius).flip(0),
            "dome": dome,
            "flux": through,
            "shares": torch.bincount(near.argmin(1), minlength=len(charges)) / lines,
        }
        scalars = {
            "radius": self.radius,
            "middle": middle.tolist(),
            "uneven": float((through - 1).square().mean().sqrt()),
            "mean": float(through.mean()),
        }
        return Answer(scalars, arrays, done)


def _seen(lines: Tensor, radius: float) -> Tensor:
    """Some steps of lines that lead upwards, `(moments, lines, 3)`: from where they are seen on."""
    moved = (lines - lines[0]).norm(dim=2).amax(1)
    first = int((moved < _SEEN * radius).sum()) - 1
    # Nor is there anything more once all are there.
    still = (lines - lines[-1]).norm(dim=2).amax(1) < 1e-9 * radius
    last = int((~still).sum())
    picks = torch.linspace(first, min(last, len(lines) - 1), _MOMENTS).round().long()
    return lines[picks]
