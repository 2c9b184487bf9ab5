from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactField, MixtureField, NeuralField, ResidualMLP
from unstir.flow import log_likelihood
from unstir.physics import LinearProcess, parse

Mixture = Callable[[LinearProcess, int], MixtureField]
NAMES = [
    "vp",
    "vp:schedule=cosine",
    "ve",
    "edm",
    "rectified",
    "poisson:D=1",
    "poisson:D=8",
    "poisson",
    "yukawa",
    "yukawa:kappa=0.1",
]
every = pytest.mark.parametrize("process", [parse(name) for name in NAMES], ids=NAMES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every
@pytest.mark.parametrize("size", [2, 8])
def test_it_is_the_mixtures_density_to_a_hundredth_of_a_nat(
    process: LinearProcess, size: int, mixture: Mixture
) -> None:
    field = mixture(process, size)
    y, A = field.sample(6, seeded()), float(process.A(torch.tensor(process.t_min).double()))
    found = log_likelihood(process, field, A * y, divergence="exact")
    assert found.dtype == torch.float64
    assert float((found - field.log_density(A * y, process.t_min)).abs().max()) < 1e-2 * size
    # The noise of t_min hardly blurs the data.
    data = field.log_data_density(y) - size * math.log(A)
    assert float((found - data).abs().max()) < 1e-2 * size
    assert float((found - field.log_density(y + 0.05, process.t_min)).abs().max()) > 1e-2 * size


@every
def test_the_exact_field_of_points_has_the_density_of_its_kernels(process: LinearProcess) -> None:
    data = 0.5 * torch.randn(20, 2, generator=seeded()).double()
    field = ExactField(process, data)
    t = torch.full((5,), process.t_min, dtype=torch.float64)
    x = process.perturb(data[:5], t, seeded(1))
    found = log_likelihood(process, field, x, divergence="exact")
    expected = torch.logsumexp(process.log_kernel(x, data, t), 1) - math.log(len(data))
    assert float((found - expected).abs().max()) / 2 < 1e-2


def test_hutchinsons_estimate_has_the_exact_one_as_its_mean(mixture: Mixture) -> None:
    process = parse("edm")
    field = mixture(process, 8)
    y = field.sample(4, seeded())
    exact = log_likelihood(process, field, y, divergence="exact")
    one = log_likelihood(process, field, y.repeat(100, 1), probes=1, rtol=1e-4, atol=1e-4).reshape(100, 4)
    error = one.std(0) / 10
    assert bool(((one.mean(0) - exact).abs() < 4 * error + 0.02).all())
    many = log_likelihood(process, field, y.repeat(20, 1), probes=16, rtol=1e-4, atol=1e-4).reshape(20, 4)
    assert bool((many.std(0) < 0.5 * one.std(0)).all())  # a quarter, but for chance


def test_probes_depend_on_the_seed_and_the_item_alone(mixture: Mixture) -> None:
    process = parse("edm")
    field = mixture(process, 8)
    y = field.sample(4, seeded())
    options = {"rtol": 1e-8, "atol": 1e-8}
    whole = log_likelihood(process, field, y, **options)
    torch.testing.assert_close(log_likelihood(process, field, y[:2], **options), whole[:2], rtol=0, atol=1e-4)
    other = log_likelihood(process, field, y, seed=1, **options)
    assert float((other - whole).abs().min()) > 1e-3


def test_a_gaussian_in_many_dimensions() -> None:
    size = 64
    variance = torch.tensor([0.25])
    for name in ("edm", "poisson:D=128"):
        process = parse(name)
        field = MixtureField(process, torch.ones(1), torch.zeros(1, size), variance)
        y = field.sample(3, seeded())
        found = log_likelihood(process, field, y, divergence="exact")
        expected = -0.5 * (y.square().sum(1) / 0.25 + size * math.log(2 * math.pi * 0.25))
        assert float((found - expected).abs().max()) / size < 1e-2


@pytest.mark.parametrize("name", ["edm", "vp", "poisson:D=8"])
def test_a_networks_density_integrates_to_one(name: str) -> None:
    # Any field has a density of its own flow: in one dimension its integral over a wide grid is 1.
    process = parse(name)
    torch.manual_seed(0)
    network = ResidualMLP((1,), 16, 1).double()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    field = NeuralField(network, process)
    x = torch.linspace(-12, 12, 1201, dtype=torch.float64)[:, None]
    density = log_likelihood(process, field, x, divergence="exact", rtol=1e-4, atol=1e-4).exp()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1, abs=0.01)


def test_labels_reach_the_field(mixture: Mixture) -> None:
    process = parse("edm")
    near = MixtureField(process, torch.ones(1), torch.zeros(1, 2), torch.tensor([0.25]))
    far = MixtureField(process, torch.ones(1), torch.ones(1, 2), torch.tensor([0.25]))

    def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        time = float(t[0])
        return torch.where(label[:, None] == 0, near.at(time)(x, None), far.at(time)(x, None))

    y = torch.zeros(2, 2, dtype=torch.float64)
    found = log_likelihood(process, field, y, divergence="exact", label=torch.tensor([0, 1]))
    assert float(found[0] - found[1]) == pytest.approx(
        0.5 * 2 / 0.25, abs=0.1
    )  # but for the prior's own mean of 0


@pytest.mark.parametrize(
    ("data", "divergence", "words"),
    [
        (torch.zeros(2, 2), "skilling", "divergence='skilling': give 'exact' or 'hutchinson'"),
        (torch.tensor([[0.0, math.nan]]), "exact", "give finite floats"),
        (torch.zeros(2), "exact", "of shape (batch, *shape)"),
        (torch.zeros(2, 2, dtype=torch.int64), "exact", "give finite floats"),
    ],
)
def test_what_has_no_likelihood_is_refused(
    data: Tensor, divergence: str, words: str, refused: Callable[..., str]
) -> None:
    process = parse("edm")
    field = ExactField(process, torch.zeros(1, 2))
    assert words in refused(log_likelihood, process, field, data, divergence=divergence)
