"""Muon (Jordan 2024) as torch has it, in the precision that the machine is fast in, and in stacks.

torch's own makes its products in bfloat16 everywhere. A processor that has none emulates them: twenty times
slower than float32, and longer than all else in a step (`benchmarks/optimizer.py`). And a U-Net has dozens of
matrices of a few shapes, each too small to keep a machine busy: in stacks they take half the time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from unstir.train.machine import has_fast_bfloat16
from unstir.train.sharding import lies_in_parts


class Muon(torch.optim.Muon):
    """Muon without weight decay, whose steps have the size of Adam's (Liu 2025, "Muon is scalable").

    Args:
        parameters: matrices.
    """

    def __init__(self, parameters: Any) -> None:  # noqa: ANN401  # torch's own type of it is private
        super().__init__(parameters, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401
        """Change the matrices by their gradients."""
        for group in self.param_groups:
            matrices, gradients, momenta = list[Tensor](), list[Tensor](), list[Tensor]()
            self._init_group(group, matrices, gradients, momenta)
            if any(lies_in_parts(matrix) for matrix in matrices):
                super().step(closure)  # type: ignore[no-untyped-call]
                return
            if not matrices:
                continue
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            steps = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's
            alike = defaultdict[torch.Size, list[int]](list)
            for i, matrix in enumerate(matrices):
                alike[matrix.shape].append(i)
            for shape, places in alike.items():
                stack = torch.stack([steps[i] for i in places])
                made = orthogonal(stack, group["ns_coefficients"], group["ns_steps"]).to(stack.dtype)
                size = 0.2 * math.sqrt(max(shape)) * group["lr"]
                torch._foreach_add_([matrices[i] for i in places], list(made.unbind()), alpha=-size)


def orthogonal(stack: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """Matrices of the same singular vectors as those in `stack`, `(k, m, n)`, all singular values near 1.

    Args:
        stack: the matrices.
        coefficients: a, b, c of X ← (a + b X Xᵀ + c (X Xᵀ)²) X, by Newton–Schulz.
        steps: how often.
    """
    a, b, c = coefficients
    tall = stack.shape[1] > stack.shape[2]
    X = stack.mT if tall else stack
    X = X / X.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    X = X.to(torch.bfloat16 if has_fast_bfloat16(stack.device) else torch.float32)
    for _ in range(steps):
        square = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(square, square, square, beta=b, alpha=c), X, beta=a)
    return X.mT if tall else X
