from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import energy_distance as scipy_energy
from scipy.stats import wasserstein_distance
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import energy_distance, median_bandwidth, mmd, sliced_wasserstein, wasserstein

DISTANCES: list[Callable[[Tensor, Tensor], float]] = [
    sliced_wasserstein,
    energy_distance,
    mmd,
    wasserstein,
]


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("distance", DISTANCES)
def test_each_grows_with_the_shift_and_sees_a_wrong_spread(
    distance: Callable[[Tensor, Tensor], float],
) -> None:
    a, b = normal(400, 3, 0), normal(400, 3, 1)
    same = distance(a, b)
    assert same < distance(a, b + 0.5) < distance(a, b + 1.0)
    assert same < distance(a, 2 * b)
    assert distance(a, b) == distance(a, b)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_shape_of_items_does_not_matter_and_bytes_are_parts_of_255(
    distance: Callable[[Tensor, Tensor], float],
) -> None:
    a = torch.randint(0, 256, (60, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    b = torch.randint(0, 200, (50, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    flat = distance(a.float().flatten(1) / 255, b.float().flatten(1) / 255)
    assert distance(a, b) == pytest.approx(flat, rel=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_bad_sets_are_refused(distance: Callable[[Tensor, Tensor], float]) -> None:
    good = torch.zeros(3, 2)
    with pytest.raises(InputError, match="a has items of shape"):
        distance(good, torch.zeros(3, 4))
    with pytest.raises(InputError, match="b is NaN"):
        distance(good, good / 0)
    with pytest.raises(InputError, match="at least"):
        distance(good[:0], good)


# --- sliced Wasserstein


def test_sliced_distance_of_a_shift_is_the_mean_shadow_of_the_shift() -> None:
    a, shift = normal(20, 5, 0), torch.tensor([1.0, -2.0, 0.0, 3.0, 0.5], dtype=torch.float64)
    found = sliced_wasserstein(a, a + shift, projections=10_000)
    assert found == pytest.approx(float(shift.norm()) / math.sqrt(5), rel=0.02)
    assert sliced_wasserstein(a, a) == 0


def test_sliced_distance_of_two_gaussians_is_the_difference_of_their_widths() -> None:
    a, b = normal(10_000, 2, 0), 3 * normal(10_000, 2, 1)
    assert sliced_wasserstein(a, b, projections=50) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 47), (3, 1000)])
def test_in_one_dimension_it_is_scipys(n: int, m: int) -> None:
    a, b = normal(n, 1, 0), normal(m, 1, 1) * 2 + 1
    expected = wasserstein_distance(a[:, 0], b[:, 0])
    assert sliced_wasserstein(a, b, p=1, projections=3) == pytest.approx(expected, rel=1e-9)


def test_directions_depend_on_the_seed_alone() -> None:
    a, b = normal(50, 6, 0), normal(40, 6, 1)
    state = torch.random.get_rng_state()
    one = sliced_wasserstein(a, a + 1, projections=30, seed=5)
    assert one != sliced_wasserstein(a, a + 1, projections=30, seed=6)
    # The distance of a shift is a function of the shift and the directions, not of what is shifted.
    assert sliced_wasserstein(b, b + 1, projections=30, seed=5) == pytest.approx(one, rel=1e-12)
    assert torch.random.get_rng_state().equal(state)


@pytest.mark.parametrize(
    ("name", "value"), [("p", 0.5), ("p", math.inf), ("projections", 0), ("projections", 1.5)]
)
def test_sliced_options_are_checked(name: str, value: float) -> None:
    options: dict[str, float] = {name: value}
    with pytest.raises(InputError, match=f"{name}="):
        sliced_wasserstein(torch.zeros(2, 2), torch.zeros(2, 2), **options)  # type: ignore[arg-type]


# --- energy distance


def test_energy_distance_by_hand() -> None:
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0], [1.0]])
    # 2·(1+5+1+1+3+1)/6 − 2 − (4+0+4)/3
    assert energy_distance(a, b) == pytest.approx(4 - 2 - 8 / 3, abs=1e-12)


