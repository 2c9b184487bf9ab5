from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from unstir.data import Dataset, Scaling, load
from unstir.errors import InputError
from unstir.physics import CoinProcess, MaskToss, coins, parse

BOTH = pytest.mark.parametrize("noise", ["uniform", "absorbing"])


def matrix_of_a_step(process: CoinProcess, t: int) -> Tensor:
    """Q_t of Austin 2021, section 3.1, written out: row i is the law of x_t given x_{t−1} = i."""
    beta, K = 1 / (process.steps - t + 1), process.states
    if process.kind == "uniform":
        return (1 - beta) * torch.eye(K, dtype=torch.float64) + beta / K
    Q = (1 - beta) * torch.eye(K + 1, dtype=torch.float64)
    Q[:, K] += beta
    return Q


def matrix(process: CoinProcess, s: int, t: int) -> Tensor:
    """q(x_t | x_s) as the product of the single steps."""
    out = torch.eye(process.toss.symbols, dtype=torch.float64)
    for i in range(s + 1, t + 1):
        out = out @ matrix_of_a_step(process, i)
    return out


def times(n: int, t: float) -> Tensor:
    return torch.full((n,), t, dtype=torch.float64)


@BOTH
def test_the_closed_form_is_the_product_of_the_steps(noise: str) -> None:
    process = coins(noise, T=7, states=3)
    x = torch.arange(process.toss.symbols)[:, None]
    for t in range(1, 8):
        evidence = process.evidence(x, times(len(x), t), torch.float64)[:, 0]
        torch.testing.assert_close(evidence.T, matrix(process, 0, t)[:3], rtol=0, atol=1e-14)


@BOTH
def test_at_the_end_nothing_is_remembered(noise: str) -> None:
    process = coins(noise, T=20, states=3)
    assert float(process.signal(torch.tensor(process.t_max))) == 0
    assert float(process.signal(torch.tensor(process.t_min))) == 1
    law = process.toss.law
    torch.testing.assert_close(matrix(process, 0, 20)[:3], law.expand(3, -1), rtol=0, atol=1e-14)
    drawn = process.prior(20_000, (2,), torch.Generator().manual_seed(0))
    share = torch.bincount(drawn.flatten(), minlength=len(law)) / drawn.numel()
    torch.testing.assert_close(share.double(), law, rtol=0, atol=0.01)
    assert drawn.dtype == torch.int64


@BOTH
@pytest.mark.parametrize(("s", "t"), [(0, 1), (3, 4), (2, 6), (6, 7), (0, 7)])
def test_the_posterior_is_bayes_by_enumeration(noise: str, s: int, t: int) -> None:
    process = coins(noise, T=7, states=3)
    symbols = process.toss.symbols
    before, step = matrix(process, 0, s), matrix(process, s, t)
    for x0 in range(3):
        joint = before[x0][:, None] * step  # of x_s and x_t
        for xt in range(symbols):
            total = joint[:, xt].sum()
            if total < 1e-12:
                continue  # it never comes about
            x = torch.tensor([[xt]])
            known = functional.one_hot(torch.tensor([[x0]]), 3).double()
            found = process.posterior(x, times(1, s), times(1, t), known)[0, 0]
            torch.testing.assert_close(found, joint[:, xt] / total, rtol=0, atol=1e-12)


@BOTH
def test_any_prediction_gives_a_law_and_the_posterior_mean_the_true_one(noise: str) -> None:
    process = coins(noise, T=7, states=3)
    law = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    before, step = law @ matrix(process, 0, 4)[:3], matrix(process, 4, 5)
    x = torch.arange(process.toss.symbols)[:, None]
    at = times(len(x), 5)
    prediction = functional.normalize(process.evidence(x, at, torch.float64) * law, p=1, dim=-1)
    found = process.posterior(x, times(len(x), 4), at, prediction)[:, 0]
    torch.testing.assert_close(found.sum(-1), torch.ones(len(x), dtype=torch.float64))
    # Bayes for x_4 given x_5, with x_0 summed out.
    truth = (before[:, None] * step / (before @ step)).T
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-12)


@BOTH
def test_the_rates_are_the_posterior_of_a_short_time(noise: str) -> None:
    process = coins(noise, T=7, states=3)
    x = torch.arange(process.toss.symbols)[:, None]
    t, short = times(len(x), 4.3), 1e-6
    prediction = process.evidence(x, t, torch.float64) * torch.tensor([0.5, 0.2, 0.3])
    prediction = prediction / prediction.sum(-1, keepdim=True)
    back = process.posterior(x, t - short, t, prediction)
    other = 1 - functional.one_hot(x, process.toss.symbols)
    torch.testing.assert_close(process.rates(x, t, prediction), back * other / short, rtol=1e-5, atol=1e-8)


