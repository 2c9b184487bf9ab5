from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.measure.certificates import Finding
from unstir.measure.certificates.cases.langevin import LangevinCase
from unstir.physics import LangevinProcess, langevin


def finding(process: LangevinProcess, kind: str) -> Finding:
    return next(check for check in LangevinCase(process).checks() if check.kind == kind).measure()


def test_right_physics_passes() -> None:
    for check in LangevinCase(langevin()).checks():
        assert check.measure().passed, check.kind


@dataclass(frozen=True)
class WeakFriction(LangevinProcess):
    """The flow's friction is 5 % less than the kernel's."""

    def score(self, t: Tensor, prediction: Tensor) -> Tensor:
        return 0.95 * super().score(t, prediction)


def test_conservation_and_reversal_refuse_a_wrong_score() -> None:
    assert not finding(WeakFriction(), "conservation").passed
    assert not finding(WeakFriction(), "reversal").passed


@dataclass(frozen=True)
class HotPrior(LangevinProcess):
    def prior(
        self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        x, v = super().prior(n, shape, generator, dtype).chunk(2, 1)
        return torch.cat([x, 1.05 * v], 1)


def test_equilibrium_refuses_velocities_that_are_too_hot() -> None:
    assert not finding(HotPrior(), "equilibrium").passed


@dataclass(frozen=True)
class Misnamed(LangevinProcess):
    """Particles feel a friction other than critical, of which the kernel knows nothing."""

    @property
    def friction(self) -> float:
        return 0.8 * super().friction


def test_particles_refuse_another_friction() -> None:
    assert not finding(Misnamed(), "microscopic").passed


@dataclass(frozen=True)
class Backwards(LangevinProcess):
    """Half way, the clock turns back."""

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        return super().perturb(data, torch.minimum(t, 0.5 - t).clamp_min(1e-3), generator)


def test_the_second_law_refuses_a_clock_that_turns_back() -> None:
    assert not finding(Backwards(), "second law").passed


@dataclass(frozen=True)
class Massive(LangevinProcess):
    """The start's velocities have the wrong unit."""

    def kernel(self, t: Tensor) -> tuple[Tensor, Tensor]:
        mean, root = self.transition(t, self.gamma * self.mass**1.1)
        return mean[..., 0], root


def test_limits_refuse_a_law_that_depends_on_the_unit_of_velocity() -> None:
    assert not finding(Massive(), "limit").passed
