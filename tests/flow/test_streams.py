from __future__ import annotations

from collections.abc import Callable

import pytest
import scipy.stats
import torch
from torch import Tensor

from unstir.flow import Streams


def one(generator: torch.Generator) -> Tensor:
    return torch.randn((1, 3), generator=generator)


def test_a_samples_numbers_depend_on_the_seed_and_its_index_alone() -> None:
    whole = Streams(7, 0, 20)
    first = whole.draw(one)
    then = [whole.normal(torch.zeros(20, 2)) for _ in range(40)]
    for start, count in ((0, 5), (3, 1), (7, 13)):
        part = Streams(7, start, count)
        assert len(part) == count
        assert torch.equal(part.draw(one), first[start : start + count])
        for normal, uniform in then:
            n, u = part.normal(torch.zeros(count, 2))
            assert torch.equal(n, normal[start : start + count])
            assert torch.equal(u, uniform[start : start + count])


def test_seeds_and_samples_differ() -> None:
    a, b = Streams(0, 0, 200).draw(one), Streams(1, 0, 200).draw(one)
    every = torch.cat([a, b]).flatten().tolist()
    assert len(set(every)) == len(every)


def test_numbers_are_normal_uniform_and_unrelated_from_sample_to_sample() -> None:
    # Consecutive samples have consecutive seeds.
    streams = Streams(3, 0, 4000)
    series = []
    for _ in range(3):
        normal, uniform = streams.normal(torch.zeros(4000, 2))
        assert scipy.stats.kstest(normal.flatten().numpy(), "norm").pvalue > 1e-3
        assert scipy.stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
        series += [normal[:, 0].double(), normal[:, 1].double(), uniform - 0.5]
    for i, a in enumerate(series):
        for j, b in enumerate(series):
            for lag in (0, 1, 2, 7):
                if i == j and lag == 0:
                    continue
                x, y = a[: len(a) - lag], b[lag:]
                correlation = float((x * y).mean() / (x.std() * y.std()))
                assert abs(correlation) < 5 / len(a) ** 0.5


def test_draws_keep_to_the_states_shape_and_dtype() -> None:
    for shape in ((2,), (1, 5, 7), (3, 40, 40)):
        normal, uniform = Streams(0, 0, 3).normal(torch.zeros(3, *shape, dtype=torch.float64))
        assert normal.shape == (3, *shape)
        assert normal.dtype == torch.float64
        assert uniform.shape == (3,)
        assert uniform.dtype == torch.float64


def test_seeds_may_be_large() -> None:
    assert not torch.equal(Streams(2**62, 0, 4).draw(one), Streams(2**62 + 1, 0, 4).draw(one))
    assert Streams(0, 2**40, 1).draw(one).isfinite().all()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_other_seeds_are_refused(seed: int, refused: Callable[..., str]) -> None:
    assert f"seed={seed}: a seed is a whole number from 0" in refused(Streams, seed, 0, 1)
