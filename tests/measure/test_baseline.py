from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from unstir.data import Dataset
from unstir.measure import baseline_mixture, evaluate
from unstir.measure.baseline_gaussian import GaussianBaseline
from unstir.measure.baseline_kde import KernelBaseline, best_bandwidth
from unstir.measure.baseline_mixture import MixtureBaseline
from unstir.measure.baseline_ppca import PPCABaseline, held_out_scores
from unstir.measure.baselines import LAWS, compare_baselines, fit, law_names

Refused = Callable[..., str]


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def table(values: Tensor) -> Dataset:
    return Dataset("made", "table", values.float(), columns=tuple(f"c{i}" for i in range(values.shape[1])))


def correlated(n: int, seed: int) -> Dataset:
    """Gaussian columns of very different units."""
    mixing = normal(4, 4, 99)
    return table(normal(n, 4, seed) @ mixing * torch.tensor([0.1, 1.0, 5.0, 40.0]) + torch.arange(4) * 7)


def three(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three Gaussians in the plane: draws, and the log-density of each."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.tensor([0.5, 0.3, 0.2]).double()
    means = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 5.0]]).double()
    widths = torch.tensor([[0.5, 0.5], [0.9, 0.2], [0.3, 1.0]]).double()
    chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
    x = means[chosen] + widths[chosen] * normal(n, 2, seed + 1)
    parts = [
        math.log(w) + multivariate_normal(m.numpy(), np.diag(s.numpy() ** 2)).logpdf(x.numpy())
        for w, m, s in zip(weights.tolist(), means, widths, strict=True)
    ]
    return x, torch.from_numpy(logsumexp(parts, axis=0))


def test_the_gaussian_has_scipys_density_in_the_datas_own_units() -> None:
    data, new = correlated(300, 0), correlated(50, 1).values
    x = data.values.double().numpy()
    expected = multivariate_normal(x.mean(0), np.cov(x.T), allow_singular=False).logpdf(new.double().numpy())
    assert fit("gaussian", data).log_density(new).numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_ppca_has_scipys_density() -> None:
    x, new = normal(400, 5, 0) @ normal(5, 5, 1) + 1, normal(30, 5, 2)
    law = PPCABaseline.fit(x, 0)
    lam, V = np.linalg.eigh(np.cov(x.numpy().T))
    lam, V = lam[::-1].copy(), V[:, ::-1]
    lam[law.q :] = lam[law.q :].mean()
    expected = multivariate_normal(x.mean(0).numpy(), V * lam @ V.T).logpdf(new.numpy())
    assert law.log_density(new).numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    # All directions but one leave nothing out: it is the Gaussian.
    assert law.q == 4
    full = GaussianBaseline.fit(x, 0).log_density(new)
    assert law.log_density(new).numpy() == pytest.approx(full.numpy(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 6), (12, 20), (30, 2)])
def test_the_held_out_scores_are_scikit_learns(n: int, d: int) -> None:
    from sklearn.decomposition import PCA

    train, test = (normal(n, d, 0) @ normal(d, d, 1)).numpy(), (normal(40, d, 2) @ normal(d, d, 1)).numpy()
    found = held_out_scores(train, test)
    assert len(found) == min(n - 1, d) - 1
    expected = [PCA(q + 1, svd_solver="full").fit(train).score(test) for q in range(len(found))]
    assert found == pytest.approx(expected, rel=1e-8)


def test_ppca_finds_the_number_of_factors() -> None:
    x = normal(600, 3, 0) @ (3 * normal(3, 12, 1)) + normal(600, 12, 2)
    law = PPCABaseline.fit(x, 0)
    assert law.q == 3
    assert law.model.noise_variance_ == pytest.approx(1, rel=0.05)
    assert law.note.startswith("3 of 12 components")
    assert PPCABaseline.fit(normal(50, 1, 0), 0).q == 1


