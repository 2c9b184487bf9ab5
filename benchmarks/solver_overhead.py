"""What the deterministic solvers cost beyond the network: a field that does nothing, per step, side by side.

    python benchmarks/solver_overhead.py [--rounds 15] [--json]

Batch 256 of 1x32x32: unstir's Heun against a hand-written in-place float32 Heun loop on the same grid (bar:
1.2). Batch 1: microseconds a step (bar: 60). All take turns within each round; the median ratio is quoted.
Solvers differ in evaluations: Heun spends two a step, Euler and multistep one.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from unstir import fields, flow, physics

STEPS = 100


class Nothing:
    """A field that answers with its input: no arithmetic, no allocation."""

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        return x

    def at(self, t: float) -> Callable[[Tensor, Tensor | None], Tensor]:
        return lambda x, label: x


class Still(nn.Module):
    """A network that answers with its input."""

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        return x


def by_hand(x: Tensor, sigmas: list[float]) -> Tensor:
    """Karras' algorithm 1 as one writes it for speed: float32, in place, nothing allocated within."""
    d, x_next, d_next = torch.empty_like(x), torch.empty_like(x), torch.empty_like(x)
    for s, s_next in itertools.pairwise(sigmas):
        denoised = x
        torch.sub(x, denoised, out=d).div_(s)
        torch.add(x, d, alpha=s_next - s, out=x_next)
        denoised = x_next
        torch.sub(x_next, denoised, out=d_next).div_(s_next)
        x.add_(d.add_(d_next), alpha=0.5 * (s_next - s))
    return x


def timed(work: Callable[[], object]) -> float:
    """Microseconds a step."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / STEPS * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    process = physics.edm()
    times = process.times(STEPS + 1).tolist()
    network = fields.NeuralField(Still(), process)
    rows = {}
    # Any network's activations leave glibc's allocator keeping blocks of this size; without them each
    # megabyte goes back to the system and is paid for again in page faults.
    torch.zeros(6_000_000)
    for batch in (256, 1):
        x = 80 * torch.randn(batch, 1, 32, 32)

        def walk(field: fields.Field, solver: flow.Solver, x: Tensor = x) -> None:
            for _ in flow.trajectory(process, field, x, times=times, solver=solver, denoise=False):
                pass

        works = {
            "by hand": lambda x=x: by_hand(x.clone(), times),
            "heun": lambda: walk(Nothing(), flow.Heun()),
            "euler": lambda: walk(Nothing(), flow.Euler()),
            "multistep": lambda: walk(Nothing(), flow.Multistep()),
            "heun with NeuralField": lambda: walk(network, flow.Heun()),
        }
        found: dict[str, list[float]] = {name: [] for name in works}
        with torch.no_grad():
            for _ in range(arguments.rounds + 2):
                for name, work in works.items():
                    found[name].append(timed(work))
        base = found["by hand"][2:]
        for name, values in found.items():
            ratio = statistics.median(v / b for v, b in zip(values[2:], base, strict=True))
            rows[f"batch {batch}, {name}"] = {"us_a_step": statistics.median(values[2:]), "ratio": ratio}
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for name, row in rows.items():
            print(f"{name:36} {row['us_a_step']:9.1f} us a step   {row['ratio']:.2f} of by hand")


if __name__ == "__main__":
    main()
