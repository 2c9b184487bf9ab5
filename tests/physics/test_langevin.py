from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.stats
import torch

from unstir.physics import LangevinProcess, langevin, parse
from unstir.physics.langevin import apply

Refused = Callable[..., str]
PROCESSES = [langevin(), langevin(beta=9, mass=1.3, gamma=0.5)]
both = pytest.mark.parametrize("process", PROCESSES, ids=["usual", "other"])
TIMES = [1e-3, 0.02, 0.3, 1.0]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrices(process: LangevinProcess) -> tuple[np.ndarray, np.ndarray]:
    """Drift F and diffusion GGᵀ, a unit of time, written out from the equation of motion."""
    beta, M, friction = process.beta, process.mass, 2 * math.sqrt(process.mass)
    return beta * np.array([[0, 1 / M], [-1, -friction / M]]), np.diag([0, 2 * friction * beta])


def moments(process: LangevinProcess, t: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """(Φ, covariance) by Van Loan's exponential of a block matrix."""
    F, G = matrices(process)
    covariance, parts = np.diag([0, variance]), math.ceil(t / 0.2)  # its lower half grows where F falls
    block = scipy.linalg.expm(np.block([[-F, G], [np.zeros((2, 2)), F.T]]) * (t / parts))
    flow = block[2:, 2:].T
    for _ in range(parts):
        covariance = flow @ block[:2, 2:] + flow @ covariance @ flow.T
    return np.linalg.matrix_power(flow, parts), covariance


def off(process: LangevinProcess, t: float) -> float:
    """How far the kernel is from the matrix exponential, relative to each entry's own scale."""
    a, root = process.kernel(torch.tensor(t, dtype=torch.float64))
    flow, covariance = moments(process, t, process.gamma * process.mass)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    return max(
        float(np.abs(a.numpy() - flow[:, 0]).max()),
        float((np.abs((root @ root.mT).numpy() - covariance) / scale).max()),
    )


@both
@pytest.mark.parametrize("t", TIMES)
def test_the_kernel_is_that_of_the_matrix_exponential(process: LangevinProcess, t: float) -> None:
    assert off(process, t) < 1e-11


def test_another_friction_or_covariance_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    process = langevin()
    for wrong in (dataclasses.replace(process, gamma=0.05), dataclasses.replace(process, mass=0.26)):
        a, root = wrong.kernel(torch.tensor(0.3, dtype=torch.float64))
        monkeypatch.setattr(LangevinProcess, "kernel", lambda self, t, found=(a, root): found)
        assert off(process, 0.3) > 1e-5
        monkeypatch.undo()
    monkeypatch.setattr(LangevinProcess, "friction", 1.01)
    assert off(process, 0.3) < 1e-11  # only the velocity knows of Γ: see the certificate of continuity


@both
def test_the_covariance_solves_the_moments_equation(process: LangevinProcess) -> None:
    F, G = matrices(process)

    def slope(t: float, flat: np.ndarray) -> np.ndarray:
        S = flat.reshape(2, 2)
        return (F @ S + S @ F.T + G).ravel()

    start = np.diag([0, process.gamma * process.mass]).ravel()
    solved = scipy.integrate.solve_ivp(slope, (0, 0.4), start, rtol=1e-10, atol=1e-13)
    root = process.kernel(torch.tensor(0.4, dtype=torch.float64))[1]
    np.testing.assert_allclose((root @ root.mT).numpy().ravel(), solved.y[:, -1], rtol=1e-7)


def test_no_digits_are_lost_at_small_times() -> None:
    # The conditional variance of v, from a determinant of order τ³: against 60 digits.
    import mpmath

    process = langevin()
    mpmath.mp.dps = 60
    for t in (1e-9, 1e-6, 1e-3):
        tau = mpmath.mpf(4) * mpmath.mpf(t)
        decay = mpmath.exp(-2 * tau)
        flow = decay * mpmath.matrix([[1 + 2 * tau, 4 * tau], [-tau, 1 - 2 * tau]])
        still = mpmath.matrix([[1, 0], [0, mpmath.mpf("0.25")]])
        given = mpmath.matrix([[0, 0], [0, mpmath.mpf(0.04) * mpmath.mpf("0.25")]])
        S = still - flow * (still - given) * flow.T
        expected = mpmath.sqrt(S[1, 1] - S[0, 1] ** 2 / S[0, 0])
        root = process.kernel(torch.tensor(t, dtype=torch.float64))[1]
        assert float(root[1, 1]) == pytest.approx(float(expected), rel=1e-9)
        assert float(root[0, 0]) == pytest.approx(float(mpmath.sqrt(S[0, 0])), rel=1e-9)


def test_perturbing_is_what_the_particles_do() -> None:
    # Euler–Maruyama on the equation of motion, with small steps, from one point.
    process, n, steps, t = langevin(), 20_000, 200, 0.25
    F, G = matrices(process)
    rng = np.random.default_rng(0)
    u = np.stack([np.full(n, 0.7), math.sqrt(process.gamma * process.mass) * rng.standard_normal(n)])
    h = t / steps
    for _ in range(steps):
        u = u + h * F @ u
        u[1] += math.sqrt(h * G[1, 1]) * rng.standard_normal(n)
    drawn = process.perturb(torch.full((n, 1), 0.7), torch.full((n,), t), seeded()).T.numpy()
    np.testing.assert_allclose(drawn.mean(1), u.mean(1), atol=0.02)
    np.testing.assert_allclose(np.cov(drawn), np.cov(u), atol=0.02)
    for a, b in zip(drawn, u, strict=True):
        assert scipy.stats.ks_2samp(a, b).pvalue > 1e-3


@both
def test_the_kernel_is_a_gaussian_in_phase_space(process: LangevinProcess) -> None:
    t, y = torch.tensor([0.1, 0.6]).double(), torch.randn(3, 2, generator=seeded()).double()
    x = torch.randn(2, 4, generator=seeded(1)).double()
    found = process.log_kernel(x, y, t)
    for i in range(2):
        a, root = (part.numpy() for part in process.kernel(t[i]))
        covariance = np.kron(root @ root.T, np.eye(2))
        for j in range(3):
            mean = np.kron(a, y[j].numpy())
            expected = scipy.stats.multivariate_normal(mean, covariance).logpdf(x[i].numpy())
            assert float(found[i, j]) == pytest.approx(expected, rel=1e-9)


@both
def test_the_equilibrium_is_reached_and_stays(process: LangevinProcess) -> None:
    # In nats a coordinate, of data at ±1.
    def distance(process: LangevinProcess) -> float:
        a, root = process.kernel(torch.tensor(process.t_max, dtype=torch.float64))
        rest = torch.tensor([1, process.mass], dtype=torch.float64)
        covariance = root @ root.mT
        inner = (covariance.diag() / rest).sum() + (a.square() / rest).sum() - 2
        return 0.5 * float(inner - covariance.det().log() + rest.log().sum())

    assert 0 <= distance(process) < 1e-4
    assert distance(dataclasses.replace(process, beta=process.beta / 2)) > 5e-3
    mean, root = process.transition(torch.tensor(0.2, dtype=torch.float64))
    rest = torch.diag(torch.tensor([1, process.mass], dtype=torch.float64))
    torch.testing.assert_close(mean @ rest @ mean.mT + root @ root.mT, rest)
    prior = process.prior(20_000, (1, 2), seeded())
    assert prior.shape == (20_000, 2, 2)
    torch.testing.assert_close(prior.var((0, 2)), rest.diag().float(), rtol=0.03, atol=0)
    expected = scipy.stats.multivariate_normal(np.zeros(4), np.diag([1, 1, process.mass, process.mass]))
    np.testing.assert_allclose(process.log_prior(prior[:5]), expected.logpdf(prior[:5].flatten(1)), rtol=1e-5)


@both
def test_transitions_follow_each_other(process: LangevinProcess) -> None:
    one, two, whole = (process.transition(torch.tensor(t, dtype=torch.float64)) for t in (0.1, 0.25, 0.35))
    torch.testing.assert_close(two.mean @ one.mean, whole.mean)
    covariance = two.mean @ one.root @ one.root.mT @ two.mean.mT + two.root @ two.root.mT
    torch.testing.assert_close(covariance, whole.root @ whole.root.mT)


def test_the_target_is_the_noise_and_the_score_follows_from_it() -> None:
    process, t = langevin(), torch.tensor([0.05, 0.5]).double()
    y = torch.randn(2, 3, generator=seeded()).double()
    x = process.perturb(y, t, seeded(1)).requires_grad_()
    noise = torch.randn(2, 6, generator=seeded(1)).double()
    found = process.target(y, x, t)
    torch.testing.assert_close(found, noise[:, 3:])
    (score,) = torch.autograd.grad(process.log_kernel(x, y, t).diagonal().sum(), x)
    torch.testing.assert_close(process.score(t, found), score[:, 3:])
    torch.testing.assert_close(process.denoised(x, t, found), y)


def test_all_that_a_state_tells_is_its_projection() -> None:
    # Bayes' rule on three points: by the kernel in phase space, and by plain noise σ on z.
    process, t = langevin(), torch.tensor([0.1, 0.3, 0.8]).double()
    y = torch.randn(3, 2, generator=seeded()).double()
    x = process.perturb(y, t, seeded(1))
    posterior = torch.softmax(process.log_kernel(x, y, t), 1)
    z, sigma = process.project(x, t), process.sigma(t)
    squared = (z[:, None] - y).square().sum(2)
    torch.testing.assert_close(posterior, torch.softmax(-0.5 * squared / sigma[:, None] ** 2, 1))


def test_times_and_noise_levels() -> None:
    process = langevin()
    sigma = torch.logspace(-2.5, 2, 50, dtype=torch.float64)
    torch.testing.assert_close(process.sigma(process.time_at(sigma)), sigma, rtol=1e-4, atol=0)
    assert process.time_at(torch.tensor([1e9])).item() == pytest.approx(1)
    times = process.times(11)
    assert (times[0], times[-1], float(times[-2])) == (1, 0, pytest.approx(3e-3))
    assert bool((times.diff() < 0).all())
    drawn = process.sigma(process.training_times(20_000, -1.2, 1.2, seeded())).log()
    assert float(drawn.mean()) == pytest.approx(-1.2, abs=0.01)
    assert float(drawn.std()) == pytest.approx(1.2, abs=0.01)


def test_the_flow_in_terms_of_the_data_is_the_same() -> None:
    process, t = langevin(), torch.tensor([0.05, 0.5]).double()
    x, y = torch.randn(2, 6, generator=seeded()).double(), torch.randn(2, 3, generator=seeded(1)).double()
    K, g = process.flow(t)
    found = apply(K, x) + apply(g[..., None], y)
    torch.testing.assert_close(found, process.velocity(x, t, process.target(y, x, t)))


def test_states_are_data_twice_over() -> None:
    process = langevin()
    assert process.state_shape((3, 8, 8)) == (6, 8, 8)
    data = torch.randn(99, 3, 8, 8, generator=seeded())
    at_once = process.perturb(data, torch.zeros(99), seeded())
    torch.testing.assert_close(process.observed(at_once), data, rtol=0, atol=1e-5)
    # Where v starts is no secret: γM.
    assert float(at_once[:, 3:].std()) == pytest.approx(0.1, rel=0.05)


def test_names_and_refusals(refused: Refused) -> None:
    assert langevin().name == "langevin"
    assert parse("langevin:gamma=0.1").name == "langevin:gamma=0.1"
    assert parse("langevin:mass=1,beta=8") == langevin(8, 1)
    assert "beta=1: with mass=0.25 the data are forgotten from beta=3.32" in refused(langevin, 1.0)
    assert "mass=0" in refused(langevin, 4.0, 0.0)
    assert "gamma=0" in refused(langevin, gamma=0.0)
