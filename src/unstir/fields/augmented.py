"""A network that is told, in training, how each image was augmented, and in all else that none was.

Fields call `network(x, noise, label)`, whatever their loss. The condition goes beside it: it is held here for
the one step in which the batch is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Augmented(nn.Module):
    """A network that takes a condition as its fourth argument, behind the signature of all networks.

    Args:
        network: `network(x, noise, label, told)`.

    Attributes:
        condition: `(batch, width)` of the batch that is being learned, or None for items as they are.
    """

    condition: Tensor | None

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.condition = None

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.network(x, noise, label, self.condition)
        return out


@contextmanager
def telling(field: nn.Module, condition: Tensor | None) -> Iterator[None]:
    """The field's network is told `condition` within the block, one row for each item of a batch.

    Args:
        field: a field, within whatever wrapper.
        condition: `(batch, width)`; None, or of width 0, where there is nothing to tell: within the block of
            another batch too, whose condition is told again behind it.
    """
    found = [(module, module.condition) for module in field.modules() if isinstance(module, Augmented)]
    told = None if condition is None or not condition.shape[1] else condition
    for module, _ in found:
        module.condition = told
    try:
        yield
    finally:
        for module, before in found:
            module.condition = before


def core(field: nn.Module) -> nn.Module:
    """The network of a field that is told all it is told by its arguments."""
    network = field.get_submodule("network")
    return network.network if isinstance(network, Augmented) else network
