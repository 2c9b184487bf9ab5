"""Mass by counts, births and deaths, microscopic against macroscopic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from unstir.physics.pde import (
    Box,
    Current,
    GridCurrent,
    Heat,
    Helmholtz,
    KernelCurrent,
    Row,
    Screened,
    kernel_of,
    transport,
)

M = 0.8
N = 4000
DATA = torch.tensor([[-1.0, 0.2], [0.5, 0.9], [0.8, -0.7]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def free(row: Row, dimension: int) -> Current:
    kernel = kernel_of(row)
    assert kernel is not None
    return KernelCurrent.of_points(kernel, DATA[:, :dimension])


def boxed(row: Row, dimension: int) -> Current:
    return GridCurrent.of_points(row, Box(dimension, 8.0, 64), DATA[:, :dimension])


def times(start: float, end: float, steps: int = 24) -> list[float]:
    return np.geomspace(start, end, steps + 1).tolist()


@pytest.mark.parametrize("make", [free, boxed])
@pytest.mark.parametrize("dimension", [1, 2])
def test_the_screened_row_dies_as_exp_minus_mt(make: type[Current], dimension: int) -> None:
    current = make(Screened(M), dimension)
    t, s = 0.05, 1.5
    clouds = list(transport(current, current.draw(N, t, seeded()), times(t, s), seeded(1)))
    share = math.exp(-M * (s - t))
    counted = len(clouds[-1].position)
    assert counted == pytest.approx(N * share, abs=4 * math.sqrt(N * share * (1 - share)))
    assert counted == N - sum(cloud.died for cloud in clouds)
    assert not any(cloud.born for cloud in clouds)


@pytest.mark.parametrize("make", [free, boxed])
@pytest.mark.parametrize("births", ["branch", "source"])
def test_backward_deaths_are_births(make: type[Current], births: str) -> None:
    current = make(Screened(M), 1)
    t, s = 0.8, 0.2
    grown = math.exp(M * (t - s))
    per_mass = N / current.mass(t) if births == "source" else None
    clouds = list(transport(current, current.draw(N, t, seeded()), times(t, s), seeded(1), per_mass))
    counted = len(clouds[-1].position)
    # Births are drawn to within one a step; branching is as random as the paths.
    assert counted == pytest.approx(N * grown, rel=0.01 if births == "source" else 0.05)
    assert counted == N + sum(cloud.born for cloud in clouds)
    x = clouds[-1].position[:, 0].numpy()
    if births == "source":  # copies are not independent
        law = current.draw(N, s, seeded(2))[:, 0].numpy()
        assert scipy.stats.ks_2samp(x, law).pvalue > 1e-3


@pytest.mark.parametrize("births", ["branch", "source"])
def test_helmholtz_is_born_near_and_dies_afar_with_mass_cos_k0_t(births: str) -> None:
    k0, t, s = 0.15, 0.05, 7.0
    current = boxed(Helmholtz(k0), 1)
    per_mass = N / current.mass(t) if births == "source" else None
    # Births draw on early times, when p changes fast.
    clouds = list(transport(current, current.draw(N, t, seeded()), times(t, s, 32), seeded(1), per_mass))
    born, died = (sum(getattr(cloud, what) for cloud in clouds) for what in ("born", "died"))
    counted = len(clouds[-1].position)
    assert counted == N + born - died
    assert born > 0
    assert counted == pytest.approx(N * math.cos(k0 * s) / math.cos(k0 * t), rel=0.04)
    near, far = current.field(torch.tensor([[0.5], [3.9]], dtype=torch.float64), 0.5)[1]
    assert near > 0 > far


@pytest.mark.parametrize("row", [Heat(), Screened(M), Helmholtz(0.15)], ids=lambda row: row.name)
def test_particles_forward_have_the_macroscopic_law(row: Row) -> None:
    current = boxed(row, 1)
    t, s = 0.05, 1.0
    *_, last = transport(current, current.draw(N, t, seeded()), times(t, s), seeded(1), N / current.mass(t))
    law = current.draw(N, s, seeded(2))
    assert scipy.stats.ks_2samp(last.position[:, 0].numpy(), law[:, 0].numpy()).pvalue > 1e-3


def test_forward_and_back_returns_each_particle() -> None:
    current = boxed(Heat(), 2)
    start = current.draw(200, 0.01, seeded())
    *_, up = transport(current, start, times(0.01, 2.0, 64), seeded())
    *_, down = transport(current, up.position, times(0.01, 2.0, 64)[::-1], seeded())
    off = current.wrap(down.position - start).norm(dim=1)
    assert float(off.median()) < 2e-3


def test_the_seed_decides_everything() -> None:
    current = boxed(Screened(M), 2)

    def run(seed: int) -> torch.Tensor:
        *_, last = transport(current, current.draw(100, 0.1, seeded()), times(0.1, 1.0), seeded(seed), 100.0)
        return last.position

    assert torch.equal(run(3), run(3))
    assert run(3).shape != run(4).shape or not torch.equal(run(3), run(4))
