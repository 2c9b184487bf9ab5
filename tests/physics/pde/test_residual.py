"""The certificate passes every row, and fails each of the ways to break one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unstir.physics.pde import ROWS, Box, Custom, Heat, Poisson, Row, Screened, residual


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("name", ROWS)
def test_every_row_balances(name: str, dimension: int) -> None:
    # Schrödinger's root of a density has valleys too sharp for the grid.
    assert residual(ROWS[name](), dimension) < (1e-2 if name == "schroedinger" else 1e-6)


def test_an_omega_of_ones_own_balances() -> None:
    assert residual(Custom(lambda k: -1j * (k**2 + k)), 2) < 1e-6
    assert residual(Custom(lambda k: -0.5j - 1j * k**1.2), 1) < 1e-6


@dataclass(frozen=True)
class BirthsForDeaths(Screened):
    def source(self, k: Tensor, t: float) -> Tensor:
        return -super().source(k, t)


@dataclass(frozen=True)
class TwiceAsFast(Heat):
    def potential(self, k: Tensor, t: float) -> Tensor:
        return 2 * super().potential(k, t)


@dataclass(frozen=True)
class TheOtherWay(Poisson):
    def potential(self, k: Tensor, t: float) -> Tensor:
        return -super().potential(k, t)


@pytest.mark.parametrize(
    "broken", [BirthsForDeaths(), TwiceAsFast(), TheOtherWay()], ids=lambda row: type(row).__name__
)
def test_a_broken_row_does_not(broken: Row) -> None:
    assert residual(broken) > 0.3
    assert residual(broken, 2) > 0.3


def test_a_slip_of_a_tenth_is_seen() -> None:
    class Off(Heat):
        def potential(self, k: Tensor, t: float) -> Tensor:
            return 1.1 * super().potential(k, t)

    assert residual(Off()) == pytest.approx(0.1, rel=1e-3)


def test_births_are_counted() -> None:
    assert residual(Screened(2.0), births=False) > 0.1


def test_data_and_box_of_ones_own() -> None:
    data = 0.3 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    assert residual(ROWS["helmholtz"](), data=data, box=Box(2, 4.0, 32)) < 1e-6
