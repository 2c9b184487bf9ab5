"""Muon (Jordan 2024) as torch has it, in the precision that the machine is fast in, and in stacks.

torch's own makes its products in bfloat16 everywhere. A processor that has none emulates them: twenty times
slower than float32, and longer than all else in a step (`benchmarks/optimizer.py`). And a U-Net has dozens of
matrices of a few shapes, each too small to keep a machine busy. They are iterated by the products of their
rows alone, which are of few sizes and small, so that all of a size go as one stack.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from unstir.train.machine import has_fast_bfloat16
from unstir.train.sharding import lies_in_parts, local

Coefficients = tuple[float, float, float]

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_AT_ONCE = 3  # steps before these are made anew: each multiplies what they are wrong by with a² = 12


class Muon(torch.optim.Muon):
    """Muon without weight decay, whose steps have the size of Adam's (Liu 2025, "Muon is scalable").

    Args:
        parameters: matrices.
    """

    def __init__(self, parameters: Any) -> None:  # noqa: ANN401  # torch's own type of it is private
        super().__init__(parameters, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401
        """Change the matrices by their gradients; nothing where `found_inf` holds 1, as torch's Adam does."""
        idle: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            matrices, gradients, momenta = list[Tensor](), list[Tensor](), list[Tensor]()
            self._init_group(group, matrices, gradients, momenta)
            if any(lies_in_parts(matrix) for matrix in matrices):
                with _unchanged(matrices + momenta, idle):
                    super().step(closure)  # type: ignore[no-untyped-call]
                return
            share: Tensor | float = 1.0 if idle is None else 1 - idle
            alike = defaultdict[tuple[torch.Size, torch.dtype], list[int]](list)
            for i, matrix in enumerate(matrices):
                alike[matrix.shape, matrix.dtype].append(i)
            stacks = list[Tensor]()
            for places in alike.values():
                stack = torch.stack([gradients[i] for i in places])
                if idle is not None:
                    _erase(stack, idle)
                given, kept = list(stack.unbind()), [momenta[i] for i in places]
                # With a share of 0 momenta stay, and the steps, Nesterov's, are 0.
                _lerp(kept, given, (1 - group["momentum"]) * share)
                _lerp(given, kept, group["momentum"] * share)
                stacks.append(stack)
            made = orthogonal(stacks, group["ns_coefficients"], group["ns_steps"])
            for ((shape, dtype), places), stack in zip(alike.items(), made, strict=True):
                size = 0.2 * math.sqrt(max(shape)) * group["lr"]
                steps = list(stack.to(dtype).unbind())
                torch._foreach_add_([matrices[i] for i in places], steps, alpha=-size)


def _lerp(values: list[Tensor], ends: list[Tensor], weight: Tensor | float) -> None:
    """values ← values + weight (ends − values), all of one dtype."""
    if isinstance(weight, Tensor):
        torch._foreach_lerp_(values, ends, [weight.to(values[0].dtype)] * len(values))
    else:
        torch._foreach_lerp_(values, ends, weight)


def _erase(stack: Tensor, idle: Tensor) -> None:
    """Make numbers 0 where `idle` is 1, whatever they are: 0 times NaN is NaN, but no bits are 0."""
    kind = _BITS[stack.itemsize]
    stack.view(kind).bitwise_and_((idle - 1).to(kind))


@contextmanager
def _unchanged(values: list[Tensor], idle: Tensor | None) -> Iterator[None]:
    """What the block changes of `values` is undone where `idle` is 1."""
    before = [] if idle is None else [part.clone() for part in local(values)]
    yield
    if idle is not None:
        for part, was in zip(local(values), before, strict=True):
            part.copy_(torch.where(idle > 0, was, part))


def orthogonal(stacks: Sequence[Tensor], coefficients: Coefficients, steps: int) -> list[Tensor]:
    """Matrices of the same singular vectors as those in `stacks`, all singular values near 1.

    Args:
        stacks: of matrices, each `(k, m, n)`, on one device.
        coefficients: a, b, c of X ← (a + b X Xᵀ + c (X Xᵀ)²) X, by Newton–Schulz.
        steps: how often.
    """
    wide = [_prepared(stack) for stack in stacks]
    of_size = defaultdict[int, list[int]](list)
    for i, X in enumerate(wide):
        of_size[X.shape[1]].append(i)
    for places in of_size.values():
        counts = [len(wide[i]) for i in places]
        for done in range(0, steps, _AT_ONCE):
            G = torch.cat([wide[i] @ wide[i].mT for i in places])
            made = _product(G, coefficients, min(_AT_ONCE, steps - done))
            for i, left in zip(places, torch.split(made, counts), strict=True):
                wide[i] = left @ wide[i]
    return [X.mT if stack.shape[1] > stack.shape[2] else X for X, stack in zip(wide, stacks, strict=True)]


def _prepared(stack: Tensor) -> Tensor:
    """Of size 1, no higher than wide, in the precision to work in."""
    rows = stack.mT if stack.shape[1] > stack.shape[2] else stack
    X: Tensor = rows / torch.linalg.vector_norm(rows, dim=(1, 2), keepdim=True).clamp_min(1e-7)
    return X.to(torch.bfloat16 if has_fast_bfloat16(stack.device) else torch.float32)


def _product(G: Tensor, coefficients: Coefficients, steps: int) -> Tensor:
    """R_{k−1} … R_0 with X_k = R_{k−1} … R_0 X, of the products G of X's rows: G_{k+1} = R_k G_k R_k."""
    a, b, c = coefficients
    rest = torch.baddbmm(G, G, G, beta=b, alpha=c)  # R less a
    made = torch.add(rest, torch.eye(G.shape[1], dtype=G.dtype, device=G.device), alpha=a)
    for _ in range(steps - 1):
        G = torch.baddbmm(G, rest, G, beta=a)
        G = torch.baddbmm(G, G, rest, beta=a)
        rest = torch.baddbmm(G, G, G, beta=b, alpha=c)
        made = torch.baddbmm(made, rest, made, beta=a)
    return made
