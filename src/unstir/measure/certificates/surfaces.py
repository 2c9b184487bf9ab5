"""Surfaces about charges in the space of x and the height: fluxes by Gauss–Legendre rules.

Charges at y of shares q, seen in N + D dimensions at height r, have the field

    E(x, r) = Σ q (x − y, r) / (S_{N+D} ρ^{N+D}) = Σ q p_r(x given y) (x − y, r) / (S_D r^D)

with ρ² = ‖x−y‖² + r², S_n the area of the unit sphere in n dimensions and p_r the kernel of Poisson flow,
r = σ√D: the flux through a cylinder of radius r is the charge times the kernel's mass. So E is made here from
`process.log_kernel` alone, and the flux through a sphere tells whether its exponent is a conserved field's.

The height has D dimensions, alike all around: a sphere about (c, 0) is a half circle (N = 1) or a half sphere
(N = 2) in (x, r), each point of which stands for S_D r^{D−1} of area.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from unstir.physics import LinearProcess

_ANGLES = 120
_AROUND = 72
# Charges with unequal shares, and spheres (centre, radius) about one of them, two, all and none.
_SHARES = (0.5, 0.3, 0.2)
_PLACES = ((-1.0, 0.2), (0.4, -0.5), (1.1, 0.6))
_SPHERES = (((-1.1, 0.1), 0.7), ((0.75, 0.0), 1.0), ((0.0, 0.0), 2.5), ((-0.3, -0.1), 0.5))


def field_fluxes(process: LinearProcess, D: float, size: int) -> Iterator[tuple[float, float]]:
    """(flux of E, charge inside) for spheres in `size` + D dimensions, `size` 1 or 2."""
    log_area = math.log(2) + 0.5 * D * math.log(math.pi) - math.lgamma(0.5 * D)
    charges = torch.tensor(_PLACES, dtype=torch.float64)[:, :size]
    shares = torch.tensor(_SHARES, dtype=torch.float64)
    for centre, radius, held in _spheres(size):
        normal, height, weight = _half_sphere(size)
        x = torch.tensor(centre, dtype=torch.float64)[:size] + radius * normal
        r = radius * height
        log_kernel = process.log_kernel(x, charges, _time(process, r / math.sqrt(D)))
        log_field = log_kernel - log_area - D * r.log()[:, None]
        # (x̃ − ỹ)·n
        apart = ((x[:, None] - charges) * normal[:, None]).sum(2) + (r * height)[:, None]
        # S_D r^{D−1} of area at each point, and a^N of the half sphere of radius a
        log_size = log_area + (D - 1) * r.log() + size * math.log(radius)
        flux = ((log_field + log_size[:, None]).exp() * apart * shares).sum(1) @ weight
        yield float(flux), sum(_SHARES[i] for i in held)


def current_fluxes(process: LinearProcess, size: int) -> Iterator[tuple[float, float]]:
    """(flux of (p v, p), charge inside) for half spheres on the plane in (x, σ): what rises must come out."""
    charges = torch.tensor(_PLACES, dtype=torch.float64)[:, :size]
    shares = torch.tensor(_SHARES, dtype=torch.float64)
    for centre, radius, held in _spheres(size):
        normal, height, weight = _half_sphere(size)
        x = torch.tensor(centre, dtype=torch.float64)[:size] + radius * normal
        t = _time(process, radius * height)
        logits = process.log_kernel(x, charges, t) + shares.log()
        v = process.velocity(x, t, torch.softmax(logits, 1) @ charges)
        through = torch.logsumexp(logits, 1).exp() * ((v * normal).sum(1) + height)
        yield float(through @ weight) * radius**size, sum(_SHARES[i] for i in held)


def _time(process: LinearProcess, sigma: Tensor) -> Tensor:
    """When the noise is this; off the clock too, near the rim of a sphere."""
    return process.schedule.time_at(sigma / process.scale)


def _spheres(size: int) -> Iterator[tuple[tuple[float, float], float, tuple[int, ...]]]:
    """Each sphere with the charges that it holds in this many dimensions."""
    for centre, radius in _SPHERES:
        held = [i for i, place in enumerate(_PLACES) if math.dist(place[:size], centre[:size]) < radius]
        yield centre, radius, tuple(held)


def _half_sphere(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors over the plane, as parts along x and heights, with weights that sum to half the area."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(_ANGLES))
    if size == 1:
        angle = 0.5 * math.pi * (nodes + 1)
        return angle.cos()[:, None], angle.sin(), 0.5 * math.pi * weights
    angle = 0.25 * math.pi * (nodes + 1)
    around = 2 * math.pi * torch.arange(_AROUND, dtype=torch.float64) / _AROUND
    ring = torch.stack([around.cos(), around.sin()], 1)
    along = (angle.cos()[:, None, None] * ring).reshape(-1, 2)
    height = angle.sin().repeat_interleave(_AROUND)
    weight = 0.25 * math.pi * weights * angle.cos() * (2 * math.pi / _AROUND)
    return along, height, weight.repeat_interleave(_AROUND)
