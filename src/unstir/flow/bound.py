"""The bound on the likelihood that ancestral sampling gives an item (Sohl-Dickstein 2015; Austin 2021).

    −log p(x_0) ≤ Σ_i E KL(q(x_s | x_t, x_0) ‖ p(x_s | x_t))      over the steps t = t_i to s = t_{i+1}

(Austin 2021, equation 1): the last term is −log p(x_0 | x_t), and the prior's is 0, as ᾱ_T = 0. It is tight
where the field is exact and coins turn alone: for rows of one coin, and for long ones as steps grow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field
from unstir.fields.coin import divergence
from unstir.flow.streams import Streams
from unstir.physics.coins import CoinProcess


@torch.no_grad()
def nats_bound(
    process: CoinProcess,
    field: Field,
    data: Tensor,
    generator: torch.Generator | Streams,
    *,
    label: Tensor | None = None,
    times: Sequence[float] | None = None,
    terms: int | None = None,
    batch: int = 256,
) -> Tensor:
    """An unbiased estimate of the bound on −log p(x_0) in nats, float64 `(n,)`.

    Args:
        process: coins.
        field: p(x_0 = k | x_t).
        data: states `(n, *shape)`.
        generator: of the states on the way; `Streams` make an item's depend on the seed and its index alone.
        label: their class numbers `(n,)`; by default the bound is that of all classes together.
        times: falling, from T to 0, as the sampler walks; by default all T steps.
        terms: how many of the sum's terms to draw for each item, one in each even share; all by default.
        batch: items at once.

    Raises:
        InputError: times that do not fall from T to 0, or no terms.
    """
    grid = torch.arange(process.steps, -1, -1).double() if times is None else torch.tensor(times).double()
    falling = all(b < a for a, b in itertools.pairwise(grid.tolist()))
    if len(grid) < 2 or grid[0] != process.t_max or grid[-1] != 0 or not falling:
        raise InputError(f"times: must fall from {process.t_max:g} to 0, each below the one before")
    count = len(grid) - 1
    terms = count if terms is None else terms
    if not 1 <= terms <= count:
        raise InputError(f"terms={terms}: give 1 to {count}, the number of steps")
    parts = []
    for at, items in zip(range(0, len(data), batch), torch.split(data, batch), strict=True):
        of = None if label is None else label[at : at + batch].to(items.device)
        known, total = items.cpu(), torch.zeros(len(items), dtype=torch.float64)
        source = _Source(generator, at, len(items))
        for i in range(terms):
            uniform = source.uniform()
            # With all terms each share is one step; else a step is drawn in each.
            index = ((i + uniform) * (count / terms)).long().clamp_max(count - 1) if terms < count else i
            t, s = (grid[index + k].expand(len(items)) for k in (0, 1))
            x = source.perturbed(process, known, t)
            prediction = field(x.to(items.device), t.float().to(items.device), of).cpu().double()
            total += divergence(process, known, x, s, t, prediction)
        parts.append(total * (count / terms))
    return torch.cat(parts)


class _Source:
    """Random numbers of some of the items, all from one generator or each from a stream of its own."""

    def __init__(self, generator: torch.Generator | Streams, first: int, count: int) -> None:
        if isinstance(generator, Streams):
            self._sources, self._size = generator.generators[first : first + count], 1
        else:
            self._sources, self._size = [generator], count

    def uniform(self) -> Tensor:
        """`(count,)`, in [0, 1)."""
        return torch.cat([torch.rand(self._size, generator=g, dtype=torch.float64) for g in self._sources])

    def perturbed(self, process: CoinProcess, data: Tensor, t: Tensor) -> Tensor:
        """x_t given x_0 = `data`."""
        parts = zip(torch.split(data, self._size), torch.split(t, self._size), self._sources, strict=True)
        return torch.cat([process.perturb(items, time, g) for items, time, g in parts])


def bits_per_dimension(nats: Tensor, shape: Sequence[int]) -> Tensor:
    """Bits a coin, from nats an item of `shape`."""
    return nats / (math.prod(shape) * math.log(2))
