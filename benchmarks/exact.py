"""What the exact field costs: against attention at each noise level, and over a whole trajectory.

    OMP_NUM_THREADS=1 python benchmarks/exact.py ../shared/data/fashion-mnist [--floats]

Times are the processor's, of one thread, so that other work on the machine counts little; each is taken
beside the attention that it is compared with, in turn, and the median ratio of three is printed. `--floats`
adds noise of 1e-4 to the data, so that they are no pictures of 256 levels; without AVX-512 VNNI nothing is
multiplied in whole numbers, as with `--no-vnni`. A trajectory's time has all in it that is kept of the data,
but for the order that they are put in (`made`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from unstir.data import load, usual_coder
from unstir.fields import ExactField, exact, exact_points
from unstir.flow import trajectory
from unstir.physics import LinearProcess, parse

LEVELS = (16.0, 4.0, 1.5, 0.85, 0.45, 0.2, 0.05, 0.01)
LAWS = ("edm", "poisson:D=128", "poisson:D=1", "yukawa:kappa=1", "levy:alpha=1.8")
BARS = {True: 1.25, False: 1.0}  # times attention's time: of laws that mix variances, and of the Gaussian
FASTER = 5.0  # than all points, over a trajectory
FLOATS = 1e-4


def seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object], times: int) -> float:
    """The median of ours over theirs, taken in turn."""
    return median(seconds(ours) / seconds(theirs) for _ in range(times))


def attention(x: Tensor, data: Tensor) -> Callable[[], Tensor]:
    """Attention over the data, of the same sizes; what it answers does not matter here."""
    keys, queries = data.flatten(1)[None, None], x.flatten(1)[None, None]
    return lambda: scaled_dot_product_attention(queries, keys, keys, scale=1e-3)


def states(process: LinearProcess, data: Tensor, t: float, n: int) -> tuple[Tensor, Tensor]:
    """Of items drawn at random, and which items."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(len(data), (n,), generator=generator)
    return process.perturb(data[index], torch.full((n,), t), generator), index


def at_each_level(
    data: Tensor, names: Sequence[str], levels: Sequence[float], n: int, times: int
) -> Iterator[dict[str, object]]:
    """One row for each law and noise level."""
    for name in names:
        process = parse(name)
        float32 = ExactField(process, data)
        bfloat16, whole = (
            ExactField(process, data, precision="bfloat16"),
            ExactField(process, data, prune=False),
        )
        for t in levels:
            x, _ = states(process, data, t, n)
            for field in (float32, bfloat16):
                field.at(t)(x[:16], None)  # what is kept of the data is made once
            truth = whole.at(t)(x[:8].double(), None)
            yield {
                "process": name,
                "noise": t,
                "float32": ratio(partial(float32.at(t), x, None), attention(x, data), times),
                "bfloat16": ratio(partial(bfloat16.at(t), x, None), attention(x, data), times),
                "error": float((float32.at(t)(x[:8], None) - truth).abs().max()),
                "error bfloat16": float((bfloat16.at(t)(x[:8], None) - truth).square().mean().sqrt()),
            }


def _last(walk: Callable[[], Iterator[object]]) -> None:
    for _ in walk():
        pass


def plain_steps(process: LinearProcess, data: Tensor, times: list[float], n: int) -> float:
    """Seconds that the field over all points, in float32 or 64, takes at all times, from a few of them."""
    field = ExactField(process, data, prune=False)
    field._all.points.__dict__.update(
        bytes=None, digits=None
    )  # in floats, as before points were whole numbers
    some, total = times[::6], 0.0
    for t in some:
        x, _ = states(process, data, t, n)
        total += seconds(partial(field.at(t), x, None))
    return total * len(times) / len(some)


def whole_trajectory(
    data: Tensor, labels: Tensor, name: str, steps: int, n: int
) -> Iterator[dict[str, object]]:
    """One row for each way to walk: seconds, and how often faster than the field over all points."""
    process = parse(name)
    times = process.times(steps, jump=0.4 * steps).tolist()
    start = process.prior(n, data.shape[1:], torch.Generator().manual_seed(0))
    asked = labels[torch.randint(len(labels), (n,), generator=torch.Generator().manual_seed(1))]
    x, _ = states(process, data, 1.0, n)
    once = median(seconds(attention(x, data)) for _ in range(3))
    made = seconds(lambda: ExactField(process, data))
    plain = plain_steps(process, data, times, n)
    yield {"process": name, "field": "made", "seconds": made, "speed-up": plain / made}
    yield {"process": name, "field": "all points", "seconds": plain, "speed-up": 1.0}
    yield {
        "process": name,
        "field": "attention alone",
        "seconds": once * steps,
        "speed-up": plain / once / steps,
    }
    for field, label, what in (
        (ExactField(process, data), None, "float32"),
        (ExactField(process, data, precision="bfloat16"), None, "bfloat16"),
        (ExactField(process, data, labels=labels), asked, "float32, by class"),
    ):
        walk = partial(trajectory, process, field, start, steps=steps, label=label)
        taken = seconds(partial(_last, walk))
        yield {"process": name, "field": what, "seconds": taken, "speed-up": plain / taken}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="../shared/data/fashion-mnist")
    parser.add_argument("--points", type=int, default=60_000)
    parser.add_argument("--states", type=int, default=256)
    parser.add_argument("--laws", nargs="*", default=LAWS)
    parser.add_argument("--levels", type=float, nargs="*", default=LEVELS)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", choices=("levels", "trajectory"))
    parser.add_argument("--floats", action="store_true", help="data that are no pictures of 256 levels")
    parser.add_argument("--no-vnni", action="store_true", help="as on a processor without it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.no_vnni:
        for module in (exact, exact_points):
            module.served = lambda device: False
    path = Path(args.data)
    source = load(path / "train-images-idx3-ubyte.gz" if path.is_dir() else path)
    data = usual_coder(source).to_model(source.values[: args.points])
    if args.floats:
        data = data + FLOATS * torch.randn(data.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(len(data)) % 10 if source.labels is None else source.labels[: args.points]
    rows: list[dict[str, object]] = []
    if args.only != "trajectory":
        for row in at_each_level(data, args.laws, args.levels, args.states, args.times):
            rows.append(row)
            if not args.json:
                show(row, 16)
    if args.only != "levels":
        for name in args.laws if args.only else args.laws[:3]:
            for row in whole_trajectory(data, labels, name, args.steps, args.states):
                rows.append(row)
                if not args.json:
                    show(row, 20)
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        print(*verdicts(rows), sep="\n")


def show(row: dict[str, object], width: int) -> None:
    """One line of a table."""
    cells = (f"{v:<{width}}" if isinstance(v, str) else f"{v:<10.3g}" for v in row.values())
    print(*cells, flush=True)


def verdicts(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    """What of the rows meets its bar."""
    worst = dict[str, float]()
    for row in rows:
        name = str(row["process"])
        if "noise" in row:
            worst[name] = max(worst.get(name, 0.0), float(str(row["float32"])))
        elif row["field"] == "float32":
            gain = float(str(row["speed-up"]))
            met = "met" if gain >= FASTER else "MISSED"
            yield f"{name}: a trajectory {gain:.1f} times as fast as all points (bar {FASTER:g}: {met})"
    for name, most in worst.items():
        bar = BARS[parse(name).noise.mixed]
        met = "met" if most <= bar else "MISSED"
        yield f"{name}: {most:.2f} of attention's time at most (bar {bar:g}: {met})"


if __name__ == "__main__":
    main()