def test_the_mixture_is_found_again() -> None:
    (x, _), (new, truth) = three(4000, 0), three(4000, 5)
    law = MixtureBaseline.fit(x, 0)
    assert law.note == "3 components with diagonal covariances, by BIC"
    order = law.model.weights_.argsort()[::-1]
    assert law.model.weights_[order] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert law.model.means_[order].ravel() == pytest.approx([0, 0, 4, 0, 0, 5], abs=0.1)
    assert float(law.log_density(new).mean()) == pytest.approx(float(truth.mean()), abs=0.01)
    # One Gaussian is far from it.
    assert float(GaussianBaseline.fit(x, 0).log_density(new).mean()) < float(truth.mean()) - 0.5
    # The draws are in no order: their halves hold the components alike.
    first, second = (float((half[:, 0] > 2).double().mean()) for half in law.sample(4000, 1).chunk(2))
    assert first == pytest.approx(0.3, abs=0.05)
    assert second == pytest.approx(0.3, abs=0.05)


def test_a_mixture_of_one_is_the_gaussian() -> None:
    x, new = normal(500, 3, 0) @ normal(3, 3, 1), normal(40, 3, 2)
    law = MixtureBaseline.fit(x, 0)
    assert law.note.startswith("1 component ")
    # Maximum likelihood divides by n, and regularises by 1e-6.
    covariance = np.cov(x.numpy().T, bias=True) + 1e-6 * np.eye(3)
    expected = multivariate_normal(x.mean(0).numpy(), covariance).logpdf(new.numpy())
    assert law.log_density(new).numpy() == pytest.approx(expected, rel=1e-6)


def test_em_that_has_not_converged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_mixture, "_ROUNDS", 1)
    monkeypatch.setattr(baseline_mixture, "COMPONENTS", (4,))
    law = MixtureBaseline.fit(three(500, 0)[0], 0)
    assert law.note.startswith("4 components (the most tried) with ")
    assert law.note.endswith("EM stopped after 1 rounds")


def kernel_density(x: Tensor, at: Tensor, h: float) -> np.ndarray:
    squares = torch.cdist(at, x).numpy() ** 2
    normalisation = len(x) * (2 * math.pi * h * h) ** (x.shape[1] / 2)
    density: np.ndarray = logsumexp(-squares / (2 * h * h), axis=1) - math.log(normalisation)
    return density


def test_the_kernel_density_is_the_sum_of_its_kernels() -> None:
    x, new = normal(80, 3, 0), 2 * normal(30, 3, 1)
    law = KernelBaseline.fit(x, 0)
    expected = kernel_density(x, new, law.bandwidth)
    assert law.log_density(new).numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 8])
def test_the_bandwidth_is_near_the_best_on_held_out_items(d: int) -> None:
    x, new = normal(300, d, 0), normal(1000, d, 1)
    found = best_bandwidth(x)
    widths = np.geomspace(0.05, 2, 17)
    scores = [kernel_density(x, new, h).mean() for h in widths]
    assert kernel_density(x, new, found).mean() > max(scores) - 0.01 * d

    # It is the leave-one-out optimum to a thousandth.
    def left_out(h: float) -> float:
        squares = torch.cdist(x, x).fill_diagonal_(math.inf).numpy() ** 2
        total: float = logsumexp(-squares / (2 * h * h), axis=1).mean() - d * math.log(h)
        return total

    assert left_out(found) >= max(left_out(found * 1.01), left_out(found / 1.01))
    assert left_out(found) >= max(map(left_out, widths))


def test_repeated_items_do_not_draw_the_bandwidth_to_nothing(refused: Refused) -> None:
    x = normal(100, 2, 0)
    assert best_bandwidth(x.repeat(3, 1)) == pytest.approx(best_bandwidth(x), rel=1e-6)
    assert "2 distinct items" in refused(best_bandwidth, x[:2].repeat(20, 1))


