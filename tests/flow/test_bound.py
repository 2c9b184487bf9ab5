"""The bound of a class: each item is told its own, whatever the batches."""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields import ExactCoins, as_field
from unstir.flow.bound import nats_bound
from unstir.physics import coins

DATA = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 1]])


def test_each_item_is_bounded_by_the_field_of_its_class() -> None:
    process = coins(T=6)
    fields = [
        ExactCoins(process, DATA, torch.tensor(shares)) for shares in ((0.8, 0.1, 0.1), (0.2, 0.5, 0.3))
    ]

    def by_label(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        both = torch.stack([field(x, t) for field in fields])
        return both[label, torch.arange(len(x))]

    data, label = DATA[[0, 1, 2, 2, 1, 0, 0]], torch.tensor([0, 1, 1, 0, 0, 1, 0])
    for batch in (3, 7):

        def bound(field: object, label: Tensor | None = None, batch: int = batch) -> Tensor:
            generator = torch.Generator().manual_seed(0)  # the same states on the way
            return nats_bound(process, as_field(field), data, generator, label=label, batch=batch)  # type: ignore[arg-type]

        ours = bound(by_label, label)
        each = torch.stack([bound(field) for field in fields])
        torch.testing.assert_close(ours, each[label, torch.arange(len(data))], rtol=0, atol=0)
        assert not torch.equal(ours, each[1 - label, torch.arange(len(data))])
