"""Likelihood by the probability flow: log p_0(x) = log p_T(x_T) + ∫ div v dt (Chen 2018; Song 2021, eq. 39).

Each family has variables z and a clock s of its own (`ascent.py`), in which

    ln p(x) = ln p_prior(x_T) + ln |dz/dx|_0 − ln |dz/dx|_T + ∫ div (dz/ds) ds

where the divergence is the exact trace (a backward pass a number) or Hutchinson's estimate. For linear
processes s is ln σ = ln B/A, and what is integrated vanishes where the data are normal.

It is the density of states at `t_min`: of data with the noise B(t_min). Nothing is claimed beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, FieldFunction, as_field
from unstir.fields.learned import check_denoises
from unstir.flow.ascending import Ascent
from unstir.flow.ascent import ascent
from unstir.flow.streams import Streams
from unstir.physics import Process


def log_likelihood(
    process: Process,
    field: Field | FieldFunction,
    data: Tensor,
    *,
    divergence: Literal["exact", "hutchinson"] = "hutchinson",
    probes: int = 1,
    seed: int = 0,
    first: int = 0,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    steps: int | None = None,
    label: Tensor | None = None,
    given: Literal["states", "items"] = "states",
) -> Tensor:
    """log p(x) in nats at t_min, `(batch,)`, float64.

    Of Langevin diffusion, whose states have a velocity too, its mean over seeds is a bound from below
    (`ascent.PhaseAscent`).

    Args:
        process: any whose flow leads to a prior with a density.
        field: its field, differentiable in x.
        data: `(batch, *shape)`, in the model's units; float64 for full accuracy.
        divergence: the exact trace, or Hutchinson's with Rademacher probes.
        probes: how many of them; each costs one backward pass an evaluation.
        seed: of the probes and velocities, one stream an item.
        first: index of the first item, to go on from earlier ones.
        rtol: relative tolerance of the integration.
        atol: absolute tolerance.
        steps: that many steps of fourth order, in place of tolerances: then
            an item's figure does not depend on the others in its batch.
        label: class numbers `(batch,)`, or None.
        given: whether `data` are states x at t_min, or items y: then it is the density of y = A⁻¹ x, with A
            what the process leaves of the data at t_min.

    Raises:
        InputError: values that are not finite, an unknown divergence, or a process without a likelihood.
    """
    check_denoises(field, "likelihood")
    if divergence not in ("exact", "hutchinson"):
        raise InputError(f"divergence={divergence!r}: give 'exact' or 'hutchinson'")
    if probes < 1 or (steps is not None and steps < 1):
        raise InputError(f"probes={probes}, steps={steps}: give 1 or more of each")
    if not data.is_floating_point() or data.ndim < 2 or not bool(data.isfinite().all()):
        raise InputError("data: give finite floats of shape (batch, *shape)")
    from torchdiffeq import odeint

    flow = ascent(process, as_field(field), tuple(data.shape[1:]))
    streams = Streams(seed, first, len(data))
    x, volume = flow.of_data(data) if given == "items" else (data, 0.0)
    z, entered = flow.enter(x, streams)
    directions = _identity(z) if divergence == "exact" else _probes(streams, z, probes)

    def slope(s: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        # The integrator keeps all in float64; the field sees its own dtype.
        with torch.enable_grad():
            place = state[0].to(z.dtype).detach().requires_grad_()
            rate = flow.slope(s.cpu(), place, label)
            trace = _trace(rate, place, directions)
        return rate.detach().double(), trace.double()

    start = (z.double(), torch.zeros(len(z), dtype=torch.float64, device=z.device))
    with torch.no_grad():
        path, change = odeint(
            slope, start, flow.clock.to(z.device), rtol=rtol, atol=atol, **_method(flow, steps, z.device)
        )
        end, left = flow.leave(path[-1])
    total: Tensor = flow.log_prior(end) + change[-1] + entered - left + volume
    return total


def _method(flow: Ascent[Any], steps: int | None, device: torch.device) -> dict[str, Any]:
    """The integrator: adaptive, or of equal steps."""
    if steps is None:
        end = flow.clock[1:].to(device)
        return {"method": "dopri5", "options": {"dtype": torch.float64, "step_t": end}}
    grid = flow.grid(steps).to(device)
    return {"method": "rk4", "options": {"grid_constructor": lambda *_: grid}}


def _identity(z: Tensor) -> list[Tensor]:
    size = z[0].numel()
    rows = torch.eye(size, dtype=z.dtype, device=z.device)
    return [e.expand(len(z), size).reshape(z.shape) for e in rows]


def _probes(streams: Streams, z: Tensor, count: int) -> list[Tensor]:
    """Rademacher directions whose squares sum to one."""
    shape = (1, *z.shape[1:])

    def draw() -> Tensor:
        bits = streams.draw(lambda g: torch.randint(2, shape, generator=g))
        return (2 * bits - 1).to(z) / math.sqrt(count)

    return [draw() for _ in range(count)]


def _trace(rate: Tensor, z: Tensor, directions: Sequence[Tensor]) -> Tensor:
    """Σ vᵀ(∂rate/∂z)v over the directions, `(batch,)`."""
    total = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    for i, v in enumerate(directions):
        (row,) = torch.autograd.grad(rate, z, v, retain_graph=i + 1 < len(directions))
        total = total + (row * v).flatten(1).sum(1)
    return total