def test_energy_distance_approaches_scipys() -> None:
    a, b = normal(4000, 1, 0), normal(4000, 1, 1) + 1
    assert energy_distance(a, b) == pytest.approx(scipy_energy(a[:, 0], b[:, 0]) ** 2, abs=2e-3)


def mean_and_error(distance: Callable[[Tensor, Tensor], float]) -> tuple[float, float]:
    figures = torch.tensor([distance(normal(20, 2, 2 * s), normal(30, 2, 2 * s + 1)) for s in range(300)])
    assert (figures < 0).any()
    return float(figures.mean()), float(figures.std() / math.sqrt(300))


def test_energy_and_mmd_are_zero_in_expectation_for_equal_laws() -> None:
    for distance in (energy_distance, lambda a, b: mmd(a, b, bandwidth=1.0)):
        mean, error = mean_and_error(distance)
        assert abs(mean) < 3.5 * error


# --- maximum mean discrepancy


def test_mmd_by_hand() -> None:
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0], [1.0]])

    def k(distance: float) -> float:
        return math.exp(-(distance**2) / (2 * 1.5**2))

    within = k(2) + (2 * k(4) + k(0)) / 3
    between = (4 * k(1) + k(5) + k(3)) / 6
    assert mmd(a, b, bandwidth=1.5) == pytest.approx(within - 2 * between, abs=1e-12)


def test_mmd_of_two_gaussians_has_a_closed_form() -> None:
    h, shift, d = 1.3, 1.0, 2
    a, b = normal(2000, d, 0), normal(2000, d, 1)
    b[:, 0] += shift
    # E k over x − y ~ N(μ, 2I) is (h²/(h²+2))^{d/2} exp(−μ²/(2(h²+2)))
    level = (h**2 / (h**2 + 2)) ** (d / 2)
    expected = 2 * level * (1 - math.exp(-(shift**2) / (2 * (h**2 + 2))))
    assert mmd(a, b, bandwidth=h) == pytest.approx(expected, rel=0.1)


def test_the_median_bandwidth_is_the_median_distance() -> None:
    assert median_bandwidth(torch.tensor([[0.0], [1.0], [5.0]])) == 4.0
    assert median_bandwidth(torch.tensor([[0.0], [0.0], [0.0], [3.0]])) == 1.5  # half are copies: the mean
    assert median_bandwidth(torch.ones(4, 2)) == 1.0
    # Without one, the two sets are pooled.
    a, b = normal(40, 2, 0), normal(40, 2, 1) + 1
    assert mmd(a, b) == mmd(a, b, bandwidth=median_bandwidth(torch.cat([a, b])))


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.nan, math.inf])
def test_a_bandwidth_is_a_length(bandwidth: float) -> None:
    with pytest.raises(InputError, match="bandwidth="):
        mmd(torch.zeros(2, 2), torch.zeros(2, 2), bandwidth=bandwidth)


# --- exact Wasserstein


@pytest.mark.parametrize("p", [1, 2, 3])
def test_exact_distance_of_a_translation_is_its_length(p: int) -> None:
    a, shift = normal(80, 3, 0), torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    assert wasserstein(a, a + shift, p=p) == pytest.approx(3.0, rel=1e-6)


def test_exact_distance_of_unequal_sizes_by_hand() -> None:
    a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert wasserstein(a, b, p=1) == pytest.approx(3.0)
    assert wasserstein(a, b) == pytest.approx(math.sqrt(13))


def test_exact_distance_bounds_the_sliced_one() -> None:
    a, b = normal(100, 4, 0), normal(100, 4, 1) * 1.5
    assert sliced_wasserstein(a, b) < wasserstein(a, b)


def test_exact_distance_refuses_large_sets_with_the_mend() -> None:
    with pytest.raises(InputError, match=r"5001.*sliced_wasserstein"):
        wasserstein(torch.zeros(5001, 1), torch.zeros(3, 1))
    with pytest.raises(InputError, match="p=0"):
        wasserstein(torch.zeros(3, 1), torch.zeros(3, 1), p=0)
