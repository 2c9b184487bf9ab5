"""Which cubes act on which by interpolation, which pair by pair, which not at all.

Trees of targets and of sources are walked down together, a level at a time, from the roots. φ_low(T), the
largest Q_S k(farthest) seen so far, is a lower bound on Σ |q| k at every target of T. A cube T of targets and
a cube S of sources of the same level are

    neglected    if k(nearest) Q ≤ p φ_low(T), Q all charges: all such together are within p of Σ |q| k
    far          if the kernel between them is interpolated to a relative error of a
    near         if they hold few pairs of points, which are then summed one by one
    split        otherwise: all pairs of their children are asked again
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.fields.boxes import DEPTH, Cloud, ranges
from unstir.fields.chebyshev import Nodes, Transfer, transfer
from unstir.fields.kernels import Kernel

# Pairs of points up to which two cubes are summed one by one rather than split, or than interpolated.
_NEAR = {1: 4_000, 2: 12_000, 3: 90_000}
_FEW = {1: 100, 2: 200, 3: 1_000}

Offset = tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """What is to be done at one level. Pairs are told by the cubes' numbers in their levels.

    Attributes:
        level: its number.
        far: `(pairs, 2)`, target and source cube.
        near: the same.
        offset: places of the far pairs' source cubes from their target cubes, `(pairs, d)`.
        transfers: by offset, components made positive and sorted.
    """

    level: int
    far: Tensor
    near: Tensor
    offset: Tensor
    transfers: dict[Offset, Transfer]


def stages(
    targets: Cloud, sources: Cloud, size: Tensor, kernel: Kernel, nodes: Nodes, accuracy: tuple[float, float]
) -> list[Stage]:
    """The work of a sum, level by level.

    Args:
        targets: in a tree of the same root as the sources.
        sources: of the charges.
        size: |q| of the sources in the tree's order, `(sources,)`.
        kernel: k.
        nodes: by which cubes are interpolated.
        accuracy: a and p.
    """
    d = nodes.d
    interpolated, neglected = accuracy
    below = torch.nn.functional.pad(size.cumsum(0), (1, 0))
    log_all = math.log(float(below[-1]))
    floor = math.log(neglected) - log_all
    pairs = torch.zeros(1, 2, dtype=torch.int64, device=size.device)
    low = torch.full((1,), -math.inf, dtype=torch.float64, device=size.device)
    known: dict[tuple[int, Offset], Transfer] = {}
    found = []
    for level in range(DEPTH + 1):
        T, S = pairs.T
        of_targets, of_sources = targets.level(level), sources.level(level)
        side = targets.side / 2**level
        offset = of_sources.place.index_select(0, S) - of_targets.place.index_select(0, T)
        kind, inverse = _kinds(offset)
        log_top = kernel.log((kind - 1).clamp_min(0).square().sum(1).double() * (side / kernel.unit) ** 2)
        log_least = kernel.log((kind + 1).square().sum(1).double() * (side / kernel.unit) ** 2)
        # A source on its target does not count with a singular kernel: nothing is known to be enough.
        if not kernel.singular:
            charge = below[of_sources.start[1:]] - below[of_sources.start[:-1]]
            low.scatter_reduce_(0, T, charge.log()[S] + log_least[inverse], "amax")
        felt = log_top[inverse] > low[T] + floor
        product = of_targets.count[T] * of_sources.count[S]
        many = felt & (product > _FEW[d])
        transfers: dict[Offset, Transfer] = {}
        fits = torch.zeros(len(kind), dtype=torch.bool)
        for number in torch.unique(inverse[many]).tolist():
            name = tuple(kind[number].tolist())
            one = _transfer(known, kernel, nodes, name, (level, side), interpolated)
            fits[number] = one.relative <= interpolated
            transfers[name] = one
        far = many & fits[inverse]
        near = felt & ~far & ((product <= _NEAR[d]) | (level == DEPTH))
        found.append(Stage(level, pairs[far], pairs[near], offset[far], transfers))
        split = felt & ~far & ~near
        if not bool(split.any()):
            break
        pairs = _children(targets, sources, level, pairs[split])
        parent = torch.repeat_interleave(targets.children(level).diff())
        low = low[parent]
    return found


def _transfer(
    known: dict[tuple[int, Offset], Transfer],
    kernel: Kernel,
    nodes: Nodes,
    offset: Offset,
    cube: tuple[int, float],
    goal: float,
) -> Transfer:
    """The transfer at a level: the same at each, but for its scale, where the kernel has no length."""
    level, side = cube
    own = level if not kernel.singular else 0
    if (own, offset) not in known:
        half = 0.5 * side if not kernel.singular else 0.5 * kernel.unit
        known[own, offset] = transfer(kernel, nodes, offset, half, goal)
    one = known[own, offset]
    if not kernel.singular:
        return one
    rise = -kernel.order * math.log(side / kernel.unit)
    return Transfer(one.U, one.V, one.log_top + rise, one.relative, one.absolute)


def _kinds(offset: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets up to mirrors and exchanged axes, `(kinds, d)`, and which each is, `(pairs,)`."""
    d = offset.shape[1]
    bits = 63 // d
    own = offset.abs().sort(1).values
    code = sum((own[:, axis] << (bits * axis) for axis in range(d)), torch.zeros_like(own[:, 0]))
    kinds, inverse = torch.unique(code, return_inverse=True)
    return torch.stack([(kinds >> (bits * axis)) & (2**bits - 1) for axis in range(d)], 1), inverse


def _children(targets: Cloud, sources: Cloud, level: int, pairs: Tensor) -> Tensor:
    """All pairs of children of some pairs."""
    of_targets, of_sources = targets.children(level), sources.children(level)
    T, S = pairs.T
    T, owner = ranges(of_targets[T], of_targets[T + 1] - of_targets[T])
    S = S[owner]
    S, owner = ranges(of_sources[S], of_sources[S + 1] - of_sources[S])
    return torch.stack([T[owner], S], 1)
