from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.fields import LangevinMixture
from unstir.flow import Maruyama, PhaseMultistep, Solver, Splitting, Streams, sample, solvers, trajectory
from unstir.flow.velocity import VelocityAdaptive, VelocityHeun
from unstir.physics import LangevinProcess, langevin

WEIGHTS = torch.tensor([0.45, 0.3, 0.25])
MEANS = torch.tensor([[0.6, 0.2], [-0.7, 0.4], [-0.24, -0.84]])
COVARIANCES = torch.tensor(
    [[[0.03, 0.015], [0.015, 0.02]], [[0.02, -0.01], [-0.01, 0.03]], [[0.04, 0.0], [0.0, 0.015]]]
)


def mixture() -> LangevinMixture:
    return LangevinMixture(langevin(), WEIGHTS, MEANS, COVARIANCES)


def gaussian() -> LangevinMixture:
    return LangevinMixture(langevin(), torch.ones(1), torch.zeros(1, 1), torch.tensor([0.25]))


class Still(Streams):
    """Random numbers of our own choosing."""

    def __init__(self, draws: list[Tensor]) -> None:
        self.draws = draws

    def normal(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return self.draws.pop(0), torch.zeros(len(like), dtype=torch.float64)


def variance(solver: Solver, steps: int) -> float:
    """Of the data that a solver ends with on Gaussian data, exactly: all is linear in the numbers drawn.

    Row i has the i-th of all the numbers drawn equal to 1, the rest 0: the squares of what comes out add up.
    """
    field = gaussian()
    times = solver.times(field.process, steps)
    draws = {Maruyama: 1, Splitting: 2}[type(solver)] * (len(times) - 1)
    count = 2 * (draws + 1)
    unit = torch.eye(count, dtype=torch.float64).reshape(count, draws + 1, 2)
    start = unit[:, 0] * torch.tensor([1, field.process.mass**0.5])
    rows = [unit[:, i + 1] for i in range(draws)]
    *_, last = trajectory(
        field.process, field, start, solver=solver, times=times, streams=Still(rows), denoise=False
    )
    return float((field.process.observed(last.state)).square().sum())


def expected(steps: int, solver: Solver) -> float:
    """Of the position at the last time, in truth."""
    t = torch.tensor(solver.times(langevin(), steps)[-1], dtype=torch.float64)
    a, root = langevin().kernel(t)
    return float(0.25 * a[0] ** 2 + root[0, 0] ** 2)


@pytest.mark.parametrize(("solver", "order"), [(Maruyama(), 1.0), (Splitting(), 2.0)], ids=["em", "sscs"])
def test_the_weak_order_of_the_stochastic_solvers(solver: Solver, order: float) -> None:
    steps = np.array([40, 80, 160])
    errors = [abs(variance(solver, int(n)) - expected(int(n), solver)) for n in steps]
    assert -float(np.polyfit(np.log(steps), np.log(errors), 1)[0]) == pytest.approx(order, abs=0.2)


def test_splitting_is_far_closer_at_the_same_cost() -> None:
    by_splitting = abs(variance(Splitting(), 50) / expected(50, Splitting()) - 1)
    by_maruyama = abs(variance(Maruyama(), 100) / expected(100, Maruyama()) - 1)
    assert by_splitting < 0.005
    assert by_maruyama > 0.02


@pytest.mark.parametrize("broken", ["friction", "root"])
def test_a_wrong_friction_or_bath_biases_the_splitting(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "friction":
        monkeypatch.setattr(LangevinProcess, "friction", 1.1)
    else:
        right = LangevinProcess.transition

        def wrong(self: LangevinProcess, t: Tensor, variance: float = 0.0) -> tuple[Tensor, Tensor]:
            mean, root = right(self, t, variance)
            return mean, root if variance else 1.1 * root

        monkeypatch.setattr(LangevinProcess, "transition", wrong)
    assert abs(variance(Splitting(), 100) / expected(100, Splitting()) - 1) > 0.01


def test_multistep_is_of_second_order_and_agrees_with_heun() -> None:
    field = mixture()
    x = field.process.prior(50, (2,), torch.Generator().manual_seed(0), torch.float64)

    def end(solver: Solver, steps: int) -> Tensor:
        times = torch.linspace(0.9, 0.15, steps + 1, dtype=torch.float64).tolist()
        *_, last = trajectory(field.process, field, x, solver=solver, times=times, denoise=False)
        return last.state

    fine = end(PhaseMultistep(), 300)
    assert float((fine - end(VelocityHeun(), 200)).square().mean().sqrt()) < 3e-3
    steps = np.array([25, 50, 100])
    errors = [float((end(PhaseMultistep(), int(n)) - fine).square().mean().sqrt()) for n in steps]
    assert -float(np.polyfit(np.log(steps), np.log(errors), 1)[0]) == pytest.approx(2, abs=0.25)


def test_multistep_is_exact_about_one_point() -> None:
    process, point = langevin(), torch.tensor([[0.3, -0.4]], dtype=torch.float64)

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return process.target(point.expand(len(x), 2), x, t)

    x = process.prior(20, (2,), torch.Generator().manual_seed(0), torch.float64)
    coarse, fine = [1.0, 0.3, 0.02], langevin().times(300)[:-1]
    fine = [*fine[fine > 0.021].tolist(), 0.02]
    *_, one = trajectory(process, field, x, solver=PhaseMultistep(), times=coarse, denoise=False)
    *_, many = trajectory(process, field, x, solver=VelocityHeun(), times=fine, denoise=False)
    torch.testing.assert_close(one.state, many.state, rtol=0, atol=6e-3)
    *_, halved = trajectory(
        process, field, x, solver=PhaseMultistep(), times=[1.0, 0.6, 0.3, 0.1, 0.02], denoise=False
    )
    torch.testing.assert_close(one.state, halved.state, rtol=0, atol=2e-5)


def worst_component(samples: Tensor) -> tuple[float, float, float]:
    """Of share (absolute), mean (of its norm) and covariance (relative, Frobenius)."""
    owner = torch.cdist(samples.double(), MEANS.double()).argmin(1)
    found = []
    for k in range(3):
        own = samples[owner == k].double()
        found.append(
            (
                abs(len(own) / len(samples) - float(WEIGHTS[k])),
                float((own.mean(0) - MEANS[k]).norm() / MEANS[k].norm()),
                float((torch.cov(own.T) - COVARIANCES[k]).norm() / COVARIANCES[k].norm()),
            )
        )
    share, mean, covariance = (max(column) for column in zip(*found, strict=True))
    return share, mean, covariance


@pytest.mark.parametrize(
    ("solver", "steps"),
    [
        (PhaseMultistep(), 60),
        (Splitting(), 80),
        (Maruyama(), 200),
        (VelocityHeun(), 80),
        (VelocityAdaptive(1e-3, 1e-3), 2),
    ],
    ids=["multistep", "splitting", "maruyama", "heun", "adaptive"],
)
def test_reversal_gives_back_the_mixture(solver: Solver, steps: int) -> None:
    # 20,000 samples tell a covariance to 3 %; what is adaptive is solved in groups, and takes long.
    field, adaptive = mixture(), isinstance(solver, VelocityAdaptive)
    x = field.process.prior(
        4000 if adaptive else 20_000, (2,), torch.Generator().manual_seed(3), torch.float32
    )
    *_, last = trajectory(field.process, field, x, solver=solver, steps=steps, streams=Quick(4))
    share, mean, covariance = worst_component(field.process.observed(last.state))
    assert share < 0.02
    assert mean < 0.04
    assert covariance < 0.1


class Quick(Streams):
    """One stream for all samples, where no sample is asked for again."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, like: Tensor) -> tuple[Tensor, Tensor]:
        draw = torch.randn(like.shape, generator=self.generator, dtype=like.dtype)
        return draw, torch.zeros(len(like), dtype=torch.float64)


@pytest.mark.parametrize("name", list(solvers(langevin())))
def test_a_sample_depends_on_seed_and_index_alone(name: str) -> None:
    field = mixture()
    if name == "adaptive":
        name = "adaptive:rtol=0.01,atol=0.01"
    whole = sample(field.process, field, 40, (2,), solver=name, steps=5, seed=3)
    part = sample(field.process, field, 4, (2,), solver=name, steps=5, seed=3, first=30, batch=3)
    torch.testing.assert_close(part, whole[30:34], rtol=1e-4, atol=1e-5)
    assert whole.shape == (40, 2)
    assert bool(whole.isfinite().all())


@pytest.mark.parametrize("solver", [PhaseMultistep(), Splitting(), Maruyama(), VelocityHeun()])
def test_what_is_counted_is_what_is_evaluated(solver: Solver) -> None:
    calls = 0

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros(len(x), 1)

    x = torch.zeros(1, 2)
    for _ in trajectory(langevin(), field, x, solver=solver, steps=7, streams=Streams(0, 0, 1)):
        pass
    assert calls == solver.evaluations(7)
