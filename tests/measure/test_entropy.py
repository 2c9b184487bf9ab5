"""Entropy against the closed forms of Gauss, Cauchy and the uniform square, and against itself."""

from __future__ import annotations

import math

import pytest
import torch

from unstir import physics
from unstir.errors import InputError
from unstir.measure import exact_entropy, nearest_neighbour_entropy


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_neighbours_give_the_entropy_of_a_gaussian_of_any_size(scale: float) -> None:
    x = scale * torch.randn(4000, 2, generator=_generator(), dtype=torch.float64)
    exact = math.log(2 * math.pi * math.e) + 2 * math.log(scale)
    # The variance of ln p is d/2 = 1, and the estimator's own adds about 1/k: 4 standard errors are 0.07.
    assert nearest_neighbour_entropy(x) == pytest.approx(exact, abs=0.07)


def test_neighbours_give_the_entropy_of_laws_with_an_edge_and_with_heavy_tails() -> None:
    square = torch.rand(4000, 2, generator=_generator(1), dtype=torch.float64)
    assert nearest_neighbour_entropy(square) == pytest.approx(0.0, abs=0.07)
    uniform = torch.rand(4000, 1, generator=_generator(2), dtype=torch.float64)
    cauchy = torch.tan(math.pi * (uniform - 0.5))
    assert nearest_neighbour_entropy(cauchy) == pytest.approx(math.log(4 * math.pi), abs=0.12)


def test_atoms_have_no_density() -> None:
    x = torch.randn(20, 2, generator=_generator(), dtype=torch.float64).repeat(10, 1)
    assert nearest_neighbour_entropy(x) == -math.inf


def test_one_point_carried_by_diffusion_is_a_gaussian() -> None:
    process = physics.edm()
    found = exact_entropy(process, torch.zeros(1, 2), 0.7, 4000)
    exact = math.log(2 * math.pi * math.e * 0.7**2)
    assert abs(found.value - exact) < 4 * found.error
    assert found.error == pytest.approx(4000**-0.5, rel=0.1)  # ln p varies by d/2


def test_points_far_apart_add_the_entropy_of_which_one_it_is() -> None:
    data = torch.tensor([[-9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, -9.0]])
    one = exact_entropy(physics.edm(), data[:1], 0.1, 2000)
    four = exact_entropy(physics.edm(), data, 0.1, 2000)
    assert four.value - one.value == pytest.approx(math.log(4), abs=0.08)


def test_both_agree_on_charges() -> None:
    process, data = physics.poisson(D=1), torch.randn(60, 2, generator=_generator(3))
    found = exact_entropy(process, data, 0.5, 6000)
    drawn = process.perturb(
        data[torch.arange(6000) % 60].double(), torch.full((6000,), 0.5).double(), _generator(5)
    )
    assert nearest_neighbour_entropy(drawn) == pytest.approx(found.value, abs=0.12)


def test_entropy_rises_with_time() -> None:
    data = torch.randn(200, 2, generator=_generator(4)) * 0.5
    curve = [exact_entropy(physics.edm(), data, t, 1000).value for t in (0.01, 0.1, 0.5, 2.0, 10.0)]
    assert curve == sorted(curve)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="k=4: there are 3 draws"):
        nearest_neighbour_entropy(torch.zeros(3, 2))
    with pytest.raises(InputError, match="not finite"):
        nearest_neighbour_entropy(torch.full((9, 2), math.nan))
    with pytest.raises(InputError, match="n=1"):
        exact_entropy(physics.edm(), torch.zeros(1, 2), 0.5, 1)
