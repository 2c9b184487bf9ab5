from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import Overlap, overlap


def brute(samples: Tensor, reference: Tensor, k: int) -> Overlap:
    """The definitions, point by point, with radii by scikit-learn."""

    def radii(x: Tensor) -> list[float]:
        return [float(r) for r in NearestNeighbors(n_neighbors=k).fit(x.numpy()).kneighbors()[0][:, -1]]

    def near(x: Tensor, y: Tensor) -> float:
        return float((x - y).square().sum().sqrt())

    ours, theirs = radii(samples), radii(reference)
    n, m = len(samples), len(reference)
    precision = sum(any(near(s, reference[i]) <= theirs[i] for i in range(m)) for s in samples) / n
    recall = sum(any(near(r, samples[j]) <= ours[j] for j in range(n)) for r in reference) / m
    density = sum(near(s, reference[i]) <= theirs[i] for s in samples for i in range(m)) / (k * n)
    coverage = sum(any(near(reference[i], s) <= theirs[i] for s in samples) for i in range(m)) / m
    return Overlap(precision, recall, density, coverage)


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_case_by_hand() -> None:
    reference = torch.tensor([[0.0], [1.0], [3.0], [10.0]])  # radii for k = 1: 1, 1, 2, 7
    samples = torch.tensor([[2.0], [2.5], [30.0]])  # radii 0.5, 0.5, 27.5
    # 2 lies in the balls of 1 (at its very edge) and 3, 2.5 in that of 3, 30 in none.
    # 10 is 7.5 from 2.5: not covered.
    found = overlap(samples, reference, k=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.density == pytest.approx(3 / 3)
    assert found.coverage == pytest.approx(2 / 4)
    # 3 lies in the balls of 2.5 and 30; 10 in that of 30.
    assert found.recall == pytest.approx(2 / 4)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m", "d"), [(25, 30, 2), (40, 31, 8)])
def test_it_agrees_with_the_definitions(n: int, m: int, d: int, k: int) -> None:
    samples, reference = normal(n, d, 0) * 0.8 + 0.3, normal(m, d, 1)
    assert overlap(samples, reference, k=k) == pytest.approx(brute(samples, reference, k))


def test_it_agrees_across_tiles() -> None:
    samples, reference = normal(2100, 2, 0), normal(2200, 2, 1)  # above one tile
    radius = NearestNeighbors(n_neighbors=5).fit(reference.numpy()).kneighbors()[0][:, -1]
    inside = torch.cdist(samples, reference) <= torch.as_tensor(radius)
    found = overlap(samples, reference)
    assert found.precision == pytest.approx(float(inside.any(1).double().mean()))
    assert found.density == pytest.approx(float(inside.double().sum() / (5 * 2100)))
    assert found.coverage == pytest.approx(float(inside.any(0).double().mean()))


def test_each_figure_fails_on_its_own_fault() -> None:
    two = torch.cat([normal(200, 2, 0), normal(200, 2, 1) + 20])
    fair = overlap(torch.cat([normal(200, 2, 2), normal(200, 2, 3) + 20]), two)
    assert min(fair) > 0.85
    lost = overlap(normal(400, 2, 4), two)  # one of two modes
    assert lost.precision > 0.9
    assert lost.recall < 0.55
    assert lost.coverage < 0.55
    stray = overlap(torch.cat([two[:200], normal(200, 2, 5) * 0.1 + 10]), two)  # half of it is nowhere real
    assert stray.precision == pytest.approx(0.5)
    assert stray.density < 0.7
    assert overlap(two + 1000, two) == (0, 0, 0, 0)


def test_one_outlier_inflates_precision_but_not_density() -> None:
    reference = torch.cat([normal(200, 2, 0), torch.full((1, 2), 100.0).double()])
    found = overlap(normal(200, 2, 1) + 50, reference)
    assert found.precision == 1.0  # Naeem et al., figure 3
    assert found.density == pytest.approx(1 / 5)
    assert found.coverage < 0.02


def test_copies_of_discrete_data_are_inside() -> None:
    bits = torch.randint(0, 2, (300, 3), generator=torch.Generator().manual_seed(0))
    assert overlap(bits, bits)[:2] == (1, 1)
    many = bits.repeat(1, 40).double() * 0.1  # 120 columns: the product form of the distance
    assert overlap(many, many.flip(0))[:2] == (1, 1)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="k=5 with 5 samples"):
        overlap(torch.zeros(5, 2), torch.zeros(9, 2))
    with pytest.raises(InputError, match="k=0"):
        overlap(torch.zeros(5, 2), torch.zeros(9, 2), k=0)
    with pytest.raises(InputError, match="samples has items"):
        overlap(torch.zeros(9, 2), torch.zeros(9, 3))
