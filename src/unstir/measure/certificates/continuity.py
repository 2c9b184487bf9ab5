"""Certificates that the physics holds: a velocity carries a density if the two satisfy continuity,

    ∂p/∂t + ∇·(p v) = 0,  or divided by p:  ∂_t log p + v·∇log p + ∇·v = 0

so a field is right for a process exactly where this residual vanishes, whatever either is made of.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics import Process

# Of the way from t to the nearer end of the clock; the rule below is then good to 1e-7.
_TIME_STEP = 3e-3


def continuity_residual(
    process: Process,
    log_density: Callable[[Tensor, float], Tensor],
    velocity: Callable[[Tensor, float], Tensor],
    x: Tensor,
    t: float,
) -> Tensor:
    """How far a density and a velocity are from continuity, relative to the size of the terms, `(batch,)`.

    0 where they belong together, 1 where the terms do not cancel at all. The time derivative is a central
    difference of fourth order, the rest autograd's with the exact divergence (one backward pass a dimension).

    Args:
        process: gives the clock.
        log_density: log p_t(x) in nats, `(batch,)`, differentiable in x.
        velocity: dx/dt, like x, differentiable in x.
        x: states, `(batch, *shape)`; taken to float64.
        t: a time inside the clock.

    Raises:
        InputError: a time not strictly inside the clock.
    """
    room = min(t - process.t_min, process.t_max - t)
    if not room > 0:
        raise InputError(f"t={t:g}: give a time between {process.t_min:g} and {process.t_max:g}")
    x = x.detach().double()
    h = _TIME_STEP * room
    with torch.no_grad():
        after, before = log_density(x, t + h), log_density(x, t - h)
        far = log_density(x, t + 2 * h) - log_density(x, t - 2 * h)
        change = (8 * (after - before) - far) / (12 * h)
    with torch.enable_grad():
        x.requires_grad_()
        (score,) = torch.autograd.grad(log_density(x, t).sum(), x)
        v = velocity(x, t)
        divergence = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        components = v.flatten(1)
        for i in range(components.shape[1]):
            (row,) = torch.autograd.grad(components[:, i].sum(), x, retain_graph=True)
            divergence = divergence + row.flatten(1)[:, i]
    carried = (v * score).flatten(1).sum(1).detach()
    size = change.abs() + carried.abs() + divergence.abs()
    return (change + carried + divergence).abs() / size.clamp_min(torch.finfo(x.dtype).tiny)
