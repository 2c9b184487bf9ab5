from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from torch import Tensor

import unstir.fields.exact_dense
from unstir.fields import ExactField
from unstir.flow import sample
from unstir.physics import LinearProcess, edm, parse, poisson

NAMES = ["vp", "edm", "rectified", "poisson:D=1", "poisson:D=8", "poisson:D=1e8", "yukawa:kappa=0.1"]
every = pytest.mark.parametrize("process", [parse(name) for name in NAMES], ids=NAMES)

POINTS = torch.tensor([[0.9, 0.1], [-0.6, 0.5], [0.1, -0.8], [-0.7, -0.6], [0.3, 0.7]])
SHARES = torch.tensor([0.40, 0.25, 0.20, 0.10, 0.05])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_pairs(process: LinearProcess, data: Tensor, weights: Tensor, x: Tensor, t: float) -> Tensor:
    """Σ softmax(log p_t(x | y_i) + log w_i) y_i with every pair in memory."""
    time = torch.full((len(x),), t, dtype=torch.float64)
    logits = process.log_kernel(x.double(), data.double(), time) + weights.double().log()
    mean = torch.softmax(logits, 1) @ data.double().flatten(1)
    return mean.reshape(x.shape)


@every
def test_it_is_the_posterior_mean_over_all_pairs(process: LinearProcess) -> None:
    data, weights = torch.randn(300, 2, 3, generator=seeded()), torch.rand(300, generator=seeded(1)) + 0.1
    field = ExactField(process, data, weights)
    for t in process.times(5).tolist():
        x = process.perturb(data[:20], torch.full((20,), t), seeded(2))
        expected = by_pairs(process, data, weights, x, t)
        double = field.at(t)(x.double(), None)
        torch.testing.assert_close(double, expected, rtol=1e-6, atol=1e-7)
        single = field(x, torch.full((20,), t, dtype=torch.float64))
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), expected, rtol=0, atol=5e-3)


def test_weights_of_charges_are_scipys_multivariate_t() -> None:
    process, x, t = poisson(D=3), torch.tensor([[0.2, -0.1]]).double(), 0.6
    density = [
        scipy.stats.multivariate_t(point, 0.36 * np.eye(2), df=3).pdf(x[0].numpy())
        for point in POINTS.numpy()
    ]
    weights = np.array(density) * SHARES.numpy()
    expected = weights @ POINTS.numpy() / weights.sum()
    found = ExactField(process, POINTS, SHARES).at(t)(x, None)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-6)


