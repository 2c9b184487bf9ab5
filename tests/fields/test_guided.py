"""Guidance against closed forms: the score of p(x) p(c|x)^w, and flows of Gaussians guided by Gaussians."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unstir import physics
from unstir.fields import CoinField, Field, FunctionField, GuidedField, MixtureField
from unstir.fields.field import Slice
from unstir.fields.guided import noise_interval
from unstir.flow import Heun, sample, trajectory
from unstir.physics import LinearProcess

Refused = Callable[..., str]

MEANS = torch.tensor([[0.5, 0.1], [-0.4, 0.3], [0.0, -0.6]], dtype=torch.float64)
VARIANCES = torch.tensor([0.04, 0.02, 0.09], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)


class Labelled:
    """The exact field of three Gaussians, each a class, and of all together where the label is 3 or None."""

    classes = 3
    shape = (2,)

    def __init__(self, process: LinearProcess) -> None:
        self.calls: list[int] = []
        self.fields = [
            MixtureField(process, torch.ones(1), MEANS[i : i + 1], VARIANCES[i : i + 1]) for i in range(3)
        ]
        self.fields.append(MixtureField(process, WEIGHTS, MEANS, VARIANCES))

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        self.calls.append(len(x))
        label = torch.full((len(x),), 3) if label is None else label
        every = torch.stack([field(x, t) for field in self.fields])
        return every[label, torch.arange(len(x))]

    def at(self, t: float) -> Slice:
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64), label)


def logs(x: Tensor, sigma: float) -> Tensor:
    """log p(x, c) at noise σ, `(batch, 3)`."""
    variance = VARIANCES + sigma**2
    squared = (x[:, None] - MEANS).square().sum(2)
    return WEIGHTS.log() - squared / (2 * variance) - torch.log(2 * math.pi * variance)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("sigma", [0.05, 0.7, 20.0])
def test_the_guided_field_is_the_score_of_the_tempered_posterior(weight: float, sigma: float) -> None:
    """D_w = x + σ² ∇[log p(x) + w log p(c | x)], by autograd of the densities."""
    generator = torch.Generator().manual_seed(0)
    x = (0.7 * torch.randn((60, 2), generator=generator, dtype=torch.float64)).requires_grad_()
    label = torch.arange(60) % 3
    joint = logs(x, sigma)
    whole = joint.logsumexp(1)
    tempered = whole + weight * (joint[torch.arange(60), label] - whole)
    (score,) = torch.autograd.grad(tempered.sum(), x)
    expected = x.detach() + sigma**2 * score

    field = GuidedField(Labelled(physics.edm()), weight)
    t = torch.full((60,), sigma, dtype=torch.float64)
    assert torch.allclose(field(x.detach(), t, label), expected, rtol=1e-8, atol=1e-8)
    assert torch.allclose(field.at(sigma)(x.detach(), label), expected, rtol=1e-8, atol=1e-8)


def test_weights_0_and_1_are_the_two_fields() -> None:
    exact, t = Labelled(physics.edm()), torch.full((9,), 0.3, dtype=torch.float64)
    x = torch.linspace(-1, 1, 18).reshape(9, 2)
    label = torch.arange(9) % 3
    assert torch.equal(GuidedField(exact, 1).at(0.3)(x, label), exact(x, t, label))
    assert torch.allclose(GuidedField(exact, 0).at(0.3)(x, label), exact(x, t))
    # No class leaves nothing to guide by.
    assert torch.equal(GuidedField(exact, 7)(x, t), exact(x, t))
    assert torch.equal(GuidedField(exact, 7).at(0.3)(x, None), exact(x, t))


def test_both_answers_come_of_one_pass_over_a_doubled_batch() -> None:
    exact = Labelled(physics.edm())
    x, label = torch.zeros(5, 2), torch.arange(5) % 3
    GuidedField(exact, 2).at(1.0)(x, label)
    assert exact.calls == [10]
    exact.calls.clear()
    GuidedField(exact, 1).at(1.0)(x, label)
    assert exact.calls == [5]


@pytest.mark.parametrize("weight", [0.0, 1.0, 1.7, 3.0])
def test_a_gaussian_guided_by_a_wider_one_ends_where_the_flow_s_integral_says(weight: float) -> None:
    """dx/dσ = (x − D_w)/σ with D = x s²/(s² + σ²): x/x_max is Π (s²/(s² + σ_max²))^{w/2}."""
    process = physics.edm()
    strong, weak = (
        MixtureField(process, torch.ones(1), torch.zeros(1, 2), torch.tensor([std**2])) for std in (0.3, 0.5)
    )
    x = 80 * torch.randn((50, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    field = GuidedField(strong, weight, weak)
    *_, last = trajectory(process, field, x, solver=Heun(), steps=120)
    factor = 1.0
    for std, w in ((0.3, weight), (0.5, 1 - weight)):
        factor *= (std**2 / (std**2 + 80**2)) ** (w / 2)
    assert torch.allclose(last.state, factor * x, rtol=4e-3)


@pytest.mark.parametrize("solver", ["heun", "multistep", "ancestral"])
def test_a_class_alone_is_sampled_at_weight_1_and_all_at_weight_0(solver: str) -> None:
    process = physics.edm()
    n, label = 1500, torch.full((1500,), 1)
    one = sample(process, GuidedField(Labelled(process), 1), n, label=label, solver=solver, steps=25).double()
    assert (one.mean(0) - MEANS[1]).abs().max() < 5 * (VARIANCES[1] / n) ** 0.5 + 0.01
    every = sample(
        process, GuidedField(Labelled(process), 0), n, label=label, solver=solver, steps=25
    ).double()
    assert (every.mean(0) - WEIGHTS @ MEANS).abs().max() < 0.06
    assert (one.mean(0) - WEIGHTS @ MEANS).abs().max() > 0.3


def test_more_weight_takes_samples_further_from_the_other_classes() -> None:
    process, label = physics.edm(), torch.full((400,), 0)
    plain, guided = (
        sample(process, GuidedField(Labelled(process), w), 400, label=label, steps=20).double()
        for w in (1.0, 4.0)
    )
    sure_plain, sure = (torch.log_softmax(logs(x, 0.05), 1)[:, 0].mean() for x in (plain, guided))
    assert sure > sure_plain
    assert guided.std(0).mean() < plain.std(0).mean()


def test_outside_the_interval_the_field_is_the_strong_one() -> None:
    process = physics.edm()
    exact = Labelled(process)
    inside = noise_interval(lambda t: process.B(t) / process.A(t), 0.2, 3.0)
    field = GuidedField(exact, 3.0, inside=inside)
    t = torch.tensor([0.1, 0.2, 0.21, 3.0, 3.1], dtype=torch.float64)
    x, label = torch.full((5, 2), 0.2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    plain, guided = exact(x, t, label), GuidedField(exact, 3.0)(x, t, label)
    expected = torch.where(torch.tensor([False, False, True, True, False])[:, None], guided, plain)
    assert torch.allclose(field(x, t, label), expected)
    for i, time in enumerate(t.tolist()):
        assert torch.allclose(field.at(time)(x[i : i + 1], label[i : i + 1]), expected[i : i + 1])
    assert not torch.allclose(guided, plain)


def test_coins_blend_shares_and_never_leave_them() -> None:
    process = physics.parse("coins")
    field = CoinField(nn.Linear(1, 1), process, shape=(4,))  # type: ignore[arg-type]
    weak = torch.tensor([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], [0.2, 0.8]])
    strong = torch.tensor([[0.8, 0.2], [0.6, 0.4], [1.0, 0.0], [1.0, 0.0]])
    found = field.blend(weak, strong, 3.0)
    expected = strong[:2] ** 3 / weak[:2] ** 2
    assert torch.allclose(found[:2], expected / expected.sum(1, keepdim=True))
    assert torch.allclose(found[2:], torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert float((weak + 3 * (strong - weak)).min()) < 0  # which a straight line does


@pytest.mark.parametrize("weight", [-0.5, math.nan, math.inf, 1e6])
def test_a_weight_out_of_range_is_refused(refused: Refused, weight: float) -> None:
    assert "give a weight from 0 to 1000" in refused(GuidedField, Labelled(physics.edm()), weight)


def test_a_field_without_classes_needs_another_to_guide_it(refused: Refused) -> None:
    plain: Field = FunctionField(lambda x, t, label: x)
    assert "guidance=2: this field knows no classes; give a weaker" in refused(GuidedField, plain, 2.0)
    GuidedField(plain, 2.0, plain)


@pytest.mark.parametrize(
    ("low", "high"), [(3.0, 0.2), (-1.0, 2.0), (1.0, 1.0), (math.nan, 1.0), (math.inf, math.inf)]
)
def test_an_interval_that_is_none_is_refused(refused: Refused, low: float, high: float) -> None:
    assert "the lower first, such as 0.2,3" in refused(noise_interval, torch.abs, low, high)
