"""What a network costs: its parameters, and the floating-point operations of one pass over one item.

Operations are those of matrix products and convolutions, a multiplication and an addition each, counted by
`torch.utils.flop_counter`; a step of training takes about three times as many. Nothing is computed for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unstir.fields.networks import build_network


@dataclass(frozen=True)
class Cost:
    """Of one network for one shape.

    Attributes:
        parameters: how many are trained.
        flops: floating-point operations of one item's pass.
    """

    parameters: int
    flops: int


def cost(name: str, shape: Sequence[int], options: Mapping[str, Any] | None = None) -> Cost:
    """The cost of `build_network(name, shape, options)`.

    Raises:
        InputError: as `build_network`.
    """
    # Attention by plain matrix products, since the counter knows no fused one of the CPU's.
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network = build_network(name, shape, options)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, *shape), torch.empty(1), None)
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops())