@every
def test_blocks_change_nothing(process: LinearProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    data, weights = torch.randn(100, 3, generator=seeded()).double(), torch.rand(100, generator=seeded(1))
    field = ExactField(process, data, weights)
    t = process.times(3).tolist()[1]
    x = process.perturb(data[:10], torch.full((10,), t), seeded(2))
    whole = field.at(t)(x, None)
    for block in (1, 7, 64):
        monkeypatch.setattr(unstir.fields.exact_dense, "_BLOCK", block)
        torch.testing.assert_close(field.at(t)(x, None), whole, rtol=1e-10, atol=1e-12)


def test_points_of_no_weight_are_as_if_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.tensor([0.0, 0.0, 1.0, 2.0, 0.0])
    x = torch.randn(7, 2, dtype=torch.float64)
    expected = ExactField(edm(), POINTS[2:4], torch.tensor([1.0, 2.0])).at(0.5)(x, None)
    for block in (1, 2, 8192):
        monkeypatch.setattr(unstir.fields.exact_dense, "_BLOCK", block)
        torch.testing.assert_close(ExactField(edm(), POINTS, weights).at(0.5)(x, None), expected)


@pytest.mark.parametrize("name", ["edm", "poisson:D=1", "poisson:D=128", "poisson:D=1e8", "yukawa"])
def test_single_precision_serves_where_it_is_used(name: str) -> None:
    # In thousands of dimensions log p is of the order of 10⁴ nats, and a step of float32 there 10⁻³.
    for size in (3000, 12_288):
        process, data = parse(name), 0.05 * torch.randn(50, size, generator=seeded())
        x = process.perturb(data[:8], torch.full((8,), 5.0), seeded(1))
        expected = by_pairs(process, data, torch.ones(50), x, 5.0)
        error = ExactField(process, data).at(5.0)(x, None).double() - expected
        assert float(error.square().mean().sqrt()) < 2e-3 * float(expected.square().mean().sqrt())


def test_states_far_out_in_a_power_law_are_answered_with_the_mean() -> None:
    x = torch.tensor([[1e7, -3e7], [1e12, 0.0]])
    for t in (0.002, 1.0, 80.0):
        found = ExactField(poisson(D=1), POINTS, SHARES).at(t)(x, None)
        torch.testing.assert_close(found, (SHARES @ POINTS).expand(2, 2), rtol=0, atol=1e-5)
    # Tails e^{−√κ‖ε‖} still tell the points apart, along the line of sight.
    sight = POINTS @ torch.tensor([1.0, 0.0])
    found = ExactField(parse("yukawa:kappa=0.1"), POINTS, SHARES).at(1.0)(x[1:].double(), None)
    weight = torch.softmax(math.sqrt(0.1) * sight + SHARES.log(), 0)
    torch.testing.assert_close(found[0], (weight @ POINTS).double(), rtol=0, atol=1e-3)


def test_the_fields_slope_is_the_posterior_covariance() -> None:
    # For Gaussian noise ∂D/∂x = (A/B²) Cov(y | x).
    process, t = parse("vp"), 0.3
    time = torch.tensor([t], dtype=torch.float64)
    A, B = float(process.A(time)), float(process.B(time))
    data = POINTS.double()
    x = torch.tensor([[0.1, 0.05]], dtype=torch.float64)
    found = torch.autograd.functional.jacobian(
        lambda s: ExactField(process, data, SHARES).at(t)(s, None)[0], x
    )
    logits = process.log_kernel(x, data, time) + SHARES.double().log()
    w = torch.softmax(logits, 1)[0]
    centred = data - w @ data
    torch.testing.assert_close(found[:, 0], A / B**2 * (centred.T * w) @ centred, rtol=1e-9, atol=1e-12)


def landed(samples: Tensor) -> Tensor:
    return torch.cdist(samples.cpu(), POINTS).min(1).values < 0.005


def shares_are_right(samples: Tensor, shares: Tensor) -> bool:
    counts = torch.bincount(torch.cdist(samples.cpu(), POINTS).argmin(1), minlength=5).numpy()
    return bool(scipy.stats.chisquare(counts, shares.numpy() * len(samples)).pvalue > 1e-3)


@pytest.mark.parametrize("name", ["edm", "vp", "rectified", "poisson:D=8", "poisson:D=2048", "yukawa"])
def test_samples_land_on_the_points_with_the_right_shares(name: str, device: torch.device) -> None:
    process = parse(name)
    field = ExactField(process, POINTS.to(device), SHARES.to(device))
    samples = sample(process, field, 4000, batch=4000, device=device)
    assert bool(landed(samples).all())
    assert shares_are_right(samples, SHARES)
    assert not shares_are_right(samples, torch.full((5,), 0.2))


def test_samples_of_the_cauchy_law_land_as_far_as_its_tails_let_them(device: torch.device) -> None:
    # At σ_min a Cauchy draw lies d or more from its point with probability σ_min/d, and D is off by about d³:
    # that many stay between the points whatever the solver, and no more do.
    process = poisson(D=1, sigma_min=0.001)
    field = ExactField(process, POINTS.to(device), SHARES.to(device))
    samples = sample(process, field, 4096, solver="adaptive:rtol=1e-3,atol=1e-3", batch=4096, device=device)
    assert float(landed(samples).double().mean()) > 0.99
    assert shares_are_right(samples, SHARES)
    origin = POINTS[torch.multinomial(SHARES, 100_000, True, generator=seeded())].to(device)
    t = torch.full((len(origin),), process.t_min, device=device)
    ideal = float(landed(field(process.perturb(origin, t, seeded(1)), t)).double().mean())
    assert float(landed(samples).double().mean()) == pytest.approx(ideal, abs=4 * math.sqrt(0.01 / 4096))


def test_images_keep_their_shape_and_labels_do_not_matter() -> None:
    data = torch.randn(4, 1, 5, 7)
    field = ExactField(edm(), data)
    assert field.shape == (1, 5, 7)
    x = torch.randn(3, 1, 5, 7)
    assert field(x, torch.ones(3)).shape == x.shape
    assert torch.equal(field(x, torch.ones(3), torch.zeros(3).long()), field(x, torch.ones(3)))


def test_one_point_is_the_answer_everywhere() -> None:
    field = ExactField(edm(), POINTS[:1])
    found = field(torch.randn(6, 2), torch.logspace(-2, 1, 6))
    torch.testing.assert_close(found, POINTS[:1].expand(6, 2))


@pytest.mark.parametrize(
    ("data", "weights", "words"),
    [
        (torch.zeros(0, 2), None, "has shape (0, 2)"),
        (torch.zeros(3), None, "has shape (3,)"),
        (torch.zeros(3, 2, dtype=torch.uint8), None, "dtype torch.uint8"),
        (torch.tensor([[0.0, math.nan], [math.inf, 1.0]]), None, "2 values are NaN or infinite"),
        (torch.zeros(3, 2), torch.ones(2), "one non-negative share for each of the 3 points"),
        (torch.zeros(3, 2), torch.tensor([1.0, -1.0, 1.0]), "non-negative share"),
        (torch.zeros(3, 2), torch.zeros(3), "non-negative share"),
        (torch.zeros(3, 2), torch.tensor([1.0, math.nan, 1.0]), "non-negative share"),
        (torch.zeros(3, 2), torch.tensor([1.0, math.inf, 1.0]), "non-negative share"),
    ],
)
def test_data_that_make_no_law_are_refused(
    data: Tensor, weights: Tensor | None, words: str, refused: Callable[..., str]
) -> None:
    assert words in refused(ExactField, edm(), data, weights)


def test_states_of_another_shape_are_refused(refused: Callable[..., str]) -> None:
    assert "items have shape (3,), the field's data (2,)" in refused(
        ExactField(edm(), POINTS), torch.zeros(1, 3), torch.ones(1)
    )