@pytest.mark.parametrize("name", LAWS)
def test_draws_have_the_datas_moments(name: str) -> None:
    data = correlated(400, 0)
    law = fit(name, data)
    draws = law.sample(20_000, seed=3).double().numpy()
    x = data.values.double().numpy()
    width = x.std(0)
    assert (draws.mean(0) - x.mean(0)) / width == pytest.approx(np.zeros(4), abs=0.03)
    spread = np.outer(width, width)
    covariance = np.cov(x.T) / spread
    if isinstance(law.law, KernelBaseline):  # whose kernels widen what they are put on
        covariance += (2 * law.law.bandwidth) ** 2 * np.eye(4)
    assert np.cov(draws.T) / spread == pytest.approx(covariance, abs=0.05)


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_the_density(name: str) -> None:
    """The entropy is −E ln p over the law's own draws, so E over draws equals an integral on a grid."""
    law = fit(name, table(three(300, 0)[0]))
    axis = torch.linspace(-6, 12, 361)
    grid = torch.cartesian_prod(axis, axis)
    density = law.log_density(grid)
    cell = float(axis[1] - axis[0]) ** 2
    assert float(density.exp().sum()) * cell == pytest.approx(1, abs=2e-3)
    negentropy = float((density.exp() * density).sum()) * cell
    assert float(law.log_density(law.sample(8000, seed=1)).mean()) == pytest.approx(negentropy, abs=0.05)


@pytest.mark.parametrize("name", LAWS)
def test_the_seed_decides(name: str) -> None:
    data = table(three(100, 0)[0])
    first, again, other = (fit(name, data, 4).sample(9, s) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32
    fit(name, data, 2**40).sample(2, 2**40)


def noise_images(n: int, seed: int) -> Dataset:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 256, (n, 1, 2, 2), generator=generator, dtype=torch.uint8)
    return Dataset("noise", "image", values)


def test_uniform_bytes_cost_what_a_gaussian_must_pay_for_them() -> None:
    """8 bits, and the divergence of a uniform law from a Gaussian, ½ log₂(2πe/12)."""
    train, heldout = noise_images(20_000, 0), noise_images(2_000, 1)
    report = compare_baselines(train, heldout, model="gaussian", n=100)
    bits = report.models[0].bits_per_dimension
    assert bits == pytest.approx(8 + 0.5 * math.log2(2 * math.pi * math.e / 12), abs=0.005)
    assert report.models[0].nats_per_dimension == pytest.approx(-bits * math.log(2))  # type: ignore[operator]
    assert (report.dequantised, report.dimensions, report.n_scored) == (True, 4, 2000)


def test_the_dequantised_density_bounds_the_probability_of_the_bytes() -> None:
    generator = torch.Generator().manual_seed(0)
    values = (120 + 4 * torch.randn(4000, 1, 1, 1, generator=generator)).to(torch.uint8)
    law = fit("gaussian", Dataset("one pixel", "image", values))
    y = values.double().flatten()
    # The fit saw y + u, of mean ½ more and variance 1/12 more.
    mean, width = float(y.mean()) + 0.5, math.sqrt(float(y.var()) + 1 / 12)
    exact = np.log(norm.cdf(y + 1, mean, width) - norm.cdf(y, mean, width)).mean()
    bound = float(law.log_density(values).mean())
    assert exact - 0.01 < bound < exact
    # Floor takes the half away again.
    draws = law.sample(20_000)
    assert draws.dtype == torch.uint8
    assert draws.shape == (20_000, 1, 1, 1)
    assert float(draws.double().mean()) == pytest.approx(float(y.mean()), abs=0.1)


def test_images_stay_within_bytes() -> None:
    values = torch.tensor([0, 255], dtype=torch.uint8).repeat(50)[:, None, None, None].expand(100, 3, 2, 2)
    draws = fit("gaussian", Dataset("extremes", "image", values)).sample(500)
    assert int(draws.min()) == 0
    assert int(draws.max()) == 255
    assert float((draws == 255).double().mean()) > 0.1


