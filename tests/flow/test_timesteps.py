from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.flow import Churn, Heun, Multistep, Solver, default_solver, sample, trajectory
from unstir.flow.timesteps import Trial, end, nearest_share, tune
from unstir.physics import LinearProcess, parse

Mixture = Callable[[LinearProcess, int], MixtureField]


def problem(process: LinearProcess, field: MixtureField, n: int, seed: int) -> tuple[Tensor, Tensor]:
    start = process.prior(n, (2,), torch.Generator().manual_seed(seed), torch.float64)
    solver = default_solver(process)
    return start, end(process, field, start, solver, solver.times(process, 100))


def best(
    process: LinearProcess, field: MixtureField, start: Tensor, truth: Tensor, solver: Solver, steps: int
) -> Trial:
    *_, trial = tune(process, field, start, truth, solver=solver, steps=steps)
    return trial


@pytest.mark.parametrize(("name", "steps"), [("vp", 10), ("edm", 6), ("poisson:D=1", 8)])
def test_tuned_times_end_nearer_to_the_true_flow(name: str, steps: int, mixture: Mixture) -> None:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    field, solver = mixture(process, 2), Multistep()
    start, truth = problem(process, field, 64, 0)
    trial = best(process, field, start, truth, solver, steps)
    other, end_of_other = problem(process, field, 200, 1)  # never seen in tuning

    def rms(times: list[float]) -> float:
        return nearest_share(end(process, field, other, solver, times), end_of_other)

    assert rms(trial.times) < 0.9 * rms(solver.times(process, steps))


def test_they_serve_other_solvers_too(mixture: Mixture) -> None:
    process = parse("edm")
    assert isinstance(process, LinearProcess)
    field = mixture(process, 2)
    start, truth = problem(process, field, 64, 0)
    trial = best(process, field, start, truth, Heun(), 5)
    usual = nearest_share(end(process, field, start, Heun(), Heun().times(process, 5)), truth)
    assert nearest_share(end(process, field, start, Heun(), trial.times), truth) < 0.5 * usual


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_times_fall_within_the_clock_and_the_cost_never_rises(steps: int, mixture: Mixture) -> None:
    process = parse("poisson:D=8")
    assert isinstance(process, LinearProcess)
    field = mixture(process, 2)
    start, truth = problem(process, field, 16, 0)
    trials = list(tune(process, field, start, truth, solver=Multistep(), steps=steps, rounds=2))
    for trial in trials:
        assert len(trial.times) == steps
        assert trial.times[0] == process.t_max
        assert trial.times[-1] >= process.t_min
        assert all(b < a for a, b in itertools.pairwise(trial.times))
    done = [trial.done for trial in trials]
    assert done[-1] == trials[-1].most
    assert all(a < b for a, b in itertools.pairwise(done[:-1]))
    # The second is on the scale that the best layout sets.
    rounds = [trial.cost for trial in trials if trial.done > 9]
    assert all(b <= a for a, b in itertools.pairwise(rounds))


def test_known_times_are_a_place_to_begin(mixture: Mixture) -> None:
    process = parse("edm")
    assert isinstance(process, LinearProcess)
    field, solver = mixture(process, 2), Multistep()
    start, truth = problem(process, field, 16, 0)
    good = best(process, field, start, truth, solver, 6).times
    *_, again = tune(process, field, start, truth, solver=solver, steps=6, known=[good], rounds=0)
    assert again.times == good


def test_rms_of_the_nearest() -> None:
    truth = torch.zeros(100, 4)
    states = torch.full((100, 4), 0.3)
    states[:5] = 100.0
    assert nearest_share(states, truth) == pytest.approx(0.3)
    assert nearest_share(states, truth, 1.0) == pytest.approx(np.sqrt(0.95 * 0.09 + 0.05 * 1e4))


def test_sample_walks_the_times_it_is_given(mixture: Mixture) -> None:
    process = parse("edm")
    assert isinstance(process, LinearProcess)
    field, times = mixture(process, 2), [80.0, 3.0, 0.5, 0.01]
    found = sample(process, field, 5, (2,), times=times, steps=9, dtype=torch.float64)
    first = sample(process, field, 5, (2,), steps=1, dtype=torch.float64, denoise=False)
    *_, last = trajectory(process, field, first, solver=Multistep(), times=times)
    torch.testing.assert_close(found, last.state)


def test_refusals(mixture: Mixture, refused: Callable[..., str]) -> None:
    process = parse("edm")
    assert isinstance(process, LinearProcess)
    field = mixture(process, 2)
    start = torch.zeros(8, 2)

    def attempt(solver: Solver, steps: int, n: int) -> None:
        list(tune(process, field, start[:n], start[:n], solver=solver, steps=steps))

    assert "solver=churn" in refused(attempt, Churn(), 5, 8)
    assert "steps=1" in refused(attempt, Multistep(), 1, 8)
    assert "start: 7 prior draws" in refused(attempt, Multistep(), 5, 7)
