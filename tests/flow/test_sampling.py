from __future__ import annotations

import itertools
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import unstir.flow.adaptive
from unstir.fields import ExactField, FunctionField, MixtureField
from unstir.flow import (
    SOLVERS,
    Adaptive,
    Churn,
    Multistep,
    Progress,
    Streams,
    sample,
    sample_steps,
    trajectory,
)
from unstir.physics import DampedProcess, LinearProcess, entries, parse, poisson

Mixture = Callable[[LinearProcess, int], MixtureField]

# Heat's prior is made of data: `test_dissipation.py` has it.
REGISTERED = [e.name for e in entries() if type(parse(e.name)) in (LinearProcess, DampedProcess)]
PROCESSES = [*REGISTERED, "vp:schedule=cosine", "poisson:D=8", "poisson:D=1", "yukawa:kappa=0.1"]


def errors(field: MixtureField, samples: Tensor) -> tuple[float, float, float]:
    """The worst component's share (absolute), mean (of its norm) and covariance (Frobenius, relative)."""
    x = samples.cpu().double().flatten(1)
    laws = [
        torch.distributions.MultivariateNormal(m, c)
        for m, c in zip(field.means, field.covariances, strict=True)
    ]
    log_shares = torch.stack([law.log_prob(x) for law in laws], 1) + field.weights.log()
    owner = log_shares.argmax(1)
    found = []
    for k, law in enumerate(laws):
        own = x[owner == k]
        found.append(
            (
                abs(len(own) / len(x) - float(field.weights[k])),
                float((own.mean(0) - law.mean).norm() / law.mean.norm()),
                float((torch.cov(own.T) - law.covariance_matrix).norm() / law.covariance_matrix.norm()),
            )
        )
    share, mean, covariance = (max(column) for column in zip(*found, strict=True))
    return share, mean, covariance


def reproduces(field: MixtureField, samples: Tensor) -> bool:
    share, mean, covariance = errors(field, samples)
    name = field.process.name
    sys.stdout.write(f"{name}: share {share:.4f}, mean {mean:.4f}, covariance {covariance:.4f}\n")
    return share < 0.02 and mean < 0.05 and covariance < 0.05


@pytest.mark.parametrize("size", [2, 64])
@pytest.mark.parametrize("name", PROCESSES)
def test_forty_steps_reproduce_the_mixture(name: str, size: int, mixture: Mixture) -> None:
    field = mixture(parse(name), size)
    assert reproduces(field, sample(field.process, field, 20_000, steps=40, batch=4096))


def test_the_cauchy_law_with_adaptive_steps_reproduces_the_mixture(mixture: Mixture) -> None:
    field = mixture(parse("poisson:D=1"), 2)
    assert reproduces(field, sample(field.process, field, 20_000, solver=Adaptive(1e-3, 1e-3)))


@pytest.mark.parametrize("size", [2, 64])
def test_a_mixture_a_little_different_is_told_apart(size: int, mixture: Mixture) -> None:
    field, generator = mixture(parse("edm"), size), torch.Generator().manual_seed(0)
    truth = field.sample(20_000, generator)
    assert reproduces(field, truth)
    owner = torch.cdist(truth, field.means).argmin(1)
    wider = field.means[owner] + 1.05 * (truth - field.means[owner])
    assert not reproduces(field, wider)
    assert not reproduces(field, truth + 0.06 * field.means[owner])
    fewer = truth[(owner > 0) | (torch.rand(len(truth), generator=generator) < 0.88)]
    assert not reproduces(field, fewer)


def test_too_few_steps_are_told_apart(mixture: Mixture) -> None:
    field = mixture(parse("edm"), 2)
    assert not reproduces(field, sample(field.process, field, 20_000, solver="euler", steps=20, batch=4096))