def test_the_figures_are_those_of_evaluate() -> None:
    train, heldout = table(three(200, 0)[0]), table(three(90, 1)[0])
    seen: list[tuple[str, Tensor | None]] = []
    report = compare_baselines(
        train, heldout, n=60, seed=3, watch=lambda name, samples: seen.append((name, samples))
    )
    assert [name for name, _ in seen] == [name for name in LAWS for _ in range(2)]
    assert [model.name for model in report.models] == list(LAWS)
    for model, (_, samples) in zip(report.models, seen[1::2], strict=True):
        assert samples is not None
        expected = evaluate(samples, heldout.values, train=train.values, seed=3)
        assert (model.figures, report.floor, report.n) == (expected.samples, expected.floor, expected.n)
        assert model.memorisation_ratio == expected.memorisation_ratio
        assert model.bits_per_dimension is None
    gaussian, mixture, _, kernels = report.models
    assert mixture.nats_per_dimension > gaussian.nats_per_dimension + 0.2  # type: ignore[operator]
    assert mixture.figures.energy_distance < gaussian.figures.energy_distance
    assert kernels.memorisation_ratio < gaussian.memorisation_ratio  # type: ignore[operator]
    assert not report.dequantised


def test_what_was_left_out_of_a_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelBaseline, "limit", classmethod(lambda _cls, _size: 50))
    law = fit("kde", table(three(200, 0)[0]))
    assert law.note.endswith("; fitted to 50 of 200 items")
    assert len(law.law.model.tree_.data) == 50  # type: ignore[attr-defined]
    assert fit("gaussian", table(three(200, 0)[0])).note == "full covariance; fitted to 200 items"


def test_large_images_are_fitted_to_a_part() -> None:
    """60,000 images of 784 pixels: no fit holds a matrix of distances or factors of all."""
    limits = {name: kind.limit(784) for name, kind in LAWS.items()}
    assert limits == {"gaussian": None, "mixture": 5102, "ppca": 25510, "kde": 5102}


def test_a_gaussian_on_a_plane_has_draws_and_no_density(refused: Refused) -> None:
    x = normal(120, 3, 0)
    flat = table(torch.cat([x, x[:, :1] + x[:, 1:2]], 1))
    law = fit("gaussian", flat)
    message = refused(law.log_density, flat.values)
    assert message.startswith("gaussian: no density, the items fill fewer than their 4 dimensions")
    train, heldout = flat.split(0.25)
    report = compare_baselines(train, heldout, model="gaussian", n=30)
    assert report.models[0].nats_per_dimension is None
    assert "no density" in report.models[0].note
    few = table(normal(30, 40, 1))
    assert "fewer than their 40 dimensions" in refused(fit("gaussian", few).log_density, few.values)
    for name in ("ppca", "mixture", "kde"):
        assert fit(name, few).log_density(few.values).isfinite().all()


def test_refusals(refused: Refused) -> None:
    data = table(three(60, 0)[0])
    assert law_names("all") == tuple(LAWS)
    assert law_names("kde,gaussian,kde") == ("kde", "gaussian")
    unknown = refused(law_names, "gaussian,kd")
    assert unknown == "model='kd' is unknown: give gaussian, mixture, ppca, kde or all"
    assert "model='all'" in refused(fit, "all", data)
    assert "19 items are too few" in refused(fit, "kde", data.select(torch.arange(19)))
    assert "seed=-1" in refused(fit, "kde", data, -1)
    constant = table(torch.cat([data.values, torch.ones(60, 1)], 1))
    assert "column c2 has one value only" in refused(fit, "kde", constant)
    law = fit("gaussian", data)
    assert "n=0" in refused(law.sample, 0)
    assert "seed=-2" in refused(law.sample, 1, -2)
    assert "the law has (2,)" in refused(law.log_density, torch.zeros(5, 3))
    assert "60 items to fit and 9 held out are too few" in refused(
        compare_baselines, data, data.select(torch.arange(9))
    )
    assert "9 items to fit and 60 held out are too few" in refused(
        compare_baselines, data.select(torch.arange(9)), data
    )
    assert "heldout of (3,)" in refused(compare_baselines, data, constant)
    assert "n=3" in refused(compare_baselines, data, data, n=3)
    assert "features='vibes'" in refused(compare_baselines, data, data, features="vibes")
