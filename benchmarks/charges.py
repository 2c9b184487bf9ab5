"""Fields of many charges: pairs a second by tiles, and what the fast sums make of the same.

    OMP_NUM_THREADS=1 python benchmarks/charges.py [--sources 1000000] [--targets 100000] [--json]

The field Σ q (x − y)/ρ^d and Σ q/ρ^d of charges, uniform in a cube or in clusters of many sizes, targets
drawn by the same law. The direct sum is timed in float32 on 512 of the targets, before and after the fast
one, and scaled to all of them. The error is against the direct sum in float64 on other targets, over
Σ |q| k ρ as the bound is. With one thread seconds are the processor's own, so that other work beside it
counts less. Bar: 20 times as fast.
"""

import argparse
import json
import time

import torch
from torch import Tensor

from unstir.fields.charges import direct_sums, kernel_sums
from unstir.fields.kernels import Bell, Charge, Kernel

TIMED, CHECKED = 512, 128
TOLERANCE = 1e-3


def clock() -> float:
    """Seconds."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def uniform(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Points in a cube."""
    return torch.rand(n, d, generator=generator, dtype=torch.float64)


def clustered(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Points in fifty clusters, from a tenth to a ten-thousandth of the cube in size."""
    places = torch.Generator().manual_seed(1)
    centres = torch.rand(50, d, generator=places, dtype=torch.float64)
    sizes = 10 ** (-1 - 3 * torch.rand(50, generator=places, dtype=torch.float64))
    own = torch.randint(50, (n,), generator=generator)
    return centres[own] + sizes[own, None] * torch.randn(n, d, generator=generator, dtype=torch.float64)


def measured(x: Tensor, y: Tensor, q: Tensor, kernel: Kernel) -> dict[str, float]:
    """Seconds of both and the errors of the fast one."""
    small = x[:TIMED].float(), y.float(), q.float()

    def direct() -> float:
        start = clock()
        direct_sums(*small, kernel)
        return clock() - start

    before = direct()
    start = clock()
    sums = kernel_sums(x, y, kernel, q, TOLERANCE)
    fast = clock() - start
    whole = 0.5 * (before + direct()) * len(x) / TIMED
    some = x[-CHECKED:]
    true = direct_sums(some, y, q, kernel)
    bound = torch.zeros(CHECKED, dtype=torch.float64)
    for i, place in enumerate(some):
        u = ((place - y) ** 2).sum(1)
        bound[i] = (q.abs() * u.sqrt() * kernel.weigh_(u / kernel.unit**2)).sum()
    error = (sums.pull[-CHECKED:] - true.pull).norm(dim=1) / bound
    total = ((sums.total[-CHECKED:] - true.total) / true.total).abs()
    return {
        "pairs_a_second": len(x) * len(y) / whole,
        "direct_s": whole,
        "fast_s": fast,
        "ratio": whole / fast,
        "field_error_max": float(error.max()),
        "field_error_median": float(error.median()),
        "total_error_max": float(total.max()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, default=100_000)
    parser.add_argument("--only", default="", help="rows whose name contains this, such as 3-D, clustered")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = {}
    cases = [
        (d, name, draw, law, kernel)
        for d in (2, 3)
        for name, draw in (("uniform", uniform), ("clustered", clustered))
        for law, kernel in (("charges", Charge(d)), ("Gaussian", Bell(0.03)))
        if f"{d}-D, {name}, {law}".find(arguments.only) >= 0 and (law, name) != ("Gaussian", "clustered")
    ]
    for d, name, draw, law, kernel in cases:
        generator = torch.Generator().manual_seed(0)
        x, y = draw(arguments.targets, d, generator), draw(arguments.sources, d, generator)
        q = 0.5 + torch.rand(len(y), generator=generator, dtype=torch.float64)
        row = rows[f"{d}-D, {name}, {law}"] = measured(x, y, q, kernel)
        if not arguments.json:
            met = "met" if row["ratio"] >= 20 and row["field_error_max"] <= TOLERANCE else "MISSED"
            print(
                f"{d}-D {name:10} {law:9} direct {row['pairs_a_second'] / 1e9:5.2f} G pairs/s "
                f"{row['direct_s']:7.1f} s   fast {row['fast_s']:6.2f} s   ratio {row['ratio']:6.1f} "
                f"(bar 20: {met})   error of the field, largest {row['field_error_max']:.1e}, "
                f"median {row['field_error_median']:.1e}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