def test_from_matched_draws_poisson_flow_nears_diffusion_as_one_over_root_d(mixture: Mixture) -> None:
    edm = parse("edm")
    limit = sample(edm, mixture(edm, 2), 200, dtype=torch.float64)
    extra, gaps = [1e2, 1e4, 1e6, 1e8], []
    for D in extra:
        process = poisson(D=D)
        samples = sample(process, mixture(process, 2), 200, dtype=torch.float64)
        gaps.append(float((samples - limit).norm(dim=1).median()))
    slope = np.polyfit(np.log(extra), np.log(gaps), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)
    unmatched = sample(edm, mixture(edm, 2), 200, dtype=torch.float64, seed=1)
    assert float((unmatched - limit).norm(dim=1).median()) > 10 * gaps[0]


def test_infinitely_many_extra_dimensions_are_edm_to_the_bit(mixture: Mixture) -> None:
    edm, limit = parse("edm"), parse("poisson:D=inf")
    for solver in ("multistep", "heun", "churn", "ancestral"):
        a = sample(edm, mixture(edm, 2), 50, solver=solver, steps=10)
        b = sample(limit, mixture(limit, 2), 50, solver=solver, steps=10)
        assert torch.equal(a, b)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["vp", "poisson:D=8"])
def test_sample_i_depends_on_the_seed_and_i_alone(
    name: str, solver: str, mixture: Mixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unstir.flow.adaptive, "_GROUP", 32)  # groups of 16, so that there are several
    process = parse(name)
    field = mixture(process, 2)

    def draw(n: int, first: int = 0, batch: int = 256, seed: int = 0) -> Tensor:
        return sample(process, field, n, solver=solver, steps=12, seed=seed, first=first, batch=batch)

    whole = draw(60)
    torch.testing.assert_close(draw(60, batch=7), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(draw(25), whole[:25], rtol=0, atol=1e-5)
    torch.testing.assert_close(draw(30, first=11, batch=8), whole[11:41], rtol=0, atol=1e-5)
    torch.testing.assert_close(draw(1, first=59), whole[59:], rtol=0, atol=1e-5)
    other = draw(60, seed=1)
    assert float((other - whole).norm(dim=1).min()) > 1e-5
    assert float(torch.pdist(whole).min()) > 1e-5


@pytest.mark.parametrize("name", ["edm", "poisson:D=1", "yukawa"])
def test_prior_draws_are_the_same_to_the_bit(name: str) -> None:
    process = parse(name)

    def prior(n: int, first: int, batch: int) -> Tensor:
        walk = sample_steps(process, lambda x, t, y: x, n, (3,), first=first, batch=batch, steps=1)
        return torch.cat([p.step.state for p in walk if p.step.index == 0])

    whole = prior(40, 0, 256)
    assert torch.equal(prior(40, 0, 7), whole)
    assert torch.equal(prior(13, 20, 5), whole[20:33])


def test_every_step_is_seen_and_the_last_is_the_sample(mixture: Mixture) -> None:
    process = parse("edm")
    field = mixture(process, 2)
    seen: dict[int, list[Progress]] = {}
    for progress in sample_steps(process, field, 10, steps=5, batch=4, first=3):
        seen.setdefault(progress.first, []).append(progress)
    assert list(seen) == [0, 4, 8]
    expected = sample(process, field, 10, steps=5, first=3)
    for first, steps in seen.items():
        assert [p.step.index for p in steps] == [0, 1, 2, 3, 4, 5]
        assert [p.steps for p in steps] == [5] * 6
        assert [p.step.time for p in steps] == [*Multistep().times(process, 5), 0.0]
        assert steps[0].step.prediction is None
        last = steps[-1].step
        torch.testing.assert_close(last.state, expected[first : first + 4], rtol=0, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_step_is_the_priors_denoised(solver: str, mixture: Mixture) -> None:
    process = parse("poisson:D=8")
    field = mixture(process, 2)
    states = [p.step for p in sample_steps(process, field, 4, solver=solver, steps=1)]
    assert len(states) == 2
    torch.testing.assert_close(states[1].state, field.at(80.0)(states[0].state, None))
    kept = sample(process, field, 4, solver=solver, steps=1, denoise=False)
    assert torch.equal(kept, states[0].state)


def test_without_the_last_denoising_the_state_at_t_min_is_given(mixture: Mixture) -> None:
    process = parse("edm")
    field = mixture(process, 2)
    noisy = sample(process, field, 5, steps=9, denoise=False)
    clean = sample(process, field, 5, steps=9)
    torch.testing.assert_close(field.at(process.t_min)(noisy, None), clean, rtol=0, atol=1e-5)


def test_labels_and_shapes_go_with_their_samples() -> None:
    # A field that answers with its label: every sample must end as its own.
    def by_label(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        return label.to(x.dtype)[:, None, None].expand_as(x).contiguous()

    label = torch.arange(37)
    for solver in SOLVERS:
        found = sample(
            parse("poisson:D=8"), by_label, 37, (2, 3), solver=solver, steps=4, batch=8, label=label, first=5
        )
        assert found.shape == (37, 2, 3)
        torch.testing.assert_close(found, label.float()[:, None, None].expand(37, 2, 3))


def test_states_keep_the_dtype_asked_for(mixture: Mixture) -> None:
    process = parse("poisson:D=8")
    field = mixture(process, 2)
    for solver in SOLVERS:
        for dtype in (torch.float32, torch.float64):
            assert sample(process, field, 3, solver=solver, steps=3, dtype=dtype).dtype == dtype


def test_steps_do_not_share_memory() -> None:
    process = parse("edm")
    field = ExactField(process, torch.randn(5, 2))
    x = process.prior(3, (2,), torch.Generator().manual_seed(0))
    before = x.clone()
    for solver in SOLVERS.values():
        states = [
            s.state for s in trajectory(process, field, x, solver=solver(), steps=5, streams=Streams(0, 0, 3))
        ]
        assert len({s.data_ptr() for s in states}) == len(states)
        assert torch.equal(x, before)


def test_no_gradient_is_kept() -> None:
    layer = torch.nn.Linear(2, 2)
    field = FunctionField(lambda x, t, label: layer(x))
    assert not sample(parse("edm"), field, 2, (2,), steps=3).requires_grad


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"batch": 0}, "batch=0"),
        ({"first": -1}, "first=-1"),
        ({"steps": 0}, "steps=0: at least one step"),
        ({"seed": -1}, "seed=-1"),
        ({"solver": "midpoint"}, "solver 'midpoint' is not known"),
        ({"label": torch.zeros(3)}, "give one class number a sample: (4,)"),
        ({"field": lambda x, t, y: x}, "shape: this field does not know its own"),
    ],
)
def test_what_cannot_be_sampled_is_refused(
    options: dict[str, object], words: str, refused: Callable[..., str]
) -> None:
    process = parse("edm")
    given = {"field": ExactField(process, torch.zeros(1, 2)), "n": 4, **options}
    assert words in refused(sample, process, **given)


@pytest.mark.parametrize("times", [[], [1.0, 2.0], [3.0, 3.0], [3.0, 2.0, 2.5]])
def test_times_must_fall(times: list[float], refused: Callable[..., str]) -> None:
    process = parse("edm")

    def walk() -> None:
        for _ in trajectory(process, ExactField(process, torch.zeros(1, 2)), torch.zeros(1, 2), times=times):
            pass

    assert "times: must fall from prior to data" in refused(walk)


def test_a_stochastic_solver_needs_streams(refused: Callable[..., str]) -> None:
    process = parse("edm")
    walk = trajectory(process, ExactField(process, torch.zeros(1, 2)), torch.zeros(1, 2), solver=Churn())
    assert "Streams(seed, first, count)" in refused(lambda: list(itertools.islice(walk, 2)))
