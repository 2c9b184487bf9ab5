"""Items to states of the prior along the deterministic flow, and back.

The flow is that of the likelihood (`ascent.py`), up from an item's own state without noise, x = A y, and down
again to y = x/A, by steps of fourth order. There and back differ by what the steps leave, which falls with
their number to the power of four. Nothing is drawn, so that an item has one state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, FieldFunction, as_field
from unstir.fields.learned import check_denoises
from unstir.flow.ascending import Ascent
from unstir.flow.ascent import ascent
from unstir.physics import Bridge, Capacitor, Process
from unstir.physics.kinds import nearest

STEPS = 30

# Whose likelihood is known, but by no flow from the prior that is sampled from.
_WITHOUT: Mapping[type[Process], str] = {
    Bridge: "it comes from degraded images",
    Capacitor: "half of the lines that cross its plates come round from behind",
}


@torch.no_grad()
def encode(
    process: Process,
    field: Field | FieldFunction,
    data: Tensor,
    *,
    steps: int = STEPS,
    label: Tensor | None = None,
) -> Tensor:
    """The states at the prior from which the flow comes to items, `(batch, *state_shape)`, as `data`'s dtype.

    Args:
        process: any whose flow leads to a prior that is known.
        field: its field.
        data: `(batch, *shape)`, in the model's units.
        steps: how many, of four evaluations each.
        label: class numbers `(batch,)`, or None.

    Raises:
        InputError: a process without such a flow, values that are not finite, no steps.
    """
    flow = _flow(process, field, data, tuple(data.shape[1:]), steps)
    z, _ = flow.enter(flow.of_data(data.double()).z, None)
    return flow.leave(_along(flow, z, flow.grid(steps), label, data.dtype)).z.to(data.dtype)


@torch.no_grad()
def decode(
    process: Process,
    field: Field | FieldFunction,
    states: Tensor,
    shape: tuple[int, ...],
    *,
    steps: int = STEPS,
    label: Tensor | None = None,
) -> Tensor:
    """The items that the flow brings states at the prior to, `(batch, *shape)`, as `states`' dtype.

    Args:
        process: as in `encode`.
        field: as in `encode`.
        states: `(batch, *state_shape)`.
        shape: of one item.
        steps: as in `encode`.
        label: class numbers `(batch,)`, or None.

    Raises:
        InputError: as in `encode`.
    """
    flow = _flow(process, field, states, shape, steps)
    z = flow.arrive(states.double())
    return flow.item(_along(flow, z, flow.grid(steps).flip(0), label, states.dtype)).to(states.dtype)


def _flow(
    process: Process, field: Field | FieldFunction, given: Tensor, shape: tuple[int, ...], steps: int
) -> Ascent[Any]:
    check_denoises(field, "encoding")
    if steps < 1:
        raise InputError(f"steps={steps}: give 1 or more")
    why = nearest(_WITHOUT, process)
    if why is not None:
        raise InputError(f"process {process.name}: has no flow from data to a known prior: {why}")
    flow = ascent(process, as_field(field), shape)
    if not given.is_floating_point() or given.ndim < 2 or not bool(given.isfinite().all()):
        raise InputError("data: give finite floats of shape (batch, *shape)")
    return flow


def _along(flow: Ascent[Any], z: Tensor, grid: Tensor, label: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The variables at the grid's end of those that begin at its first value."""
    from torchdiffeq import odeint

    grid = grid.to(z.device)

    def slope(s: Tensor, z: Tensor) -> Tensor:
        # The integrator keeps all in float64; the field sees the dtype it was given.
        return flow.slope(s.cpu(), z.to(dtype), label).double()

    path: Tensor = odeint(
        slope, z, grid[[0, -1]], method="rk4", options={"grid_constructor": lambda *_: grid}
    )
    return path[-1]
