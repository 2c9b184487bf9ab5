"""Few evaluations on a trained run: sliced Wasserstein to held-out data, for solvers and steps.

    python benchmarks/few_steps.py runs/demo [--n 2000] [--json]

The same prior draws for every row (same seed), so that rows differ by the solver alone. `ratio` is against
Heun at 35 evaluations; `rms` is the distance to its samples, in model units (data of standard deviation 1/2).
"""

import argparse
import json

import torch

import unstir
from unstir import flow, measure

ROWS = [
    ("heun", 18),
    ("multistep", 6),
    ("multistep", 8),
    ("multistep", 10),
    ("multistep", 15),
    ("multistep", 20),
    ("multistep", 40),
    ("multistep:order=2", 10),
    ("multistep:order=2,corrector=no", 10),
    ("euler", 10),
    ("heun", 5),
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = unstir.load(arguments.run)
    _, heldout = run.data()
    reference = heldout.values.float() / (255 if run.info.kind == "image" else 1)
    labels = run.labels(arguments.n)
    table, base = [], None
    for name, steps in ROWS:
        x = unstir.sample(run.process, run.field, arguments.n, solver=name, steps=steps, label=labels)
        values = run.scaling.to_data(x).float() / (255 if run.info.kind == "image" else 1)
        distance = measure.sliced_wasserstein(values, reference)
        if base is None:
            base = (distance, x)
        table.append(
            {
                "solver": name,
                "evaluations": flow.parse_solver(name).evaluations(steps),
                "sliced_wasserstein": distance,
                "ratio": distance / base[0],
                "rms": float((x - base[1]).square().mean().sqrt()),
            }
        )
        row = table[-1]
        if not arguments.json:
            print(
                f"{name:32} {row['evaluations']:4} evaluations   SW {distance:.4f}   "
                f"ratio {row['ratio']:.3f}   rms {row['rms']:.4f}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps({"process": run.process.name, "n": arguments.n, "rows": table}, indent=1))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
