"""What the flow's tests share: a stretch of path on which orders of convergence are measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.flow import Heun, Multistep, Solver, trajectory
from unstir.physics import LinearProcess

Mixture = Callable[[LinearProcess, int], MixtureField]
Order = Callable[[LinearProcess, Solver], float]


@pytest.fixture(scope="session")
def order(mixture: Mixture) -> Order:
    """The fitted order: how fast the error falls from 20 to 80 steps between B/A = 3 and 0.3."""
    truths: dict[str, tuple[MixtureField, Tensor, Tensor]] = {}

    def walk(process: LinearProcess, x: Tensor, steps: int, solver: Solver) -> Tensor:
        ratio = torch.logspace(np.log10(3), np.log10(0.3), steps + 1, dtype=torch.float64)
        times = process.time_at(ratio).tolist()
        *_, last = trajectory(process, truths[process.name][0], x, solver=solver, times=times, denoise=False)
        return last.state

    def measure(process: LinearProcess, solver: Solver) -> float:
        if process.name not in truths:
            field = mixture(process, 2)
            start = process.time_at(torch.tensor([3.0], dtype=torch.float64)).expand(100)
            data = field.sample(100, torch.Generator().manual_seed(0))
            x = process.perturb(data, start, torch.Generator().manual_seed(1))
            truths[process.name] = (field, x, x)
            fine = walk(process, x, 640, Multistep(3))
            # Two solvers agree on the truth.
            torch.testing.assert_close(fine, walk(process, x, 640, Heun()), rtol=0, atol=1e-5)
            truths[process.name] = (field, x, fine)
        _, x, fine = truths[process.name]
        steps = np.array([20, 40, 80])
        errors = [float((walk(process, x, int(n), solver) - fine).square().mean().sqrt()) for n in steps]
        return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])

    return measure
