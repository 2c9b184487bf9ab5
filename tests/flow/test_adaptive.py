from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.flow import Adaptive, Heun, Streams, trajectory
from unstir.physics import LinearProcess, parse

Mixture = Callable[[LinearProcess, int], MixtureField]


def walk(field: MixtureField, x: Tensor, solver: Adaptive | Heun, steps: int) -> Tensor:
    process = field.process
    *_, last = trajectory(process, field, x, solver=solver, steps=steps, denoise=False)
    return last.state


@pytest.mark.parametrize("name", ["vp", "edm", "rectified", "poisson:D=8", "poisson:D=1"])
def test_the_error_follows_the_tolerance(name: str, mixture: Mixture) -> None:
    field = mixture(parse(name), 2)
    x = field.process.prior(20, (2,), torch.Generator().manual_seed(0), torch.float64)
    truth = walk(field, x, Adaptive(1e-9, 1e-9), 2)
    errors = [float((walk(field, x, Adaptive(tol, tol), 2) - truth).abs().max()) for tol in (1e-3, 1e-5)]
    assert errors[0] < 0.02
    assert errors[1] < 0.1 * errors[0]
    # A fixed-step solver gets there too, where the tail is light.
    if name != "poisson:D=1":
        assert float((walk(field, x, Heun(), 1500) - truth).abs().max()) < 1e-3


def test_draws_far_out_in_a_cauchy_tail_arrive(mixture: Mixture) -> None:
    field = mixture(parse("poisson:D=1"), 2)
    x = torch.tensor([[80.0, 10.0], [8e4, -3e4], [-2e6, 1e6]], dtype=torch.float64)
    fine = walk(field, x, Adaptive(1e-9, 1e-9), 2)
    torch.testing.assert_close(walk(field, x, Adaptive(1e-6, 1e-6), 2), fine, rtol=0, atol=1e-4)


def test_times_on_the_way_change_nothing_but_what_is_shown(mixture: Mixture) -> None:
    field = mixture(parse("poisson:D=8"), 2)
    x = field.process.prior(10, (2,), torch.Generator().manual_seed(0), torch.float64)
    a, b = (walk(field, x, Adaptive(1e-7, 1e-7), steps) for steps in (2, 30))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_groups_depend_on_the_shape_alone() -> None:
    solver = Adaptive()
    assert solver.group((2,)) == 1024
    assert solver.group((1, 8, 8)) == 256
    assert solver.group((3, 64, 64)) == 16
    assert solver.evaluations(40) is None


def test_groups_are_solved_apart(mixture: Mixture) -> None:
    field = mixture(parse("poisson:D=1"), 64)
    process, solver = field.process, Adaptive(1e-2, 1e-2)
    group = solver.group((64,))
    x = Streams(0, 0, group + 20).draw(lambda g: process.prior(1, (64,), g))
    alone = walk(field, x[:group], solver, 2)
    torch.testing.assert_close(walk(field, x, solver, 2)[:group], alone, rtol=0, atol=1e-5)
