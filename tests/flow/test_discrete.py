from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import ExactCoins, as_field
from unstir.flow import AncestralCoins, CoinSolver, Path, TauLeaping, sample, solvers
from unstir.flow.bound import bits_per_dimension, nats_bound
from unstir.flow.enumeration import all_rows, backward_matrix, forward_matrix
from unstir.physics import CoinProcess, coins

BOTH = pytest.mark.parametrize("noise", ["uniform", "absorbing"])
# Three bits that hang together: 000 and 111 often, 101 at times.
DATA = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 1]])
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def law_of(process: CoinProcess, data: Tensor, shares: Tensor) -> Tensor:
    """The data's law as a vector over all rows."""
    rows = all_rows(process.toss.symbols, data.shape[1:])
    return ((rows[:, None] == data).flatten(2).all(2).double() * shares).sum(1)


def reached(process: CoinProcess, field: object, solver: CoinSolver, steps: int) -> Tensor:
    """The exact law of what a solver draws."""
    prior = law_of(process, DATA, SHARES) @ forward_matrix(process, (3,), 0, process.steps)
    times = solver.times(process, steps)
    return prior @ backward_matrix(process, field, solver, (3,), times)  # type: ignore[arg-type]


def distance(a: Tensor, b: Tensor) -> float:
    """Total variation."""
    return float((a - b).abs().sum()) / 2


@BOTH
@pytest.mark.parametrize("solver", [AncestralCoins(), TauLeaping()])
def test_the_reversal_meets_the_data_as_steps_grow(noise: str, solver: CoinSolver) -> None:
    process = coins(noise, T=1000)
    field = ExactCoins(process, DATA, SHARES)
    truth = law_of(process, DATA, SHARES)
    steps = np.array([50, 100, 200])
    errors = np.array([distance(reached(process, field, solver, int(n)), truth) for n in steps])
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 0.85 < order < 1.3
    assert errors[-1] < 0.02


@BOTH
def test_whole_rows_drawn_together_reverse_exactly_in_any_number_of_steps(noise: str) -> None:
    process = coins(noise, T=10)
    field = ExactCoins(process, DATA, SHARES)
    rows = all_rows(process.toss.symbols, (3,))
    law0 = law_of(process, DATA, SHARES)
    s, t = 3.0, 8.0
    before, after = (law0 @ forward_matrix(process, (3,), 0, time) for time in (s, t))
    at = torch.full((len(rows),), t, dtype=torch.float64)
    weights = field.log_weights(rows, at).exp()
    back = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for i, point in enumerate(DATA):
        known = torch.nn.functional.one_hot(point.expand(len(rows), 3), 2).double()
        coin = process.posterior(rows, torch.full_like(at, s), at, known)
        back += weights[:, i, None] * coin[:, None, torch.arange(3), rows].prod(-1).squeeze(1)
    torch.testing.assert_close(after @ back, before, rtol=0, atol=1e-12)


@BOTH
def test_ancestral_samples_of_one_coin_follow_the_data(noise: str) -> None:
    # A single coin has nothing to hang together with: few steps are exact.
    process = coins(noise, T=12, states=4)
    shares = torch.tensor([0.4, 0.3, 0.2, 0.1])
    field = ExactCoins(process, torch.arange(4)[:, None], shares)
    drawn = sample(process, field, 4000, solver="ancestral", steps=5, seed=1, batch=4000)
    counts = torch.bincount(drawn.flatten(), minlength=4).numpy()
    assert chisquare(counts, 4000 * shares.numpy()).pvalue > 0.01


