"""Krylov solvers against LAPACK."""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.conditions import conjugate_gradients, minimal_residual


def matrices(n: int, size: int) -> Tensor:
    return torch.randn(n, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def times(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("bij,bj->bi", matrix, x.flatten(1)).reshape(x.shape)


def test_conjugate_gradients_solve_each_system() -> None:
    a = matrices(4, 6)
    # scales apart by 1e6: one item's convergence is not another's
    scale = torch.tensor([1e-3, 1.0, 1e3, 1.0], dtype=torch.float64)[:, None, None]
    matrix = scale * (a @ a.mT + torch.eye(6, dtype=torch.float64))
    right = matrices(4, 6)[:, :, 0].reshape(4, 2, 3)
    right[3] = 0
    found = conjugate_gradients(lambda u: times(matrix, u), right, rtol=1e-12)
    expected = torch.linalg.solve(matrix, right.flatten(1)).reshape(4, 2, 3)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_a_direction_of_no_curvature_ends_an_item() -> None:
    matrix = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)).expand(1, 2, 2)
    right = torch.ones(1, 2, dtype=torch.float64)
    assert torch.equal(conjugate_gradients(lambda u: times(matrix, u), right), torch.zeros(1, 2).double())


def test_minimal_residuals_need_no_symmetry_and_never_move_away() -> None:
    matrix = matrices(5, 6) + 2 * torch.eye(6, dtype=torch.float64)
    right = matrices(5, 6)[:, :, 1]
    full = minimal_residual(lambda u: times(matrix, u), right, iterations=6, rtol=1e-12)
    torch.testing.assert_close(full, torch.linalg.solve(matrix, right), rtol=1e-8, atol=1e-8)
    left = right.norm(dim=1)
    for iterations in range(1, 6):
        x = minimal_residual(lambda u: times(matrix, u), right, iterations=iterations)
        now = (right - times(matrix, x)).norm(dim=1)
        assert bool((now <= left * (1 + 1e-12)).all())
        left = now


def test_an_exhausted_space_is_no_harm() -> None:
    right = torch.ones(2, 3, dtype=torch.float64)
    right[1] = 0
    found = minimal_residual(lambda u: 4 * u, right, iterations=5, rtol=0.0)
    torch.testing.assert_close(found, right / 4)
