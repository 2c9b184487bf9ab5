"""The Brownian bridge: its marginals against a simulation, its posterior step against itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from unstir.physics import Blur, Bridge, Coarse, CosineModes, bridge, parse
from unstir.physics.bridge import clock

SIGMA = 0.5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_marginals_are_those_of_the_paper() -> None:
    process = bridge(sigma=SIGMA)
    n = 40_000
    clean, degraded = torch.full((n, 1, 1, 1), 0.7), torch.full((n, 1, 1, 1), -0.4)
    for t in (0.1, 0.5, 0.8):
        x = process.between(clean, degraded, torch.full((n,), t), generator())
        own, other = SIGMA**2 * t, SIGMA**2 * (1 - t)  # σ_t² and σ̄_t²
        mean = (other * 0.7 + own * -0.4) / (own + other)
        variance = own * other / (own + other)
        assert float(x[:, :1].mean()) == pytest.approx(mean, abs=4 * math.sqrt(variance / n))
        assert float(x[:, :1].var()) == pytest.approx(variance, rel=0.03)
        assert bool((x[:, 1:] == -0.4).all())


def test_marginals_are_those_of_the_pinned_walk() -> None:
    process, n, steps = bridge(sigma=SIGMA), 20_000, 400
    x, draw = torch.full((n,), 0.7, dtype=torch.float64), generator(1)
    for i in range(steps // 2):  # dx = (x₁ − x)/(1 − t) dt + Σ dw, from x₀, to t = ½
        noise = torch.randn(n, generator=draw, dtype=torch.float64)
        x = x + (-0.4 - x) / (1 - i / steps) / steps + SIGMA * noise / math.sqrt(steps)
    clean, degraded = torch.full((n, 1, 1, 1), 0.7), torch.full((n, 1, 1, 1), -0.4)
    at = process.between(clean, degraded, torch.full((n,), 0.5), generator(2))[:, 0, 0, 0]
    assert float(x.mean()) == pytest.approx(float(at.mean()), abs=0.01)
    assert float(x.var()) == pytest.approx(float(at.var()), rel=0.04)


@pytest.mark.parametrize(("broken", "holds"), [(1.0, True), (1.1, False)])
def test_two_steps_of_the_posterior_are_one(broken: float, holds: bool) -> None:
    process, t, s, r = bridge(sigma=SIGMA), 0.8, 0.45, 0.2
    x, clean = torch.tensor(1.3, dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64)
    once, deviation = process.posterior(x, clean, t, r)
    middle, first = process.posterior(x, clean, t, s)
    twice, second = process.posterior(middle, clean, s, r)
    assert float(once) == pytest.approx(float(twice))
    variance = (r / s * first * broken) ** 2 + (second * broken) ** 2
    assert (variance == pytest.approx(deviation**2)) is holds
    # and from the start it is the bridge: t = 1 pins it at x₁
    mean, deviation = process.posterior(x, clean, 1.0, s)
    assert float(mean) == pytest.approx((1 - s) * 0.2 + s * 1.3)
    assert deviation**2 == pytest.approx(SIGMA**2 * s * (1 - s))
    assert process.posterior(x, clean, 0.5, 0.0)[1] == 0


def test_the_clock_is_the_papers() -> None:
    u = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    half = torch.minimum(u, 1 - u)
    beta = (math.sqrt(1e-4) + (math.sqrt(0.3 / 1000) - math.sqrt(1e-4)) * 2 * half) ** 2
    passed = (beta.cumsum(0) - 0.5 * beta) / beta.sum()
    torch.testing.assert_close(clock(u), passed, rtol=0, atol=2e-4)
    times = bridge().times(10)
    assert float(times[0]) == 1
    assert bool((times.diff() < 0).all())
    assert float(times[-1]) > 0


def test_wiener_is_what_the_task_says() -> None:
    items = 0.5 * torch.randn(20_000, 1, 6, 6, generator=generator())
    process = bridge(width=1.0, noise=0.1).prepared(items)
    factor, left, size = process.wiener((1, 6, 6))
    from unstir.physics.basis import eigenvalues

    damping = torch.exp(-0.5 * eigenvalues((1, 6, 6)))
    expected = 0.25 * damping / (0.25 * damping**2 + 0.01)
    torch.testing.assert_close(factor, expected, rtol=0.1, atol=0.06)
    torch.testing.assert_close(left, 0.25 - expected * 0.25 * damping, rtol=0.2, atol=5e-3)
    torch.testing.assert_close(size, 0.25 * damping**2 + 0.01, rtol=0.1, atol=0)


def test_it_starts_from_degraded_images_and_keeps_them() -> None:
    items = 0.5 * torch.randn(300, 3, 8, 6, generator=generator())
    process = bridge("superres", noise=0.0).prepared(items)
    again = parse(process.name).restored(process.kept())
    assert isinstance(again, Bridge)
    assert again == process
    state = again.prior(20, (3, 8, 6), generator(3))
    assert state.shape == (20, *again.state_shape((3, 8, 6))) == (20, 6, 8, 6)
    assert torch.equal(again.observed(state), state[:, 3:])
    distance = torch.cdist(state[:, :3].flatten(1), Coarse(2)(items).flatten(1)).amin(1)
    assert float(distance.max()) < 0.01
    assert torch.equal(again.begin(items, generator())[:, :3], items)


def test_names_and_refusals(refused: Callable[..., str]) -> None:
    assert parse("bridge:task=superres,factor=4").name == "bridge:task=superres,factor=4"
    assert parse("bridge:noise=0.2").name == "bridge:task=deblur,width=1,noise=0.2"
    assert "task=x" in refused(parse, "bridge:task=x")
    assert "factor" in refused(parse, "bridge:task=deblur,factor=3")
    for bad in ("width=0", "noise=-1", "sigma=0"):
        assert bad.split("=")[0] in refused(parse, f"bridge:{bad}")
    assert "factor" in refused(parse, "bridge:task=superres,factor=1")
    assert "hole" in refused(parse, "bridge:task=inpaint,hole=1")
    assert "images" in refused(bridge().prepared, torch.zeros(5, 2))
    assert "partner" in refused(bridge().prepared, torch.zeros(5, 1, 2, 2), torch.zeros(5, 1, 2, 2))
    assert "prepare" in refused(bridge().prior, 2, (1, 2, 2), generator())
    ready = bridge().prepared(torch.randn(9, 1, 4, 4, generator=generator()))
    assert "keeps images" in refused(ready.prior, 2, (1, 5, 5), generator())
    assert "moments" in refused(bridge().restored, {"far": torch.zeros(2)})


def test_degraded_images_are_the_task_and_its_noise() -> None:
    items = 0.5 * torch.randn(500, 1, 8, 8, generator=generator())
    difference = bridge(noise=0.3).degraded(items, generator(1)) - Blur(1.0)(items)
    assert float(difference.std()) == pytest.approx(0.3, rel=0.02)
    spread = CosineModes().coordinates(difference).var(0)
    assert float(spread.min()) > 0.06
    assert float(spread.max()) < 0.13
