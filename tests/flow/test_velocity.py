from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.integrate
import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.flow import Euler, Heun, Path, Solver, Streams, trajectory
from unstir.flow.velocity import VelocityAdaptive, VelocityEuler, VelocityHeun, spaced
from unstir.physics import FlowProcess, LinearProcess, parse
from unstir.physics.process import per_item

Mixture = Callable[[LinearProcess, int], MixtureField]
Refused = Callable[..., str]


@dataclass(frozen=True)
class Spiral(FlowProcess):
    """(p, q) turns by t² and shrinks by the prediction, so that all is known: a flow of no linear process."""

    name: str = "spiral"
    t_min: float = 0.0
    t_max: float = 2.0

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        return 2 * per_item(t, x) * torch.stack([-x[:, 1], x[:, 0]], 1) - prediction

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def prior(
        self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        return torch.randn(n, *shape, generator=generator, dtype=dtype)

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        raise NotImplementedError

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Hurried(Spiral):
    """The same with times of its own."""

    def times(self, n: int) -> Tensor:
        return 2 * torch.linspace(1, 0, n, dtype=torch.float64) ** 2


def decay(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
    return 0.5 * x


def truth(x: Tensor, t: float = 0.0) -> Tensor:
    """From t = 2 down to `t`."""
    angle = torch.tensor(t**2 - 4.0, dtype=torch.float64)
    c, s = angle.cos(), angle.sin()
    grown = x * torch.tensor(0.5 * (2 - t), dtype=torch.float64).exp()
    return torch.stack([c * grown[:, 0] - s * grown[:, 1], s * grown[:, 0] + c * grown[:, 1]], 1)


def start(count: int = 50) -> Tensor:
    return Spiral().prior(count, (2,), torch.Generator().manual_seed(0), torch.float64)


def end(solver: Solver, steps: int, process: FlowProcess | None = None) -> Tensor:
    *_, last = trajectory(process or Spiral(), decay, start(), solver=solver, steps=steps)
    return last.state


@pytest.mark.parametrize("process", [Spiral(), Hurried()], ids=["even", "own"])
@pytest.mark.parametrize(("solver", "expected"), [(VelocityEuler(), 1.0), (VelocityHeun(), 2.0)])
def test_order_of_convergence_to_t_min(process: FlowProcess, solver: Solver, expected: float) -> None:
    steps = np.array([100, 200, 400])
    errors = [float((end(solver, int(n), process) - truth(start())).square().mean().sqrt()) for n in steps]
    order = -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])
    assert order == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-7])
def test_the_adaptive_solver_keeps_its_tolerance(tolerance: float) -> None:
    *_, before_last, last = trajectory(
        Spiral(), decay, start(), solver=VelocityAdaptive(tolerance, tolerance), steps=4
    )
    assert before_last.time == pytest.approx(2e-3)
    assert float((before_last.state - truth(start(), before_last.time)).abs().max()) < 50 * tolerance
    # Euler's last thousandth: ½ h² |ẍ|
    assert float((last.state - truth(start())).abs().max()) < 50 * tolerance + 5 * 2e-3**2 * 10


def test_heun_and_scipy_agree_on_a_mixture(mixture: Mixture) -> None:
    process = parse("rectified")
    field = mixture(process, 2)
    x = torch.randn(1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    times = torch.linspace(0.9, 0.1, 400, dtype=torch.float64).tolist()
    *_, last = trajectory(process, field, x, solver=VelocityHeun(), times=times, denoise=False)

    def slope(t: float, state: np.ndarray) -> np.ndarray:
        s = torch.from_numpy(state)[None]
        return process.velocity(s, torch.tensor([t]).double(), field.at(t)(s, None))[0].numpy()

    solved = scipy.integrate.solve_ivp(slope, (0.9, 0.1), x[0].numpy(), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(last.state[0].numpy(), solved.y[:, -1], atol=1e-4)


@pytest.mark.parametrize("name", ["vp", "edm", "poisson:D=8"])
@pytest.mark.parametrize(
    ("solver", "linear"), [(VelocityEuler(), Euler()), (VelocityHeun(), Heun())], ids=["euler", "heun"]
)
def test_on_a_linear_process_they_are_the_linear_solvers(
    name: str, solver: Solver, linear: Solver, mixture: Mixture
) -> None:
    process = parse(name)
    field, times = mixture(process, 2), process.times(12).tolist()
    x = process.prior(20, (2,), torch.Generator().manual_seed(0), torch.float64)
    ours = list(trajectory(process, field, x, solver=solver, times=times, denoise=False))
    theirs = list(trajectory(process, field, x, solver=linear, times=times, denoise=False))
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        assert a.prediction is not None
        assert b.prediction is not None
        torch.testing.assert_close(a.state, b.state)
        torch.testing.assert_close(a.prediction, b.prediction)


def test_times_are_the_processs_own_and_leave_out_the_end() -> None:
    assert spaced(Spiral(), 4) == pytest.approx([2, 1.5, 1, 0.5])
    assert spaced(Hurried(), 4) == pytest.approx([2, 2 * 0.75**2, 0.5, 2 * 0.25**2])
    # Those that reach t_min need no last step.
    solver, x = VelocityHeun(), start()
    assert solver.finish(Path(Spiral(), decay, [2.0, 0.0]), x, None) is x  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", [VelocityEuler(), VelocityHeun()])
def test_what_is_counted_is_what_is_evaluated_and_never_at_t_min(solver: Solver) -> None:
    seen = []

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        seen.append(float(t[0]))
        return torch.zeros_like(x)

    for _ in trajectory(Spiral(), field, torch.zeros(1, 2), solver=solver, steps=7):
        pass
    assert len(seen) == solver.evaluations(7)
    assert min(seen) == pytest.approx(2 / 7)


def test_groups_of_states_divide_those_of_data() -> None:
    solver = VelocityAdaptive()
    for shape, state in (((1, 8, 8), (2, 8, 8)), ((3, 31, 33), (6, 31, 33)), ((2,), (4,)), ((7,), (8,))):
        assert solver.group(shape) % solver.group(state) == 0


def test_a_group_is_solved_on_its_own() -> None:
    solver = VelocityAdaptive(1e-3, 1e-3)
    x = start(2048)
    walks = [
        list(trajectory(Spiral(), decay, part, solver=solver, steps=3, streams=Streams(0, 0, len(part))))
        for part in (x, x[:1024])
    ]
    torch.testing.assert_close(walks[0][-1].state[:1024], walks[1][-1].state, rtol=1e-12, atol=1e-12)


def test_tolerances_are_checked(refused: Refused) -> None:
    assert "rtol=0" in refused(VelocityAdaptive, 0.0, 1e-3)