@BOTH
@pytest.mark.parametrize("name", ["ancestral", "tau_leaping"])
def test_samples_follow_the_law_that_is_enumerated(noise: str, name: str) -> None:
    process = coins(noise)
    field = ExactCoins(process, DATA, SHARES)
    steps, n = 8, 4000
    drawn = sample(process, field, n, solver=name, steps=steps, seed=2, batch=n)
    solver = solvers(process)[name]()
    assert isinstance(solver, CoinSolver)
    truth = reached(process, field, solver, steps)
    rows = all_rows(process.toss.symbols, (3,))
    counts = (rows[:, None] == drawn).all(2).sum(1)
    seen = truth > 1e-9
    assert int(counts[~seen].sum()) == 0
    assert chisquare(counts[seen].numpy(), n * (truth[seen] / truth[seen].sum()).numpy()).pvalue > 0.01
    # Eight steps are too few for the data's own law, and the test can tell.
    data = law_of(process, DATA, SHARES)
    assert distance(truth, data) > 0.03


@dataclass(frozen=True)
class _Unweighed(CoinProcess):
    """A broken posterior: what x_t itself says is left out."""

    def evidence(self, x: Tensor, t: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.full((*x.shape, self.states), 0.5, dtype=dtype)


def test_a_broken_posterior_fails_the_reversal() -> None:
    process = coins()
    field = ExactCoins(process, DATA, SHARES)
    truth = law_of(process, DATA, SHARES)
    right = distance(reached(process, field, AncestralCoins(), 200), truth)
    broken = _Unweighed("uniform", 1000, process.toss)
    found = reached(broken, field, AncestralCoins(), 200)
    assert right < 0.02
    assert distance(found, truth) + abs(float(found.sum()) - 1) > 0.1


@BOTH
def test_the_second_law_and_equilibrium_hold_by_enumeration(noise: str) -> None:
    process = coins(noise, T=10)
    law, rows = law_of(process, DATA, SHARES), all_rows(process.toss.symbols, (3,))
    end = process.toss.law[rows].prod(1)
    laws = [law @ forward_matrix(process, (3,), 0, t) for t in range(11)]
    assert distance(laws[-1], end) < 1e-12
    if noise == "uniform":  # to the mask all order is lost, and entropy with it
        entropies = [float(-torch.xlogy(p, p).sum()) for p in laws]
        assert all(b >= a - 1e-12 for a, b in itertools.pairwise(entropies))
        assert entropies[-1] == pytest.approx(3 * math.log(2))


def exact_bound(
    process: CoinProcess, field: ExactCoins, data: Tensor, times: list[float]
) -> tuple[Tensor, Tensor]:
    """The bound and −log p of ancestral sampling, each worked out over all rows."""
    rows = all_rows(process.toss.symbols, data.shape[1:])
    at = [int((rows == y).flatten(1).all(1).nonzero()) for y in data]
    shape, path = tuple(data.shape[1:]), Path(process, field, times)
    bound = torch.zeros(len(data), dtype=torch.float64)
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        back = backward_matrix(process, field, AncestralCoins(), shape, times[i : i + 2])
        reach, step = forward_matrix(process, shape, 0, s)[at], forward_matrix(process, shape, s, t)
        joint = reach[:, :, None] * step  # of x_s and x_t given x_0
        there = joint.sum(1, keepdim=True)
        truth = joint / torch.where(there > 0, there, 1)
        model = torch.where(joint > 0, back.T[None], 1)
        bound += torch.xlogy(joint, truth / model).sum((1, 2))
    whole = backward_matrix(process, field, AncestralCoins(), shape, times)
    prior = process.toss.law[rows.flatten(1)].prod(1)
    assert path.times is times
    return bound, -(prior @ whole)[at].log()


@BOTH
def test_the_bound_is_above_the_likelihood_and_near_it(noise: str) -> None:
    process = coins(noise, T=1000)
    field = ExactCoins(process, DATA, SHARES)
    gaps = []
    for steps in (6, 30):
        times = AncestralCoins().times(process, steps)
        bound, exact = exact_bound(process, field, DATA, times)
        assert bool((bound >= exact - 1e-9).all())
        gaps.append(float((bound - exact).mean()))
        many = DATA.repeat_interleave(100, 0)
        found = nats_bound(process, field, many, torch.Generator().manual_seed(0), times=times)
        mean, error = found.reshape(3, -1).mean(1), found.reshape(3, -1).std(1) / 10
        assert bool(((mean - bound).abs() < 4 * error + 1e-9).all())
    assert gaps[1] < 0.3 * gaps[0]


@BOTH
def test_the_bound_of_one_coin_is_its_entropy(noise: str) -> None:
    process = coins(noise, T=6, states=3)
    shares = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    points = torch.arange(3)[:, None]
    times = AncestralCoins().times(process, 6)
    bound, exact = exact_bound(process, ExactCoins(process, points, shares), points, times)
    torch.testing.assert_close(bound, -shares.log())
    torch.testing.assert_close(exact, -shares.log())
    # With shares that are not the data's it is a bound still, on other numbers.
    wrong = ExactCoins(process, points, torch.tensor([0.1, 0.1, 0.8]))
    bound, exact = exact_bound(process, wrong, points, times)
    assert float((shares * bound).sum()) > float(-(shares * shares.log()).sum()) + 0.1


def test_terms_drawn_at_random_give_the_same_bound() -> None:
    process = coins(T=30)
    field = ExactCoins(process, DATA, SHARES)
    data = DATA[:1].expand(1000, 3)
    whole = nats_bound(process, field, data, torch.Generator().manual_seed(0))
    some = nats_bound(process, field, data, torch.Generator().manual_seed(1), terms=7)
    error = float((whole.var() / len(whole) + some.var() / len(some)).sqrt())
    assert abs(float(whole.mean() - some.mean())) < 4 * error
    assert float(bits_per_dimension(whole, (3,)).mean()) == pytest.approx(
        float(whole.mean()) / 3 / math.log(2)
    )


@BOTH
@pytest.mark.parametrize("name", ["ancestral", "tau_leaping"])
def test_sample_i_depends_on_seed_and_i_alone(noise: str, name: str) -> None:
    process = coins(noise)
    field = ExactCoins(process, DATA, SHARES)
    whole = sample(process, field, 12, solver=name, steps=6, seed=5)
    part = sample(process, field, 5, solver=name, steps=6, seed=5, first=7, batch=2)
    assert torch.equal(whole[7:], part)
    assert not torch.equal(whole, sample(process, field, 12, solver=name, steps=6, seed=6))


def test_exact_coins_give_data_back_and_nothing_else() -> None:
    process = coins("absorbing")
    data = torch.randint(0, 2, (5, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    drawn = sample(process, ExactCoins(process, data), 32, steps=200, seed=0)
    found = (drawn[:, None] == data).flatten(2).all(2).any(1)
    assert float(found.float().mean()) > 0.9


def test_a_path_that_ends_early_takes_the_likeliest() -> None:
    process = coins()
    solver = AncestralCoins()
    field = as_field(lambda x, t, label: torch.tensor([0.3, 0.7]).expand(*x.shape, 2))
    x = torch.zeros(2, 3, dtype=torch.int64)
    assert solver.finish(Path(process, field, [1000.0, 5.0]), x, None).tolist() == [[1, 1, 1]] * 2
    assert solver.finish(Path(process, field, [1000.0, 0.0]), x, None) is x


def test_bad_times_and_terms_are_named() -> None:
    process = coins(T=10)
    field, generator = ExactCoins(process, DATA), torch.Generator()
    for times in ([10.0], [9.0, 0.0], [10.0, 1.0], [10.0, 11.0, 0.0]):
        with pytest.raises(InputError, match="must fall from 10 to 0"):
            nats_bound(process, field, DATA, generator, times=times)
    with pytest.raises(InputError, match="terms=11: give 1 to 10"):
        nats_bound(process, field, DATA, generator, terms=11)
    with pytest.raises(InputError, match="over 4096 rows"):
        all_rows(2, (13,))
