"""Right physics passes; each certificate refuses physics that is wrong by a few per cent in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from unstir.measure.certificates import Check, Finding
from unstir.measure.certificates.cases.linear import LinearCase
from unstir.measure.certificates.cases.noise import noise_case
from unstir.measure.certificates.microscopic import Histogram
from unstir.physics import (
    DampedProcess,
    Damping,
    Gaussian,
    InverseGaussianMixture,
    Linear,
    LinearBeta,
    LinearProcess,
    LogBlur,
    Rotation,
    SineBlur,
    StudentT,
    blurring,
    edm,
    heat,
    parse,
    poisson,
    vp,
    yukawa,
)
from unstir.physics.stable import StableMixture


def checks(process: LinearProcess, kind: str) -> list[Check]:
    found = [check for check in LinearCase.of(process).checks() if check.kind == kind]
    assert found, kind
    return found


def finding(process: LinearProcess, kind: str, index: int = 0) -> Finding:
    return checks(process, kind)[index].measure()


@pytest.mark.parametrize("name", ["vp", "heat"])
def test_right_physics_passes(name: str) -> None:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    for check in LinearCase.of(process).checks():
        found = check.measure()
        assert found.passed, (check.kind, found)


@dataclass(frozen=True)
class TooFast(LinearProcess):
    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        return 1.05 * super().velocity(x, t, prediction)


def test_conservation_refuses_a_flow_that_is_too_fast() -> None:
    found = finding(TooFast(), "conservation")
    assert not found.passed
    assert found.value > 0.01


@dataclass(frozen=True)
class WidePrior(LinearProcess):
    def prior(
        self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        return 1.05 * super().prior(n, shape, generator, dtype)


@pytest.mark.parametrize("noise", [Gaussian(), StudentT(1), InverseGaussianMixture(1)])
def test_equilibrium_refuses_a_prior_that_is_too_wide(noise: object) -> None:
    assert not finding(WidePrior(noise=noise), "equilibrium").passed  # type: ignore[arg-type]


def test_equilibrium_refuses_a_clock_that_ends_before_the_data_are_forgotten() -> None:
    early = LinearProcess("early", replace(Linear(), t_max=1.5))
    assert not finding(early, "equilibrium").passed


@dataclass(frozen=True)
class WeakPull(LinearProcess):
    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        return super().velocity(x, t, 0.9 * prediction)


def test_reversal_refuses_a_field_that_pulls_too_little() -> None:
    assert not finding(WeakPull(), "reversal").passed


def test_reversal_refuses_another_law_of_noise() -> None:
    # The prior of charges with the flow's own noise cut to a tenth of its range.
    @dataclass(frozen=True)
    class Gaussians(LinearProcess):
        def prior(
            self, n: int, shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
        ) -> Tensor:
            return LinearProcess().prior(n, shape, generator, dtype)

    assert not finding(Gaussians(noise=StudentT(3)), "reversal").passed


@dataclass(frozen=True)
class Dip(Linear):
    """The noise falls back by a half once."""

    def B(self, t: Tensor) -> Tensor:
        return t * (1 - 0.5 * torch.sigmoid(10 * (t.log() - 1)))


@dataclass(frozen=True)
class Relapse(LinearBeta):
    """Order comes back at the end."""

    def A(self, t: Tensor) -> Tensor:
        return super().A(t) + 0.5 * torch.exp(-0.5 * ((t - 0.8) / 0.08) ** 2)


def test_the_second_law_refuses_entropy_that_falls() -> None:
    assert not finding(LinearProcess("dip", Dip(t_max=20.0)), "second law").passed


def test_the_second_law_refuses_order_that_comes_back() -> None:
    assert not finding(LinearProcess("relapse", Relapse()), "second law").passed


@dataclass(frozen=True)
class Slow(LinearBeta):
    """The derivatives are those of a clock 5 % slower: its particles end in another law."""

    def dB(self, t: Tensor) -> Tensor:
        return 0.95 * super().dB(t)

    def dA(self, t: Tensor) -> Tensor:
        return 0.95 * super().dA(t)


def test_particles_refuse_coefficients_that_are_not_each_others_derivatives() -> None:
    assert not finding(LinearProcess("slow", Slow()), "microscopic").passed


@dataclass(frozen=True)
class SlowBlur(LogBlur):
    def width_rate(self, s: Tensor, side: int) -> Tensor:
        return 0.9 * super().width_rate(s, side)


def test_particles_and_continuity_refuse_a_blur_at_another_rate() -> None:
    wrong = replace(heat(), damping=SlowBlur())
    assert not finding(wrong, "microscopic").passed
    assert not finding(wrong, "conservation").passed


@dataclass(frozen=True)
class Stretched(StudentT):
    """Radii too long."""

    by: float = 1.05

    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        return self.by**2 * super().mixing(n, generator)

    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        nodes, log_weights = super().mixing_nodes(dimension)
        return self.by**2 * nodes, log_weights


@pytest.mark.parametrize(("D", "by"), [(1.0, 1.25), (128.0, 1.1)])
def test_falling_charges_refuse_radii_that_are_too_long(D: float, by: float) -> None:
    # Draws and density agree with each other; only the particles know better.
    (check,) = checks(LinearProcess("stretched", noise=Stretched(D, by)), "microscopic")
    assert isinstance(check, Histogram)
    # 10,000 of them, to be quick; all 40,000 tell 10 % and 5 %.
    assert not replace(check, n=10_000).measure().passed


@dataclass(frozen=True)
class WrongExponent(StudentT):
    """Charges whose field falls by an exponent 1 % too large: no longer that of N + D dimensions."""

    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        return super().log_density(squared, dimension) - 0.005 * (dimension + self.D) * torch.log1p(
            squared / self.D
        )


@pytest.mark.parametrize("D", [1.0, 2.0, 3.5, 128.0])
def test_gauss_refuses_a_wrong_exponent(D: float) -> None:
    right, wrong = poisson(D), LinearProcess("wrong", noise=WrongExponent(D))
    assert finding(right, "Gauss's law").value < 1e-6
    assert not finding(wrong, "Gauss's law").passed


def test_gauss_refuses_screened_charges_that_flow_too_fast() -> None:
    assert finding(yukawa(), "Gauss's law").value < 1e-6
    assert not finding(TooFast(noise=InverseGaussianMixture(1.0)), "Gauss's law").passed


@dataclass(frozen=True)
class NeverGaussian(StudentT):
    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        return super().log_density(squared, dimension) - 1e-3 * squared


def test_limits_refuse_a_law_that_does_not_meet_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(check.measure().passed for check in checks(poisson(8), "limit"))
    monkeypatch.setattr("unstir.measure.certificates.cases.noise.StudentT", NeverGaussian)
    assert not checks(poisson(8), "limit")[-1].measure().passed


@dataclass(frozen=True)
class LooseSpring(Rotation):
    def B(self, t: Tensor) -> Tensor:
        return torch.sin(t) * (1 + 0.01 * torch.sin(2 * t))

    def time_at(self, ratio: Tensor) -> Tensor:
        return super().time_at(ratio)


def test_limits_refuse_a_schedule_that_is_not_at_the_noise_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.measure.certificates.cases.linear.Rotation", LooseSpring)
    assert not finding(edm(), "limit").passed


@dataclass(frozen=True)
class Leak(SineBlur):
    """Some damping that no blur takes away."""

    def factor(self, s: Tensor, shape: Sequence[int]) -> Tensor:
        return super().factor(s, shape) * (1 - 1e-3 * s)


def test_limits_refuse_a_damping_that_does_not_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding(heat(), "limit").passed

    class LeakyBlur:
        def __init__(self, inner: Damping, share: float) -> None:
            self.inner = SineBlur(inner.width(torch.tensor(1.0), 1).item() * share)  # type: ignore[attr-defined]

        def factor(self, s: Tensor, shape: Sequence[int]) -> Tensor:
            return self.inner.factor(s, shape) * 0.999

    monkeypatch.setattr("unstir.measure.certificates.cases.linear.Blurred", LeakyBlur)
    assert not finding(blurring(), "limit").passed


@pytest.mark.parametrize(
    "law",
    [
        *(StudentT(1), StudentT(3), StudentT(128), InverseGaussianMixture(0.1), InverseGaussianMixture(30)),
        *(StableMixture(0.7), StableMixture(1.5), StableMixture(1.9)),
    ],
)
def test_clocks_run_as_the_laws_say(law: StudentT | InverseGaussianMixture | StableMixture) -> None:
    from scipy.stats import ks_2samp

    simulated = noise_case(law).clock(5000, torch.Generator().manual_seed(0)).numpy()
    drawn = law.mixing(50_000, torch.Generator().manual_seed(1)).numpy()
    assert ks_2samp(simulated, drawn, method="asymp").pvalue > 1e-3
    assert ks_2samp(1.5 * simulated, drawn, method="asymp").pvalue < 1e-4


def test_both_schedules_of_vp_and_damped_kin_are_covered() -> None:
    assert {check.kind for check in LinearCase(vp("cosine")).checks()} == {
        *("conservation", "equilibrium", "reversal", "second law", "microscopic", "limit")
    }
    assert isinstance(blurring(), DampedProcess)
