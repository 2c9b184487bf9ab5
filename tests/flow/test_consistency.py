"""Consistency sampling: its states have the path's law, and its samples depend on seed and index alone."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from unstir.errors import InputError
from unstir.fields import ConsistencyField, NeuralField
from unstir.flow import Consistency, default_solver, parse_solver, sample, sample_steps
from unstir.flow.consistency import clock
from unstir.physics import LinearProcess, parse

HOME = torch.tensor([0.4, -0.3, 0.1])


def home(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
    return HOME.to(x).expand_as(x)


def noises(name: str, n: int = 1500) -> list[Tensor]:
    """ε of each state on the way of data that are one point: (x − A y)/B."""
    process = parse(name)
    assert isinstance(process, LinearProcess)
    times = torch.tensor(Consistency().times(process, 4), dtype=torch.float64)
    walk = sample_steps(process, home, n, (3,), solver=Consistency(), steps=4, batch=n, seed=3)
    states = [progress.step.state.double() for progress in walk][:4]
    return [
        (x - process.A(t) * HOME * (k > 0)) / process.B(t)
        for k, (x, t) in enumerate(zip(states, times, strict=True))
    ]


@pytest.mark.parametrize(("name", "D"), [("poisson:D=3", 3), ("poisson:D=1", 1), ("poisson:D=128", 128)])
def test_every_state_has_the_noise_of_its_process(name: str, D: int) -> None:
    for noise in noises(name):
        squared = noise.square().sum(1) / 3
        assert stats.kstest(squared.numpy(), stats.f(3, D).cdf).pvalue > 1e-3
        if D < 10:  # and the test would see Gaussian noise
            assert stats.kstest(squared.numpy(), stats.chi2(3, scale=1 / 3).cdf).pvalue < 1e-9


def test_noise_on_the_way_has_seen_nothing_of_the_noise_before() -> None:
    before, after = (noise.square().sum(1).log() for noise in noises("poisson:D=1")[:2])
    assert abs(float(torch.corrcoef(torch.stack([before, after]))[0, 1])) < 0.08


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_a_step_is_an_evaluation(steps: int) -> None:
    process, asked = parse("vp"), []
    assert isinstance(process, LinearProcess)

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        asked.append(float(t[0]))
        return home(x, t, label)

    x = sample(process, field, 5, (3,), solver=Consistency(), steps=steps)
    torch.testing.assert_close(x, HOME.expand(5, 3))
    assert len(asked) == steps == Consistency().evaluations(steps)
    assert asked[0] == pytest.approx(process.t_max)
    assert asked == pytest.approx([t for t in clock(process) if any(abs(t - a) < 1e-5 for a in asked)])


def test_samples_depend_on_seed_and_index_alone() -> None:
    process = parse("poisson:D=8")

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return x / (1 + x.square().sum(1, keepdim=True)).sqrt()

    whole = sample(process, field, 7, (3,), solver=Consistency(), steps=3, seed=5)
    parts = [sample(process, field, n, (3,), solver=Consistency(), steps=3, seed=5, first=first, batch=2)
             for first, n in ((0, 3), (3, 4))]  # fmt: skip
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)
    assert not torch.equal(whole, sample(process, field, 7, (3,), solver=Consistency(), steps=3, seed=6))


def test_a_consistency_field_brings_its_solver() -> None:
    process = parse("vp")
    assert isinstance(process, LinearProcess)
    field = ConsistencyField(NeuralField(nn.Identity(), process))
    assert default_solver(process, field) == Consistency()
    assert parse_solver("consistency", process, field) == Consistency()
    assert default_solver(process) != Consistency()
    with pytest.raises(InputError, match=r"'heun' is not known\. Known: consistency"):
        parse_solver("heun", process, field)
    with pytest.raises(InputError, match="steps=7: a consistency field takes 1 to 6 steps"):
        Consistency().times(process, 7)


def test_blurred_data_keep_the_noise_of_the_modes_that_a_state_tells() -> None:
    """Data that are one point: each state has the path's law, and its noise that of before by the share c."""
    shape, n = (1, 4, 4), 4000
    items = torch.randn(200, *shape, generator=torch.Generator().manual_seed(0)) / 2
    process = parse("heat").prepared(items)
    assert isinstance(process, LinearProcess)
    solver, y = Consistency(), items[:1]
    times = solver.times(process, 3)

    def point(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return y.to(x).expand_as(x)

    start = y.expand(n, *shape)  # the sampler blurs it
    walk = sample_steps(process, point, n, shape, solver=solver, steps=3, batch=n, seed=3, start=start)
    states = [progress.step.state for progress in walk][:3]
    noises = []
    for x, time in zip(states, times, strict=True):
        t = torch.tensor(time, dtype=torch.float64)
        signal = process.signal(t, shape) * process.basis.coordinates(y)[0]
        noises.append((process.basis.coordinates(x) - signal) / process.B(t))
    for noise in noises:
        torch.testing.assert_close(noise.std(0), torch.ones_like(noise[0]), rtol=0, atol=0.06)
    for before, after, time in zip(noises, noises[1:], times, strict=False):
        told = process.told(torch.tensor(time, dtype=torch.float64), shape)
        assert told is not None
        assert float(told.min()) < 0.1  # modes of both kinds
        assert float(told.max()) > 0.9
        torch.testing.assert_close((before * after).mean(0), told, rtol=0, atol=0.08)


def test_a_prior_of_noise_tells_nothing() -> None:
    for name in ("vp", "poisson:D=128", "blurring"):
        process = parse(name)
        assert isinstance(process, LinearProcess)
        assert process.told(torch.tensor(process.t_max), (1, 4, 4)) is None


def test_after_blurred_data_the_last_answers_are_from_small_blurs() -> None:
    process = parse("heat")
    assert isinstance(process, LinearProcess)
    known = clock(process)
    places = {n: [known.index(t) for t in Consistency().times(process, n)] for n in range(1, 7)}
    assert places[1] == [0]
    assert places[2] == [0, 1]
    assert places[4] == [0, 1, 4, 5]
    assert places[6] == list(range(6))
