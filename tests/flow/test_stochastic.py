from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import scipy.stats
import torch
from torch import Tensor

import unstir.flow.stochastic
from unstir.fields import ExactField, MixtureField, as_field
from unstir.flow import Ancestral, Churn, Heun, LinearPath, Solver, Streams, sample, trajectory
from unstir.flow.stochastic import law_noise
from unstir.physics import LinearProcess, StudentT, parse

Mixture = Callable[[LinearProcess, int], MixtureField]
SOLVERS = [Ancestral(), Churn(amount=40)]
both = pytest.mark.parametrize("solver", SOLVERS, ids=["ancestral", "churn"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian_noise(
    path: LinearPath, i: int, x: Tensor, prediction: Tensor | None, streams: Streams, label: Tensor | None
) -> Tensor:
    """What published samplers add whatever the law."""
    return streams.normal(x)[0]


def in_law_after_five_steps(name: str, solver: Solver, size: int = 2, count: int = 3000) -> float:
    """p-value of the radii at B/A = ½ about one data point, from exact draws at 20: a test without bias."""
    process, point = parse(name), torch.full((1, size), 0.3, dtype=torch.float64)
    times = process.time_at(torch.tensor([20.0, 10.0, 5.0, 2.5, 1.0, 0.5], dtype=torch.float64))
    x = process.perturb(point.expand(count, size), times[:1].expand(count), seeded())
    *_, last = trajectory(
        process,
        ExactField(process, point),
        x,
        solver=solver,
        times=times.tolist(),
        streams=Streams(0, 0, count),
        denoise=False,
    )
    noise = (last.state - process.A(times[-1]) * point) / process.B(times[-1])
    fresh = process.noise.draw(30_000, (size,), seeded(9), torch.float64)
    return float(scipy.stats.ks_2samp(noise.square().sum(1), fresh.square().sum(1)).pvalue)


@both
@pytest.mark.parametrize(
    "name", ["edm", "rectified", "poisson:D=1", "poisson:D=8", "poisson:D=128", "yukawa", "yukawa:kappa=0.1"]
)
def test_about_one_point_the_law_is_kept_exactly(name: str, solver: Solver) -> None:
    assert in_law_after_five_steps(name, solver) > 1e-3


@both
@pytest.mark.parametrize("name", ["poisson:D=1", "poisson:D=8", "yukawa", "yukawa:kappa=0.1"])
def test_gaussian_noise_would_leave_a_heavy_tailed_law(
    name: str, solver: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unstir.flow.stochastic, "law_noise", gaussian_noise)
    assert in_law_after_five_steps(name, solver) < 1e-6


def worst_component(field: MixtureField, samples: Tensor) -> tuple[float, float, float]:
    """Of share (absolute), mean (of its norm) and covariance (relative, Frobenius)."""
    owner = torch.cdist(samples.double(), field.means).argmin(1)
    found = []
    for k in range(len(field.means)):
        own, mean, covariance = samples[owner == k].double(), field.means[k], field.covariances[k]
        found.append(
            (
                abs(len(own) / len(samples) - float(field.weights[k])),
                float((own.mean(0) - mean).norm() / mean.norm()),
                float((torch.cov(own.T) - covariance).norm() / covariance.norm()),
            )
        )
    share, mean_error, covariance_error = (max(column) for column in zip(*found, strict=True))
    return share, mean_error, covariance_error


@both
@pytest.mark.parametrize("name", ["edm", "poisson:D=128", "poisson:D=8"])
def test_many_small_steps_reproduce_the_mixture(
    name: str, solver: Solver, mixture: Mixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 4000 samples tell a covariance to 6 %. Steps add some, and so does law_noise's estimate of a distance.
    field = mixture(parse(name), 2)

    def draw() -> tuple[float, float, float]:
        return worst_component(
            field, sample(field.process, field, 4000, solver=solver, steps=150, batch=4000)
        )

    share, mean, covariance = draw()
    assert share < 0.03
    assert mean < 0.06
    assert covariance < 0.13
    if field.process.noise == StudentT(8):
        monkeypatch.setattr(unstir.flow.stochastic, "law_noise", gaussian_noise)
        assert draw()[2] > 0.15


@both
def test_yukawas_law_is_kept_less_closely(solver: Solver, mixture: Mixture) -> None:
    # E[W | r²] is concave here, so at low noise W is drawn from the mean of r² 10 to 20 % too large.
    field = mixture(parse("yukawa"), 8)
    samples = sample(field.process, field, 2000, solver=solver, steps=60, batch=2000)
    share, mean, covariance = worst_component(field, samples)
    assert share < 0.03
    assert mean < 0.08
    assert covariance < 0.2


def test_a_state_tells_the_mean_of_its_mixing_variable(mixture: Mixture) -> None:
    # The truth is the oracle's own posterior over W. At D = 8 the estimate from the denoiser is good to 5 %.
    process = parse("poisson:D=8")
    for size in (2, 8):
        field = mixture(process, size)
        y = field.sample(2000, seeded())
        for t in (0.05, 0.2, 1.0, 10.0):
            x = process.perturb(y, torch.full((2000,), t).double(), seeded(1))
            logits = field._logits(x, t)[0]
            share = torch.softmax(torch.logsumexp(logits, 0), 1)
            truth = float((share @ field._nodes).mean())
            noise = torch.cat(
                [
                    law_noise(
                        LinearPath(process, field, (t,), (size,)), 0, x, None, Streams(s, 0, 2000), None
                    )
                    for s in range(5)
                ]
            )
            found = float(noise.square().mean())
            assert found == pytest.approx(truth, rel=0.05)


def test_ancestral_is_ddpms_posterior() -> None:
    # Ho 2020, equation 7, with ᾱ = A², α = ᾱ_t/ᾱ_s: mean and variance of q(x_s | x_t, x_0 = D).
    process = parse("vp")
    field = ExactField(process, torch.randn(20, 3, generator=seeded()).double())
    times = torch.tensor([0.7, 0.4], dtype=torch.float64)
    x = torch.randn(50, 3, generator=seeded(1)).double()
    *_, last = trajectory(
        process, field, x, solver=Ancestral(), times=times.tolist(), streams=Streams(5, 0, 50), denoise=False
    )
    bar_t, bar_s = process.A(times).square()
    alpha = bar_t / bar_s
    mean = bar_s.sqrt() * (1 - alpha) / (1 - bar_t) * field.at(0.7)(x, None)
    mean = mean + alpha.sqrt() * (1 - bar_s) / (1 - bar_t) * x
    variance = (1 - bar_s) / (1 - bar_t) * (1 - alpha)
    expected = mean + variance.sqrt() * Streams(5, 0, 50).normal(x)[0]
    torch.testing.assert_close(last.state, expected, rtol=1e-7, atol=1e-9)


def test_churn_is_karras_algorithm_2() -> None:
    process = parse("edm")
    field = ExactField(process, torch.randn(20, 3, generator=seeded()).double())
    x = 2 * torch.randn(50, 3, generator=seeded(1)).double()
    *_, last = trajectory(
        process,
        field,
        x,
        solver=Churn(amount=0.5, inflation=1.1),
        times=[2.0, 1.0],
        streams=Streams(5, 0, 50),
        denoise=False,
    )
    raised = 2.0 * (1 + min(0.5 / 2, math.sqrt(2) - 1))
    hat = x + 1.1 * math.sqrt(raised**2 - 2.0**2) * Streams(5, 0, 50).normal(x)[0]
    d = (hat - field.at(raised)(hat, None)) / raised
    euler = hat + (1 - raised) * d
    d_next = euler - field.at(1.0)(euler, None)
    torch.testing.assert_close(last.state, hat + (1 - raised) * 0.5 * (d + d_next), rtol=1e-9, atol=1e-9)


def test_without_churn_it_is_heun(mixture: Mixture) -> None:
    for name in ("vp", "poisson:D=8"):
        process = parse(name)
        field = mixture(process, 2)
        expected = sample(process, field, 20, solver=Heun(), steps=12)
        for still in (Churn(amount=0), Churn(low=1e6, high=1e7)):
            torch.testing.assert_close(sample(process, field, 20, solver=still, steps=12), expected)
        assert not torch.allclose(sample(process, field, 20, solver=Churn(), steps=12), expected)


def test_a_law_without_a_tail_costs_no_evaluation(mixture: Mixture) -> None:
    for name, extra in (("edm", 0), ("poisson:D=8", 9)):
        process = parse(name)
        inner, calls = mixture(process, 2), 0

        def count(x: Tensor, t: Tensor, label: Tensor | None, inner: MixtureField = inner) -> Tensor:
            nonlocal calls
            calls += 1
            return inner.at(float(t[0]))(x, label)

        solver = Ancestral()
        sample(process, as_field(count), 3, (2,), solver=solver, steps=10)
        assert calls == solver.evaluations(10) + extra
