"""A draw's profile from ranks: that of the repeated items themselves, whatever the counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.bootstrap import counted
from unstir.measure.tails import Profile, Shadows, survival_shares
from unstir.measure.upper import Upper


def sizes_of(n: int, *, ties: bool) -> Tensor:
    normal = torch.randn(n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    heavy = normal * normal[:, :1].abs().exp()
    values = heavy.round(decimals=1) if ties else heavy
    return Shadows.fit(values, directions=2).sizes(values)


def agrees(sizes: Tensor, counts: Tensor) -> None:
    shares = survival_shares(len(sizes))
    found = Upper(sizes, shares).drawn(counts)
    exact = Profile.of(sizes.repeat_interleave(counts, dim=0), shares)
    assert found.index == pytest.approx(exact.index, rel=1e-12)
    assert torch.allclose(found.high, exact.high, rtol=0, atol=1e-12)
    assert torch.allclose(found.survival, exact.survival, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [20, 137, 3000])
def test_draws(n: int, ties: bool) -> None:
    sizes = sizes_of(n, ties=ties)
    for counts in counted(n, draws=50, seed=1):
        assert int(counts.sum()) == n
        agrees(sizes, counts)


def test_counts_that_no_draw_has() -> None:
    """All items below what is kept: the whole set is looked at."""
    sizes, counts = sizes_of(3000, ties=False), torch.zeros(3000, dtype=torch.int64)
    smallest = sizes[:, 0].topk(100, largest=False).indices
    counts[smallest] = 30
    agrees(sizes, counts)
    agrees(sizes, torch.ones(3000, dtype=torch.int64))


def test_a_tail_of_one_value_and_one_of_none() -> None:
    shares, counts = survival_shares(100), torch.ones(100, dtype=torch.int64)
    assert Upper(torch.ones(100, 2), shares).drawn(counts).index == float("inf")
    with pytest.raises(InputError, match="sizes of 0 or below"):
        Upper(torch.zeros(100, 2), shares).drawn(counts)


def test_parts_are_drawn_apart_and_again_the_same() -> None:
    first, other = ([*counted(50, draws=50, seed=3, part=part)] for part in (0, 1))
    again = [*counted(50, draws=50, seed=3)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    # Variance of a count: n · 1/n · (1 − 1/n).
    assert float(torch.stack(first).double().var()) == pytest.approx(1, abs=0.1)
    with pytest.raises(InputError, match="draws=3"):
        next(counted(50, draws=3))
