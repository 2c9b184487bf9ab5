from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from unstir.measure import _tiles


def itself(distance: Tensor) -> Tensor:
    return distance


@pytest.mark.parametrize(("n", "m", "d"), [(7, 5, 2), (60, 45, 3), (64, 33, 90)])
def test_tiles_put_together_are_scipys_matrix(n: int, m: int, d: int) -> None:
    generator = torch.Generator().manual_seed(n)
    x, y = torch.randn(n, d, generator=generator), torch.randn(m, d, generator=generator)
    whole = torch.zeros(n, m, dtype=torch.float64)
    for i, j, tile in _tiles.tiles(x, y, side=16):
        whole[i, j] = tile
    torch.testing.assert_close(whole, torch.as_tensor(cdist(x.double(), y.double())), rtol=0, atol=1e-9)


def test_no_tile_grows_with_the_sets() -> None:
    shapes = [tile.shape for _, _, tile in _tiles.tiles(torch.zeros(5000, 1), torch.zeros(2100, 1))]
    assert sum(a * b for a, b in shapes) == 5000 * 2100
    assert max(max(shape) for shape in shapes) == _tiles.SIDE


def test_equal_rows_are_at_exactly_zero_even_far_from_the_origin() -> None:
    x = torch.rand(200, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1000
    assert (_tiles.distances(x, x).diagonal() == 0).all()
    assert (torch.cdist(x, x).diagonal() > 0).any()  # what the plain product form leaves
    assert int((_tiles.distances(x, x) == 0).sum()) == 200


def test_means_leave_out_an_item_with_itself_and_do_not_depend_on_the_tiles() -> None:
    x = torch.randn(37, 4, generator=torch.Generator().manual_seed(1))
    matrix = torch.as_tensor(cdist(x.double(), x.double()))
    assert _tiles.mean_between(x, x, itself) == pytest.approx(float(matrix.mean()), rel=1e-10)
    for side in (5, 36, 37, 64):
        assert _tiles.mean_within(x, itself, side) == pytest.approx(
            float(matrix.sum() / (37 * 36)), rel=1e-10
        )

    def one(distance: Tensor) -> Tensor:  # a kernel that is not 0 at 0 shows the diagonal, were it counted
        return torch.exp(-distance)

    expected = float((torch.exp(-matrix).sum() - 37) / (37 * 36))
    assert _tiles.mean_within(x, one, 8) == pytest.approx(expected, rel=1e-10)


def test_nearest_distances_are_those_of_a_sort() -> None:
    x = torch.randn(41, 3, generator=torch.Generator().manual_seed(2))
    sort = torch.as_tensor(cdist(x.double(), x.double())).sort(1).values
    for k in (1, 5, 40):
        torch.testing.assert_close(_tiles.nearest_distances(x, k, side=16), sort[:, k], rtol=0, atol=1e-9)
