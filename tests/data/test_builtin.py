import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from unstir.data.builtin import (
    BUILTIN,
    GAUSSIANS8_STD,
    POINTS,
    STUDENT_COLUMNS,
    STUDENT_FREEDOM,
    STUDENT_ROWS,
    make,
)

POINT_SETS = [name for name in BUILTIN if name not in ("digits", "student-t", "arithmetic")]


def test_digits_are_the_scaled_pixels() -> None:
    dataset = make("digits")
    truth = load_digits()
    assert dataset.values.shape == (1797, 1, 8, 8)
    assert dataset.values.dtype == torch.uint8
    assert (dataset.values.min(), dataset.values.max()) == (0, 255)
    assert np.array_equal(np.rint(dataset.values[:, 0].numpy() * (16 / 255)), truth.images)
    assert dataset.labels is not None
    assert np.array_equal(dataset.labels.numpy(), truth.target)
    assert dataset.label_names == tuple("0123456789")


@pytest.mark.parametrize("name", POINT_SETS)
def test_points_are_the_same_every_time(name: str) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  the global generator must not matter
    first, second = make(name), make(name)
    assert (first.name, first.kind, first.columns) == (name, "table", ("x", "y"))
    assert first.values.shape == (POINTS, 2)
    assert first.values.dtype == torch.float32
    assert torch.equal(first.values, second.values)
    assert 0.3 < first.values.std() < 1.5
    assert len(first.values.unique(dim=0)) == POINTS


def test_moons_lie_on_their_half_circles() -> None:
    dataset = make("two-moons")
    centre = torch.tensor([[0.0, 0.0], [1.0, 0.5]])[dataset.labels]
    radius = (dataset.values - centre).norm(dim=1)
    assert (radius - 1).abs().max() < 0.3
    assert abs((radius - 1).std() - 0.05) < 0.003
    upper = dataset.labels == 0
    assert dataset.values[upper, 1].mean() > 0.6
    assert dataset.values[~upper, 1].mean() < -0.1


def test_the_roll_is_the_spiral() -> None:
    values = make("swissroll").values.double()
    u = torch.linspace(1.5 * torch.pi, 4.5 * torch.pi, 4001, dtype=torch.float64)
    spiral = torch.stack([u * u.cos(), u * u.sin()], dim=1) / 10
    distance = torch.cdist(values[:2000], spiral).amin(dim=1)
    assert distance.max() < 0.05 * 4.5
    # Across a thin curve the distance of Gaussian noise is half-normal.
    assert abs(distance.square().mean().sqrt() - 0.05) < 0.003


def test_the_eight_gaussians() -> None:
    dataset = make("gaussians8")
    labels = dataset.labels
    assert labels is not None
    assert labels.bincount().min() > 1100
    for k in range(8):
        mode = dataset.values[labels == k]
        centre = torch.tensor([torch.pi * k / 4]).cos(), torch.tensor([torch.pi * k / 4]).sin()
        assert (mode.mean(0) - torch.cat(centre)).abs().max() < 0.012
        assert (mode.std(0) - GAUSSIANS8_STD).abs().max() < 0.008


def test_the_board_is_dark_where_it_should_be() -> None:
    square = ((make("checkerboard").values + 1) * 2).floor().long()
    assert (square.min(), square.max()) == (0, 3)
    assert ((square.sum(dim=1) % 2) == 0).all()
    count = (square[:, 0] * 4 + square[:, 1]).bincount(minlength=16)
    assert (count > 0).sum() == 8
    assert count[count > 0].min() > 1100


def test_the_heavy_table_has_the_tails_it_says() -> None:
    from scipy import stats

    dataset, again = make("student-t"), make("student-t")
    assert torch.equal(dataset.values, again.values)
    assert dataset.values.shape == (STUDENT_ROWS, STUDENT_COLUMNS)
    assert dataset.labels is not None
    for label, sign, correlation in ((0, -1, -0.6), (1, 1, 0.6)):
        part = dataset.values[dataset.labels == label].double() - sign
        law = stats.t(STUDENT_FREEDOM)
        for column in part.T.numpy():
            assert stats.kstest(column, law.cdf).pvalue > 1e-3
        # A rank correlation of elliptical laws is (2/π) arcsin of their own (Kendall's τ).
        tau = stats.kendalltau(part[:5000, 0].numpy(), part[:5000, 1].numpy()).statistic
        assert abs(np.sin(np.pi / 2 * tau) - correlation) < 0.05
