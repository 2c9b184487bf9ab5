"""The adaptive solver: torchdiffeq's Dormand–Prince on dz/dλ = e^λ D, z = x/B, λ = ln(A/B).

In these variables the stiff linear part is gone, and a state far out in a heavy tail is as easy as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.flow.grouped import check_tolerances, dormand_prince, in_groups
from unstir.flow.solver import LinearPath, LinearSolver
from unstir.flow.streams import Streams

# Numbers that are solved together; fixed, since the steps chosen depend on all of them.
_GROUP = 16384


@dataclass(frozen=True)
class Adaptive(LinearSolver):
    """Steps as small as the tolerance asks.

    Samples are solved in whole groups whose size depends on their shape alone, so that a sample does not
    depend on how many others were wanted.

    Attributes:
        rtol: relative tolerance, of the worst sample in the group.
        atol: absolute tolerance, in units of the noise.
    """

    rtol: float = 1e-4
    atol: float = 1e-4

    def __post_init__(self) -> None:
        check_tolerances(self.rtol, self.atol)

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        solved = in_groups(self.group(x.shape[1:]), x, label, lambda xs, ls: self._solve(path, xs, ls))
        for i in range(1, len(path.times)):
            state = solved[i] * path.B[i]
            yield state, path.slices[i](state, label)

    def _solve(self, path: LinearPath, x: Tensor, label: Tensor | None) -> Tensor:
        process = path.process
        level = torch.tensor([-math.log(min(ratio, 1e6)) for ratio in path.ratio], dtype=torch.float64)

        def slope(lam: Tensor, z: Tensor) -> Tensor:
            # Where the flow hardly moves at first, the guess of a first step looks far beyond the end.
            ratio = torch.exp(-lam.clamp(level[0], level[-1]))
            time = process.time_at(ratio)
            d = path.at([float(time)]).slices[0](z * float(process.B(time)), label)
            relative = process.relative(time, x.shape[1:])
            return d * (relative / ratio).to(d)

        return dormand_prince(slope, x / path.B[0], level, self.rtol, self.atol)

    def evaluations(self, steps: int) -> None:
        return None

    def group(self, shape: Sequence[int]) -> int:
        return min(max(_GROUP // math.prod(shape), 16), 1024)
