"""Likelihood by the probability flow: log p_0(x) = log p_T(x_T) + ∫ div v dt (Chen 2018; Song 2021, eq. 39).

In z = x/B and λ = ln(A/B) the flow is dz/dλ = e^λ D, so that with N dimensions

    log p(x_min) = log p_prior(z_max) − N ln B_min + ∫ from λ_max to λ_min of A tr(∂D/∂x) dλ

where the divergence is the exact trace (N backward passes) or Hutchinson's estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, FieldFunction, as_field
from unstir.fields.learned import check_denoises
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess


def log_likelihood(
    process: LinearProcess,
    field: Field | FieldFunction,
    data: Tensor,
    *,
    divergence: Literal["exact", "hutchinson"] = "hutchinson",
    probes: int = 1,
    seed: int = 0,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    label: Tensor | None = None,
) -> Tensor:
    """log p(x) in nats at t_min, `(batch,)`, float64.

    Args:
        process: any linear process.
        field: its field, differentiable in x.
        data: `(batch, *shape)`, in the model's units; float64 for full accuracy.
        divergence: the exact trace, or Hutchinson's with Rademacher probes.
        probes: how many of them; each costs one backward pass an evaluation.
        seed: of the probes, one stream an item.
        rtol: relative tolerance of the integration.
        atol: absolute tolerance.
        label: class numbers `(batch,)`, or None.

    Raises:
        InputError: values that are not finite, or an unknown kind of divergence.
    """
    check_denoises(field, "likelihood")
    if divergence not in ("exact", "hutchinson"):
        raise InputError(f"divergence={divergence!r}: give 'exact' or 'hutchinson'")
    if not data.is_floating_point() or data.ndim < 2 or not bool(data.isfinite().all()):
        raise InputError("data: give finite floats of shape (batch, *shape)")
    from torchdiffeq import odeint

    field = as_field(field)
    size = data[0].numel()
    if divergence == "exact":
        directions = [
            e.expand(len(data), size).reshape(data.shape) for e in torch.eye(size, dtype=data.dtype)
        ]
    else:
        streams = Streams(seed, 0, len(data))
        directions = [_rademacher(streams, data) / math.sqrt(probes) for _ in range(probes)]
    directions = [direction.to(data.device) for direction in directions]
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    A, B = process.A(ends), process.B(ends)
    level = torch.log(A.clamp_min(1e-6) / B)

    def slope(lam: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        # The solver's guess of a first step may look beyond the end.
        ratio = torch.exp(-lam.clamp(level[1], level[0]))
        time = process.time_at(ratio)
        with torch.enable_grad():
            x = (state[0] * float(process.B(time))).requires_grad_()
            d = field.at(float(time))(process.basis.state(x), label)
            d = process.basis.coordinates(d) * process.relative(time, data.shape[1:]).to(d)
            trace = _trace(d, x, directions)
        return d.detach() / float(ratio), trace.double() * float(process.A(time))

    start = (
        process.basis.coordinates(data) / float(B[0]),
        torch.zeros(len(data), dtype=torch.float64, device=data.device),
    )
    with torch.no_grad():
        options = {"dtype": torch.float64, "step_t": level[1:]}
        z, change = odeint(slope, start, level, rtol=rtol, atol=atol, method="dopri5", options=options)
    end = process.basis.state(z[-1] * float(B[1]))
    prior: Tensor = process.log_prior(end) + size * math.log(float(B[1]))
    # dz/dλ has divergence A tr(∂D/∂x); the density of z falls by its integral along the flow.
    total: Tensor = prior + change[-1] - size * math.log(float(B[0]))
    return total


def _trace(d: Tensor, x: Tensor, directions: Sequence[Tensor]) -> Tensor:
    """Σ vᵀ(∂D/∂x)v over the directions, `(batch,)`."""
    total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for i, v in enumerate(directions):
        (row,) = torch.autograd.grad(d, x, v, retain_graph=i + 1 < len(directions))
        total = total + (row * v).flatten(1).sum(1)
    return total


def _rademacher(streams: Streams, like: Tensor) -> Tensor:
    shape = (1, *like.shape[1:])
    bits = streams.draw(lambda g: torch.randint(2, shape, generator=g))
    return (2 * bits - 1).to(like.dtype)
