from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unstir.measure.certificates import Finding
from unstir.measure.certificates.cases.kac import KacCase
from unstir.physics.kac import Kac, kac


def finding(process: Kac, kind: str) -> Finding:
    return next(check for check in KacCase(process).checks() if check.kind == kind).measure()


@pytest.mark.parametrize("kind", ["conservation", "equilibrium", "microscopic", "limit"])
def test_right_physics_passes(kind: str) -> None:
    assert finding(kac(), kind).passed


@dataclass(frozen=True)
class Fast(Kac):
    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        return 1.2 * prediction


def test_conservation_refuses_a_flow_that_is_too_fast() -> None:
    assert not finding(Fast(), "conservation").passed


@dataclass(frozen=True)
class Wide(Kac):
    def prior(
        self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        return 1.05 * super().prior(n, shape, generator, dtype)


def test_equilibrium_refuses_a_prior_that_is_too_wide() -> None:
    assert not finding(Wide(), "equilibrium").passed


def test_particles_refuse_another_rate_of_turning(monkeypatch: pytest.MonkeyPatch) -> None:
    case = KacCase(kac())
    faster = KacCase(kac(a=10.0))
    check = next(check for check in case.checks() if check.kind == "microscopic")
    object.__setattr__(check, "simulate", faster.wander)
    assert not check.measure().passed


def test_limits_refuse_a_density_that_is_not_diffusions(monkeypatch: pytest.MonkeyPatch) -> None:
    from unstir.physics.telegraph import telegraph_log_density

    def broken(x: Tensor, t: float, a: float, c: float) -> Tensor:
        return telegraph_log_density(x, t, a, 1.001 * c)

    monkeypatch.setattr("unstir.measure.certificates.cases.kac.telegraph_log_density", broken)
    assert not finding(kac(), "limit").passed


@pytest.mark.parametrize("bad", [True, False])
def test_reversal(bad: bool) -> None:
    assert finding(Fast() if bad else kac(), "reversal").passed is not bad


@dataclass(frozen=True)
class Relapse(Kac):
    """The data come back half way."""

    def f(self, t: Tensor) -> Tensor:
        return 1 - t + 1.5 * torch.sigmoid(20 * (t - 0.5))


@pytest.mark.parametrize("bad", [True, False])
def test_the_second_law(bad: bool) -> None:
    assert finding(Relapse() if bad else kac(), "second law").passed is not bad


def test_the_case_is_deterministic() -> None:
    assert finding(kac(), "microscopic") == finding(kac(), "microscopic")
    assert torch.equal(
        KacCase(kac()).wander(5, torch.Generator().manual_seed(0)),
        KacCase(kac()).wander(5, torch.Generator().manual_seed(0)),
    )
