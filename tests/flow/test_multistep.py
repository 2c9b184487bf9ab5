from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import scipy.integrate
import torch

from unstir.fields import ExactField, as_field
from unstir.flow import LinearPath, Multistep, Solver, parse_solver, trajectory
from unstir.flow.multistep import weights
from unstir.physics import DampedProcess, LinearProcess, parse

Order = Callable[[LinearProcess, Solver], float]
NAMES = ["vp", "edm", "rectified", "poisson:D=8"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("corrector", [False, True], ids=["plain", "corrected"])
@pytest.mark.parametrize("past", [1, 2, 3])
def test_order_of_convergence(name: str, past: int, corrector: bool, order: Order) -> None:
    # The corrector brings one order more. First steps with fewer past evaluations hold order 3 down a little.
    assert order(parse(name), Multistep(past, corrector)) == pytest.approx(past + corrector, abs=0.3)


def path_at(process: LinearProcess, ratios: Sequence[float]) -> LinearPath:
    times = process.time_at(torch.tensor(ratios, dtype=torch.float64)).tolist()
    return LinearPath(process, as_field(lambda x, t, label: x), times, (2,))


@pytest.mark.parametrize("name", NAMES)
def test_order_1_is_ddim(name: str) -> None:
    path = path_at(parse(name), [50.0, 5.0, 1.0, 0.1, 0.01])
    A, B = path.A, path.B
    for i, (w,) in enumerate(weights(path, 1, 0)):
        # x' = (B'/B) x + (A' − A B'/B) D: Song 2021 (DDIM), equation 12 with σ = 0
        assert w == pytest.approx(A[i + 1] - A[i] * B[i + 1] / B[i], rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("past", [1, 2, 3])
def test_polynomials_in_noise_to_signal_are_integrated_exactly(name: str, past: int, ahead: int) -> None:
    ratios = [20.0, 12.0, 6.0, 2.0, 0.7, 0.3]
    path = path_at(parse(name), ratios)
    B = path.B
    for i, row in enumerate(weights(path, past, ahead)):
        known = ratios[max(0, i - past + 1) : i + 1 + ahead][::-1]
        assert len(row) == len(known)
        for power in range(len(known)):
            # B' ∫ r^power d(1/r), the newest evaluation first
            area, _ = scipy.integrate.quad(lambda r, p=power: r ** (p - 2), ratios[i + 1], ratios[i])
            assert float(np.dot(row, np.array(known) ** power)) == pytest.approx(B[i + 1] * area, rel=1e-8)


@pytest.mark.parametrize("name", [*NAMES, "vp:schedule=cosine", "poisson:D=1"])
def test_one_point_is_reached_in_any_number_of_steps(name: str) -> None:
    # D is constant, and the rest of the flow is solved exactly.
    point, process = torch.tensor([[0.3, -0.4]], dtype=torch.float64), parse(name)
    x = process.prior(10, (2,), torch.Generator().manual_seed(0), torch.float64)
    A, B = (c(torch.tensor([process.t_max, process.t_min]).double()).tolist() for c in (process.A, process.B))
    expected = A[1] * point + (x - A[0] * point) * B[1] / B[0]
    for steps in (2, 3, 10):
        for solver in (Multistep(1), Multistep(3), Multistep(3, corrector=False)):
            *_, last = trajectory(
                process, ExactField(process, point), x, solver=solver, steps=steps, denoise=False
            )
            torch.testing.assert_close(last.state, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("corrector", [False, True])
def test_one_evaluation_a_step(corrector: bool) -> None:
    calls = 0

    def field(x: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x)

    solver = Multistep(3, corrector)
    for _ in trajectory(parse("edm"), field, torch.zeros(1, 2), solver=solver, steps=9):
        pass
    assert calls == solver.evaluations(9) == 9


@pytest.mark.parametrize(
    "name", [*NAMES, "vp:schedule=cosine", "ve", "edm:sigma_min=10", "edm:sigma_max=0.5"]
)
def test_its_times_fall_from_one_end_to_the_other(name: str) -> None:
    process = parse(name)
    for steps in (1, 2, 3, 10, 20, 100, 1000):
        times = Multistep().times(process, steps)
        assert len(times) == steps
        assert times[0] == process.t_max
        assert times[-1] == (process.t_min if steps > 1 else process.t_max)
        assert all(b < a for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("order", [4, -1])
def test_other_orders_are_refused(order: int, refused: Callable[..., str]) -> None:
    assert f"order={order}: the multistep solver has orders 1, 2 and 3" in refused(
        parse_solver, f"multistep:order={order}"
    )


@pytest.mark.parametrize("name", ["blurring", "heat_poisson:D=8"])
def test_damped_modes_have_steps_where_they_come_up(name: str) -> None:
    process = parse(name)
    assert isinstance(process, DampedProcess)
    # Nothing is known of the data yet: as for every other process.
    assert Multistep().times(process, 10) == process.times(10, jump=4.0).tolist()
    generator = torch.Generator().manual_seed(0)
    modes = torch.arange(8.0)[:, None] + torch.arange(8.0)
    spread = 0.7 / (1 + 0.2 * modes)  # about that of digits
    data = process.basis.state(spread * torch.randn(500, 1, 8, 8, generator=generator))
    process = process.prepared(data)
    x = process.prior(32, (1, 8, 8), generator)

    def field(x: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        """That of a Gaussian with this spectrum: modes on their own."""
        A, B = process.signal(t.double(), (1, 8, 8)), process.B(t.double())[:, None, None, None]
        gain = A * spread**2 / (A**2 * spread**2 + B**2)
        return process.basis.state(gain.to(x.dtype) * process.basis.coordinates(x))

    def end(times: list[float]) -> torch.Tensor:
        *_, last = trajectory(process, field, x, solver=Multistep(), times=times)
        return last.state

    A = process.signal(torch.tensor([process.t_max, process.t_min]).double(), (1, 8, 8))
    B = process.B(torch.tensor([process.t_max, process.t_min]).double())[:, None, None, None]
    size = (A**2 * spread**2 + B**2).sqrt()
    # x_k/√V_k is constant along the flow; the last denoising is by the field.
    state = process.basis.state((size[1] / size[0]).float() * process.basis.coordinates(x))
    truth = field(state, torch.full((32,), process.t_min), None)
    own, usual = Multistep().times(process, 10), process.times(10, jump=4.0).tolist()
    missed = [float((end(times) - truth).square().mean().sqrt()) for times in (own, usual)]
    assert missed[0] < 0.6 * missed[1], missed
