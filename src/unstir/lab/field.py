"""The field at one time: arrows, density, flow lines and a potential. `{"kind": "field"}`.

Rows of grids rise along y, columns along x; places are the middles of cells of the window [−half, half]².
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Field
from unstir.lab.answer import Answer, Array
from unstir.lab.context import Context
from unstir.lab.path import field_of
from unstir.lab.planes import floored, grid
from unstir.lab.points import DataSpec
from unstir.lab.requests import Request
from unstir.lab.scenes import LabScene

_FEW = 48  # cells of the first stage
_STEPS = 64  # of a line


class FieldAt(Request):
    """What lies between the particles.

    Attributes:
        data, process: as of a path; points only.
        time: on the process's clock; what needs none is the same at all times: `lines`.
        half: half the side of the window.
        arrows: in a row of them, or 0.
        cells: of the density in a row, or 0.
        lines: of the flow, or 0.
        of: `exact`, `neural:<name>` of a network in training, or `difference:<name>`, that less the exact.
    """

    kind: Literal["field"]
    data: DataSpec
    process: Annotated[str, Bounded(min_length=1, max_length=200)]
    time: float | None = None
    half: Annotated[float, Bounded(gt=0, le=1e6)] = 1.5
    arrows: Annotated[int, Bounded(ge=0, le=32)] = 0
    cells: Annotated[int, Bounded(ge=0, le=160)] = 0
    lines: Annotated[int, Bounded(ge=0, le=64)] = 0
    of: Annotated[str, Bounded(pattern=r"^(exact|(neural|difference):[a-z][a-z0-9_-]{0,31})$")] = "exact"

    @property
    def lasting(self) -> bool:
        return self.of == "exact"

    def answer(self, context: Context) -> Iterator[Answer]:
        scene = context.scene(self.data, self.process)
        if scene.data.images:
            raise InputError("data: the field is shown in the plane; give points, such as swissroll")
        if self.time is None and (self.arrows or self.cells):
            raise InputError("time: arrows and density are of one moment; give a time")
        if self.cells > _FEW and len(scene.items) > scene.family.few:
            yield self._stage(
                scene, context, scene.items[: scene.family.few], min(self.cells, _FEW), done=False
            )
        yield self._stage(scene, context, scene.items, self.cells, done=True)

    def _stage(self, scene: LabScene, context: Context, items: Tensor, cells: int, *, done: bool) -> Answer:
        plane = scene.family.plane
        arrays: dict[str, Array] = {}
        scalars: dict[str, Any] = {"process": scene.bare.name, "half": self.half}
        if self.time is not None:
            t = plane.inside(scene, self.time)
            scalars["time"] = t
            if self.arrows:
                arrays["arrows"] = self._arrows(scene, context, t)
            if cells:
                axis = self._axis(cells)
                arrays["density"] = floored(plane.log_density(scene, items, axis, t, context))
                potential = plane.potential(scene, items, axis, t)
                if potential is not None:
                    arrays["potential"] = floored(potential)
        if self.lines and done:
            field = self._field(scene, context)
            arrays["lines"] = plane.lines(scene, field, self.lines, _STEPS, context)
        return Answer(scalars, arrays, done)

    def _axis(self, cells: int) -> Tensor:
        step = 2 * self.half / cells
        return (torch.arange(cells, dtype=torch.float64) + 0.5) * step - self.half

    def _field(self, scene: LabScene, context: Context) -> Field:
        kind, _, name = self.of.partition(":")
        return field_of(f"neural:{name}" if name else kind, scene, context)

    def _arrows(self, scene: LabScene, context: Context, t: float) -> Tensor:
        plane = scene.family.plane
        x = grid(self._axis(self.arrows))
        v = plane.velocity(scene, self._field(scene, context), x, t)
        if self.of.startswith("difference:"):
            v = v - plane.velocity(scene, scene.exact, x, t)
        return torch.cat([x, v.double().nan_to_num(0.0, 0.0, 0.0)], 1)
