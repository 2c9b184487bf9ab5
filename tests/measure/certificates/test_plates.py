"""Capacitor and bridge: right physics passes, wrong physics does not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from unstir.measure.certificates import Check
from unstir.measure.certificates.case import Case
from unstir.measure.certificates.cases.bridge import BridgeCase
from unstir.measure.certificates.cases.capacitor import CapacitorCase
from unstir.measure.certificates.microscopic import Histogram
from unstir.physics import Bridge, Capacitor, Plate, bridge, capacitor, poisson
from unstir.physics.plate import combined


def checks(case: Case, kind: str) -> list[Check]:
    found = [check for check in few(case) if check.kind == kind]
    assert found
    return found


def few(case: Case) -> list[Check]:
    """The case's checks, with a quarter of the particles."""
    return [replace(c, n=10_000) if isinstance(c, Histogram) else c for c in case.checks()]


def test_right_physics_passes() -> None:
    for case in (CapacitorCase.of(capacitor()), BridgeCase(bridge())):
        for check in few(case):
            assert check.measure().passed, (case.name, check.kind)


@dataclass(frozen=True, eq=False)
class Apart(Capacitor):
    """Each plate is normalised by itself, as in the published code: their ratio is lost."""

    def pulled(self, near: Plate, far: Plate, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        z, flat = self.length(x.shape[1:]) * t.double(), x.flatten(1).double()
        plus, minus = near.pull(flat, z), far.pull(flat, z - self.length(x.shape[1:]))
        return combined((0 * plus[0], plus[1]), (0 * minus[0], minus[1]))


@pytest.mark.parametrize("kind", ["conservation", "Gauss's law"])
def test_plates_normalised_apart_are_refused(kind: str) -> None:
    assert not checks(CapacitorCase.of(Apart("capacitor", 0.0)), kind)[0].measure().passed


def test_lines_that_end_on_the_wrong_charges_are_refused() -> None:
    uneven = CapacitorCase.of(Apart("capacitor", 0.0))
    assert not all(check.measure().passed for check in checks(uneven, "reversal"))


def test_limits_refuse_another_plate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.measure.certificates.cases.capacitor.poisson", lambda D: poisson(1.1 * D))
    assert not checks(CapacitorCase.of(capacitor()), "limit")[0].measure().passed


@dataclass(frozen=True, eq=False)
class Shortened(Capacitor):
    """The density believes in plates 20 % nearer than the particles find them."""

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        return super().log_kernel(x, data, 0.8 * t)


def test_particles_refuse_another_distance() -> None:
    assert not checks(CapacitorCase.of(Shortened("capacitor", 0.0)), "microscopic")[0].measure().passed


@dataclass(frozen=True, eq=False)
class Noisy(Bridge):
    """A bridge whose steps have a variance 30 % too large."""

    def posterior(self, x: Tensor, clean: Tensor, t: float, s: float) -> tuple[Tensor, float]:
        mean, deviation = super().posterior(x, clean, t, s)
        return mean, math.sqrt(1.3) * deviation


@dataclass(frozen=True, eq=False)
class Loose(Bridge):
    """A bridge that is not pinned: its variance is that of a free walk."""

    def between(self, clean: Tensor, degraded: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        wide = replace(self, sigma=self.sigma / (1 - float(t[0])) ** 0.5)
        return (
            Bridge.between(wide, clean, degraded, t, generator)
            if float(t[0]) < 1
            else torch.cat([degraded, degraded], 1)
        )


@dataclass(frozen=True, eq=False)
class Bent(Bridge):
    """Steps that forget a little of the clean image each time."""

    def posterior(self, x: Tensor, clean: Tensor, t: float, s: float) -> tuple[Tensor, float]:
        mean, deviation = super().posterior(x, clean, t, s)
        return mean, deviation * (1 + 0.1 * s)


@dataclass(frozen=True, eq=False)
class Dim(Bridge):
    def begin(self, given: Tensor, generator: torch.Generator) -> Tensor:
        return super().begin(0.8 * given, generator)


def test_broken_bridges_are_refused() -> None:
    right = bridge()

    def broken(kind: type[Bridge]) -> BridgeCase:
        return BridgeCase(kind(right.name, right.degradation, right.noise, right.sigma))

    assert not checks(broken(Noisy), "reversal")[0].measure().passed
    assert not checks(broken(Loose), "microscopic")[0].measure().passed
    assert not checks(broken(Bent), "conservation")[0].measure().passed
    assert not checks(broken(Dim), "equilibrium")[0].measure().passed


def test_limits_refuse_a_bridge_that_does_not_go_straight() -> None:
    @dataclass(frozen=True, eq=False)
    class Offset(Bridge):
        def between(self, clean: Tensor, degraded: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
            return super().between(clean, degraded, t, generator) + 0.01

    right = bridge()
    case = BridgeCase(Offset(right.name, right.degradation, right.noise, right.sigma))
    assert not checks(case, "limit")[0].measure().passed
