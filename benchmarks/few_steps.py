"""Few evaluations on trained runs: the quality of ten against that of a hundred, from the same prior draws.

    python benchmarks/few_steps.py runs/demo [RUN ...] [--n 2000] [--steps 10] [--features DATA] [--json]

For each run the samples of the default solver at `--reference` steps, at each of `--steps` with its usual
times and, where `unstir tune` has kept some, with these; `--solver` adds others. `SW` is the sliced
Wasserstein distance to held-out data, `FD` Fréchet's in the logits of `features.py`; `ratio` that of the row
to the reference's, with 95 % of a paired bootstrap over samples and held-out items. `rms` is the distance to
the reference's samples per coordinate, in model units (data of standard deviation ½): of all, and the median
of each sample's own. `--n` is rounded to a multiple of the held-out items; networks run in bfloat16, which
moves a sample by about 0.0005.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

import unstir
from features import features as classifier
from unstir import flow
from unstir.measure.bootstrap import Estimate, Resampling
from unstir.measure.intervals import _Moments, _Sorted
from unstir.run import Run
from unstir.tuning import chosen_times

PROJECTIONS, DRAWS = 200, 200


@dataclass(frozen=True)
class Row:
    """One solver, count and choice of times."""

    solver: str
    evaluations: int
    times: str
    distance: float
    ratio: float
    low: float
    high: float
    rms: float
    median: float


class Yardstick:
    """Held-out items in the space of the measure, and one paired resampling."""

    def __init__(self, reference: Tensor, n: int, *, gaussian: bool) -> None:
        reference = reference.flatten(1).double()[:n]
        repeats = n // len(reference)
        self.n, self.gaussian = repeats * len(reference), gaussian
        self.resampling = Resampling.draw(self.n, len(reference), draws=DRAWS)
        generator = torch.Generator().manual_seed(0)
        theta = torch.randn(PROJECTIONS, reference.shape[1], generator=generator, dtype=torch.float64)
        self.theta = torch.nn.functional.normalize(theta)
        if gaussian:
            self.moments = _Moments.of(reference, self.resampling.reference)
        else:
            # Shadows are matched rank by rank: as many held-out items as samples.
            shadows = _Sorted.of(reference @ self.theta.T)
            counts = torch.cat([torch.ones(1, len(reference)), self.resampling.reference])
            self.shadows = [_drawn(shadows, repeats * v) for v in counts]

    def __call__(self, x: Tensor) -> Estimate:
        """The distance of `x` `(n, d)` with its draws."""
        x = x.flatten(1).double()
        if self.gaussian:
            return _Moments.of(x, self.resampling.samples).distance(self.moments)
        ours = _Sorted.of(x @ self.theta.T)
        drawn = [ours.values, *(_drawn(ours, u) for u in self.resampling.samples)]
        found = [(a - b).square().mean().sqrt() for a, b in zip(drawn, self.shadows, strict=True)]
        return Estimate(float(found[0]), torch.stack(found[1:]))


def _drawn(shadows: _Sorted, counts: Tensor) -> Tensor:
    """The sorted shadows of a resampling, `(directions, number drawn)`."""
    repeats = counts.long()[shadows.order]
    return shadows.values.flatten().repeat_interleave(repeats.flatten()).reshape(len(shadows.values), -1)


def states(run: Run, n: int, solver: str | None, steps: int, times: Sequence[float] | None) -> Tensor:
    """Samples in model units."""
    with torch.autocast("cpu", torch.bfloat16):
        return unstir.sample(
            run.process, run.field, n, solver=solver, steps=steps, times=times, label=run.labels(n)
        )


def rows(run: Run, arguments: argparse.Namespace) -> Iterator[Row]:
    """The reference, then each choice."""
    space = None if arguments.features is None else classifier(arguments.features)
    values, unit = run.seen(run.data()[1]).values, 255 if run.info.kind == "image" else 1

    def seen(items: Tensor) -> Tensor:
        return items.float() / unit if space is None else space.logits(items)

    yardstick = Yardstick(seen(values), arguments.n, gaussian=space is not None)
    base: tuple[Estimate, Tensor] | None = None
    choices: list[tuple[str | None, int, str]] = [(None, arguments.reference, "usual")]
    for steps in arguments.steps:
        choices += [(None, steps, "usual"), (None, steps, "tuned")]
        choices += [(solver, steps, "usual") for solver in arguments.solver]
    for solver, steps, kind in choices:
        times = chosen_times(run, solver, steps, None) if kind == "tuned" else None
        if kind == "tuned" and times is None:
            continue
        x = states(run, yardstick.n, solver, steps, times)
        distance = yardstick(seen(run.scaling.to_data(x)))
        base = base or (distance, x)
        apart = (x - base[1]).square().flatten(1).mean(1)
        ratio = Estimate(distance.value / base[0].value, distance.draws / base[0].draws).interval()
        known = flow.default_solver(run.process) if solver is None else flow.parse_solver(solver, run.process)
        yield Row(
            solver or "default", known.evaluations(steps) or 0, kind, distance.value, *ratio,
            float(apart.mean().sqrt()), float(apart.median().sqrt()),
        )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--reference", type=int, default=100, help="steps of the reference")
    parser.add_argument("--steps", type=int, nargs="+", default=[10])
    parser.add_argument("--solver", nargs="*", default=[], help="others, such as multistep:order=2")
    parser.add_argument(
        "--features", type=Path, help="Fréchet's distance in a classifier's logits of this data"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {}
    name = "SW" if arguments.features is None else "FD"
    for path in arguments.runs:
        run = unstir.load(path)
        found[str(path)] = []
        for row in rows(run, arguments):
            found[str(path)].append(asdict(row))
            if not arguments.json:
                print(
                    f"{run.process.name:20} {row.solver:20} {row.evaluations:4} {row.times:6} "
                    f"{name} {row.distance:.4f}   ratio {row.ratio:.3f} ({row.low:.3f}–{row.high:.3f})   "
                    f"rms {row.rms:.4f}   median {row.median:.4f}",
                    flush=True,
                )
    if arguments.json:
        print(json.dumps({"n": arguments.n, "measure": name, "runs": found}, indent=1))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
