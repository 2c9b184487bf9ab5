"""Conjugate gradients for a batch of systems, each with its own steps, matrix-free (Hestenes & Stiefel 1952).

SciPy solves one system at a time; here one call of the operator serves all items. An item is left as it is
once its residual is small, or once a direction of no positive curvature shows that its operator, a
network's Jacobian say, is not positive definite there (Steihaug 1983).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(
    operator: Callable[[Tensor], Tensor], right: Tensor, *, iterations: int = 200, rtol: float = 1e-5
) -> Tensor:
    """x with operator(x) = right, item by item.

    Args:
        operator: linear, symmetric and positive definite on each item `(batch, …)` by itself.
        right: `(batch, …)`.
        iterations: at most so many calls of the operator.
        rtol: where to stop, as |residual|/|right|.
    """
    x = torch.zeros_like(right)
    residual = direction = right
    squared = _dot(residual, residual)
    goal = rtol**2 * squared
    for _ in range(iterations):
        active = squared > goal
        if not bool(active.any()):
            break
        image = operator(direction)
        curvature = _dot(direction, image)
        active = active & (curvature > 0)
        step = torch.where(active, squared / torch.where(active, curvature, 1.0), 0.0)
        x = x + step * direction
        residual = residual - step * image
        new = _dot(residual, residual)
        grown = torch.where(active, new / squared.clamp_min(torch.finfo(new.dtype).tiny), 0.0)
        squared = torch.where(active, new, 0.0)
        direction = residual + grown * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products, `(batch, 1, …)`."""
    return (a * b).flatten(1).sum(1).reshape(-1, *(1,) * (a.ndim - 1))


def minimal_residual(
    operator: Callable[[Tensor], Tensor], right: Tensor, *, iterations: int, rtol: float = 1e-5
) -> Tensor:
    """x of least |right − operator(x)| in the Krylov space, item by item: GMRES (Saad & Schultz 1986).

    It neither asks for symmetry nor ever moves away, as conjugate gradients do on a network's Jacobian.

    Args:
        operator: linear, on each item `(batch, …)` by itself.
        right: `(batch, …)`.
        iterations: at most so many calls of the operator, all directions being kept.
        rtol: where to stop, as |residual|/|right|, for the worst item.
    """
    flat = right.flatten(1)
    size = flat.norm(dim=1)
    tiny = torch.finfo(flat.dtype).tiny
    basis = [flat / size.clamp_min(tiny)[:, None]]
    H = torch.zeros(len(flat), iterations + 1, iterations, dtype=flat.dtype, device=flat.device)
    goal = torch.zeros(len(flat), iterations + 1, dtype=flat.dtype, device=flat.device)
    goal[:, 0] = size
    weights = torch.zeros(len(flat), 0, dtype=flat.dtype, device=flat.device)
    for k in range(iterations):
        image = operator(basis[k].reshape(right.shape)).flatten(1)
        for _ in range(2):  # twice is enough for directions to stay at right angles
            for j, one in enumerate(basis):
                along = (one * image).sum(1)
                H[:, j, k] += along
                image = image - along[:, None] * one
        left = image.norm(dim=1)
        H[:, k + 1, k] = left
        # Where the space is exhausted, no direction is left: a row of zeros, which pinv passes over.
        done = left <= 1e-7 * H[:, : k + 1, k].norm(dim=1)
        basis.append(torch.where(done[:, None], 0.0, image / left.clamp_min(tiny)[:, None]))
        H[:, k + 1, k] = torch.where(done, 0.0, left)
        A, b = H[:, : k + 2, : k + 1], goal[:, : k + 2, None]
        weights = (torch.linalg.pinv(A, rtol=1e-6) @ b)[..., 0]
        missed = (b[..., 0] - (A @ weights[..., None])[..., 0]).norm(dim=1)
        if bool((missed <= rtol * size).all()):
            break
    found = sum(weights[:, j, None] * basis[j] for j in range(weights.shape[1]))
    return found.reshape(right.shape) if isinstance(found, Tensor) else torch.zeros_like(right)
