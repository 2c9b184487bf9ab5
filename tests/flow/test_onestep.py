from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from unstir.fields import ExactField, MixtureField
from unstir.flow import Euler, Heun, Solver, trajectory
from unstir.physics import LinearProcess, edm, parse

Mixture = Callable[[LinearProcess, int], MixtureField]
Order = Callable[[LinearProcess, Solver], float]
NAMES = ["vp", "edm", "rectified", "poisson:D=8"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("solver", "expected"), [(Euler(), 1.0), (Heun(), 2.0)], ids=["euler", "heun"])
def test_order_of_convergence(name: str, solver: Solver, expected: float, order: Order) -> None:
    assert order(parse(name), solver) == pytest.approx(expected, abs=0.15)


def test_heun_is_karras_algorithm_1(mixture: Mixture) -> None:
    process = edm()
    field = mixture(process, 2)
    x = process.prior(50, (2,), torch.Generator().manual_seed(0), torch.float64)
    times = process.times(18).tolist()
    steps = list(trajectory(process, field, x, solver=Heun(), times=times))
    for i, (t, t_next) in enumerate(itertools.pairwise(times)):
        d = (x - field.at(t)(x, None)) / t
        euler = x + (t_next - t) * d
        d_next = (euler - field.at(t_next)(euler, None)) / t_next
        x = x + (t_next - t) * 0.5 * (d + d_next)
        torch.testing.assert_close(steps[i + 1].state, x, rtol=1e-10, atol=1e-10)
    # Karras' last step, from σ_min to 0, is Euler's: the denoiser itself.
    torch.testing.assert_close(steps[-1].state, field.at(times[-1])(x, None), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("solver", [Euler(), Heun()], ids=["euler", "heun"])
def test_steps_are_those_of_the_velocity(name: str, solver: Solver, mixture: Mixture) -> None:
    process = parse(name)
    field = mixture(process, 2)
    x = torch.randn(20, 2, dtype=torch.float64)
    t, t_next = (process.time_at(torch.tensor(r, dtype=torch.float64)) for r in (1.0, 0.6))

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return process.velocity(x, t.expand(20), field.at(float(t))(x, None))

    v = velocity(x, t)
    expected = x + (t_next - t) * v
    if isinstance(solver, Heun):
        expected = x + (t_next - t) * 0.5 * (v + velocity(expected, t_next))
    times = [float(t), float(t_next)]
    *_, last = trajectory(process, field, x, solver=solver, times=times, denoise=False)
    torch.testing.assert_close(last.state, expected)


def test_what_is_counted_is_what_is_evaluated(mixture: Mixture) -> None:
    process = edm()
    for solver in (Euler(), Heun()):
        calls = 0

        def field(x: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return torch.zeros_like(x)

        for _ in trajectory(process, field, torch.zeros(1, 2), solver=solver, steps=7):
            pass
        assert calls == solver.evaluations(7)


def test_straight_lines_are_walked_exactly() -> None:
    # One point: x − y is proportional to σ, which even Euler keeps to.
    point = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    process = edm()
    x = process.prior(10, (2,), torch.Generator().manual_seed(0), torch.float64)
    for solver in (Euler(), Heun()):
        times = [80.0, 7.0, 0.5]
        *_, last = trajectory(
            process, ExactField(process, point), x, solver=solver, times=times, denoise=False
        )
        torch.testing.assert_close(last.state, point + (x - point) * (0.5 / 80))