@BOTH
def test_tossing_step_by_step_is_tossing_at_once(noise: str) -> None:
    process, generator = coins(noise, T=6, states=3), torch.Generator().manual_seed(3)
    data = torch.tensor([[0, 1, 2, 2]]).expand(20_000, 4)
    n = len(data)
    stepped = data
    for t in range(1, 5):
        stepped = process.advance(stepped, times(n, t - 1), times(n, t), generator)
    at_once = process.perturb(data, times(n, 4), generator)
    truth = matrix(process, 0, 4)[data[0]]
    for drawn in (stepped, at_once):
        share = functional.one_hot(drawn, process.toss.symbols).double().mean(0)
        torch.testing.assert_close(share, truth, rtol=0, atol=0.015)


def test_the_kernel_of_a_row_is_the_product_of_its_coins() -> None:
    process = coins("uniform", T=10, states=3)
    data = torch.tensor([[0, 1, 2], [2, 2, 2]])
    x = torch.tensor([[0, 0, 2], [1, 1, 1]])
    Q = matrix(process, 0, 4)
    truth = torch.stack([torch.stack([Q[y, row].log().sum() for y in data]) for row in x])
    torch.testing.assert_close(process.log_kernel(x, data, times(2, 4)), truth)
    masked = coins("absorbing", T=10, states=3)
    found = masked.log_kernel(torch.tensor([[3, 1, 3]]), data, times(1, 4))
    truth = torch.tensor([2 * math.log(0.4) + math.log(0.6), 2 * math.log(0.4) - 1e3], dtype=torch.float64)
    torch.testing.assert_close(found[0], truth)


@dataclass(frozen=True)
class _Forgetful(CoinProcess):
    """A broken process: its way back takes the steps of the wrong time."""

    def signal(self, t: Tensor) -> Tensor:
        return (1 - t / self.steps) ** 2


def test_a_broken_schedule_fails_where_the_true_one_passes() -> None:
    broken = _Forgetful("uniform", 7, coins(T=7, states=3).toss)
    x = torch.arange(3)[:, None]
    found = broken.evidence(x, times(3, 3), torch.float64)[:, 0].T
    assert float((found - matrix(coins(T=7, states=3), 0, 3)).abs().max()) > 0.05


def test_names_read_back() -> None:
    for text in (
        "coins",
        "coins:noise=absorbing",
        "coins:T=20,states=4",
        "coins:noise=absorbing,T=50,states=16",
    ):
        assert parse(text).name == text
        assert parse(text) == parse(parse(text).name)
    assert coins("absorbing", 50, 16) == CoinProcess("absorbing", 50, MaskToss(16))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("coins:noise=gaussian", "noise=gaussian: the tosses of coins are uniform and absorbing"),
        ("coins:T=0", "T=0: give a number of steps from 1"),
        ("coins:states=1", "states=1: a coin has 2 to 4096 states"),
        ("coins:T=1.5", "T='1.5' is not a whole number"),
    ],
)
def test_bad_parameters_are_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_states_that_are_none_are_refused() -> None:
    process, generator = coins(), torch.Generator()
    with pytest.raises(ValueError, match="the states are 0 … 1"):
        process.perturb(torch.tensor([[2]]), times(1, 3), generator)
    with pytest.raises(ValueError, match="give int64"):
        process.perturb(torch.zeros(1, 2), times(1, 3), generator)


def test_text_brings_its_own_number_of_states() -> None:
    data = load("arithmetic")
    process = parse("coins:noise=absorbing")
    items = process.coder(data).to_model(data.values)
    assert process.prepared(items).name == "coins:noise=absorbing,states=14"
    images = torch.zeros(3, 1, 2, 2, dtype=torch.int64)
    assert process.prepared(images) == process


def test_each_kind_of_data_has_its_coder_and_text_is_refused_by_all_others() -> None:
    table = Dataset("t.csv", "table", torch.arange(6.0).reshape(3, 2))
    coder = parse("coins:states=3").coder(table)
    items = coder.to_model(table.values)
    assert items.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert parse("coins:states=3").prepared(items).name == "coins:states=3"
    with pytest.raises(InputError, match="are text, and this process takes numbers; give --process coins"):
        Scaling.fit(load("arithmetic"))
    with pytest.raises(InputError, match="partner"):
        parse("coins").prepared(torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 3))


def test_replacing_the_toss_keeps_its_law() -> None:
    toss = replace(MaskToss(2), states=5)
    assert toss.symbols == 6
    assert toss.law.tolist() == [0, 0, 0, 0, 0, 1]
