from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unstir.measure.certificates import Finding
from unstir.measure.certificates.cases.coins import CoinCase
from unstir.physics import CoinProcess, FairToss, coins


def finding(process: CoinProcess, kind: str) -> Finding:
    return next(check for check in CoinCase(process).checks() if check.kind == kind).measure()


@pytest.mark.parametrize("noise", ["uniform", "absorbing"])
def test_right_physics_passes(noise: str) -> None:
    for check in CoinCase(coins(noise, T=200)).checks():
        assert check.measure().passed, check.kind


@dataclass(frozen=True)
class Forgetful(CoinProcess):
    """Coins forget faster than the clock says: ᾱ = (1 − t/T)^1.1."""

    def signal(self, t: Tensor) -> Tensor:
        return (1 - t / self.steps) ** 1.1


@pytest.mark.parametrize("kind", ["conservation", "microscopic", "limit"])
def test_a_clock_that_is_10_per_cent_fast_is_refused(kind: str) -> None:
    assert not finding(Forgetful(steps=200), kind).passed


@dataclass(frozen=True)
class Loaded(FairToss):
    """Drawn with a coin that shows 1 in 53 % of the tosses."""

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return (torch.rand(tuple(shape), generator=generator) < 0.53).long()


@dataclass(frozen=True)
class LoadedPrior(CoinProcess):
    def prior(
        self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        return Loaded().draw((n, *shape), generator)


def test_equilibrium_and_particles_refuse_loaded_coins() -> None:
    assert not finding(LoadedPrior(steps=200), "equilibrium").passed
    assert not finding(CoinProcess(steps=200, toss=Loaded()), "microscopic").passed


@dataclass(frozen=True)
class Timid(CoinProcess):
    """The way back trusts the field 10 % less."""

    def posterior(self, x: Tensor, s: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        return super().posterior(x, s, t, 0.9 * prediction + 0.1 / self.states)


def test_reversal_refuses_a_posterior_that_believes_too_little() -> None:
    assert not finding(Timid(steps=200), "reversal").passed


@dataclass(frozen=True)
class Reminded(CoinProcess):
    """Memory comes back at the end."""

    def signal(self, t: Tensor) -> Tensor:
        return 1 - t / self.steps + 0.3 * (t / self.steps) ** 4


def test_the_second_law_refuses_memory_that_comes_back() -> None:
    assert not finding(Reminded(steps=200), "second law").passed
