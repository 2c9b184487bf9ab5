"""Alike points follow one another, and nothing else changes."""

from __future__ import annotations

import torch

from unstir.fields.exact_order import alike


def test_clusters_are_put_together() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(8, 40, generator=generator)
    own = torch.randint(8, (3000,), generator=generator)
    points = centres[own] + torch.randn(3000, 40, generator=generator)
    order = alike(points)
    assert order.sort().values.equal(torch.arange(3000))
    # Neighbours are of one cluster: by chance seven of eight would not be.
    assert int((own[order].diff() != 0).sum()) < 64
    assert int((own.diff() != 0).sum()) > 2000


def test_points_that_are_all_the_same_stay_as_they_are() -> None:
    assert alike(torch.ones(100, 5)).equal(torch.arange(100))
    assert alike(torch.ones(1, 5)).equal(torch.arange(1))
