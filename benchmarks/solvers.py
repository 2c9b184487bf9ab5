"""How far the deterministic solvers end from the true flow, on mixtures whose field is in closed form.

    python benchmarks/solvers.py [--n 1000] [--json]

RMS distance to Heun's end point after 1000 steps, in data units (standard deviation 1/2), for the same prior
draws. The nearest 99 % count: one draw at a watershed that ends in another component would hide the rest. 'in
lambda' is the same multistep solver with its polynomial in the log signal-to-noise ratio, as DPM-Solver++ has
it; 'even' has the times of Karras 2022 throughout, the others their solver's own.
"""

import argparse
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unstir import fields, flow, physics

EVALUATIONS = (10, 20, 40)


@dataclass(frozen=True)
class InLambda(flow.Multistep):
    """Multistep with D as a polynomial in lambda = ln(A/B): DPM-Solver++ (Lu 2022), UniPC (Zhao 2023)."""

    def walk(
        self, path: flow.Path, x: Tensor, streams: flow.Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        B = path.B
        level = [math.log(a / b) for a, b in zip(path.A, B, strict=True)]
        before, past = x, [path.slices[0](x, label)]
        for i in range(len(B) - 1):
            if i:
                past = [path.slices[i](x, label), *past[: self.order]]
                if self.corrector:
                    known = level[max(0, i - self.order) : i + 1][::-1]
                    x = step(before, B[i] / B[i - 1], path.A[i], level[i - 1 : i + 1], known, past)
            before = x
            known = level[max(0, i - self.order + 1) : i + 1][::-1]
            x = step(x, B[i + 1] / B[i], path.A[i + 1], level[i : i + 2], known, past)
            yield x, past[0]


def step(
    x: Tensor, shrink: float, A: float, ends: Sequence[float], known: Sequence[float], past: Sequence[Tensor]
) -> Tensor:
    """x' = (B'/B) x + B' sum_j D_j times the integral of its Lagrange polynomial in lambda over e^lambda."""
    unit, weight = np.polynomial.legendre.leggauss(32)
    at = ends[0] + 0.5 * (ends[1] - ends[0]) * (unit + 1)
    measure = weight * np.exp(at - ends[1]) * 0.5 * (ends[1] - ends[0]) * A
    x = x * shrink
    for j, own in enumerate(known):
        lagrange = np.ones_like(at)
        for other in (*known[:j], *known[j + 1 :]):
            lagrange *= (at - other) / (own - other)
        x = x + float(measure @ lagrange) * past[j]
    return x


def mixture(process: physics.LinearProcess, size: int) -> fields.MixtureField:
    """Three Gaussians in 2-D; in 64-D two, with variances that fall as those of images do."""
    if size == 2:
        means = torch.tensor([[0.6, 0.2], [-0.7, 0.4], [-0.24, -0.84]])
        covariances = torch.tensor(
            [[[0.03, 0.015], [0.015, 0.02]], [[0.02, -0.01], [-0.01, 0.03]], [[0.04, 0.0], [0.0, 0.015]]]
        )
        return fields.MixtureField(process, torch.tensor([0.45, 0.3, 0.25]), means, covariances)
    generator = torch.Generator().manual_seed(0)
    side = 4 / size**0.5 * torch.randn(size, generator=generator)
    axes = torch.linalg.qr(torch.randn(2, size, size, generator=generator).double())[0]
    covariances = axes * (0.1 * torch.arange(1, size + 1).double() ** -1.5) @ axes.mT
    means = torch.stack([0.4 * side, -0.6 * side])
    return fields.MixtureField(process, torch.tensor([0.6, 0.4]), means, covariances)


class Problem:
    """A mixture, prior draws, and where the true flow takes them."""

    def __init__(self, name: str, size: int, n: int) -> None:
        self.name = f"{name}, {size}-D"
        self.process = physics.parse(name)
        self.field = mixture(self.process, size)
        self.start = self.process.prior(n, (size,), torch.Generator().manual_seed(0), torch.float64)
        self.truth = self.end(flow.Heun(), self.process.times(1000).tolist())

    def end(self, solver: flow.Solver, times: list[float]) -> Tensor:
        """Where a solver takes the draws."""
        *_, last = flow.trajectory(self.process, self.field, self.start, solver=solver, times=times)
        return last.state

    def distances(self, solver: flow.Solver, even: bool = False) -> list[float]:
        """RMS distance to the truth for each number of evaluations, of the nearest 99 %."""
        found = []
        for evaluations in EVALUATIONS:
            steps = (evaluations + 1) // 2 if isinstance(solver, flow.Heun) else evaluations
            times = self.process.times(steps).tolist() if even else solver.times(self.process, steps)
            squared = (self.end(solver, times) - self.truth).square().mean(1).sort().values
            found.append(float(squared[: round(0.99 * len(squared))].mean().sqrt()))
        return found


def rows(n: int) -> Iterator[tuple[str, str, list[float]]]:
    """Problem, solver and distances."""
    for name, size in (("edm", 2), ("poisson:D=8", 64)):
        problem = Problem(name, size, n)
        yield problem.name, "heun", problem.distances(flow.Heun())
        kinds = {"multistep": flow.Multistep, "in lambda": InLambda}
        options = itertools.product(kinds, (False, True), (1, 2, 3), (True, False))
        for kind, even, order, corrector in options:
            text = f"{kind}, order {order}{', corrected' * corrector}{', even' * even}"
            yield problem.name, text, problem.distances(kinds[kind](order, corrector), even)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.json:
        print(
            json.dumps(
                [
                    {"problem": problem, "solver": solver, "rms": dict(zip(EVALUATIONS, found, strict=True))}
                    for problem, solver, found in rows(arguments.n)
                ],
                indent=1,
            )
        )
        return
    print(f"{'problem':18} {'solver':36}" + "".join(f"{k:4} evaluations" for k in EVALUATIONS))
    for problem, solver, found in rows(arguments.n):
        print(f"{problem:18} {solver:36}" + "".join(f"{value:16.5f}" for value in found), flush=True)


if __name__ == "__main__":
    main()
