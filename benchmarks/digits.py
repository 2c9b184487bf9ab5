"""Every process on the same images with the same budget: `unstir train` as a user runs it, one table.

    python benchmarks/digits.py [--minutes 1] [--data digits] [--batch N] [--processes P …] [--json]

Needs a quiet machine: each training is alone. Sliced Wasserstein distance (SW) is to held-out images, beside
that of a full-covariance Gaussian fit and of real images at the same n; samples are in each run's folder.
Coins are measured against digits in black and white, which is what they make.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

PROCESSES = [
    *(
        "vp",
        "ve",
        "edm",
        "rectified",
        "poisson:D=128",
        "poisson:D=1",
        "pfgm",
        "yukawa:kappa=1",
        "levy:alpha=1.8",
    ),
    *("oscillator", "heat", "blurring", "heat_poisson:D=128", "langevin", "kac", "coins", "capacitor"),
]


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--batch", type=int, help="the default of unstir train where it is not given")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-digits"))
    parser.add_argument("--processes", nargs="+", default=PROCESSES)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    if not arguments.json:
        print("process              steps   wall s   SW       Gaussian   real     precision   coverage   new")
    for name in arguments.processes:
        folder = arguments.out / name.replace(":", "-").replace("=", "")
        command = [sys.executable, "-m", "unstir", "train", "--data", arguments.data, "--process", name]
        command += ["--minutes", str(arguments.minutes), "--out", str(folder), "--json"]
        command += ["--batch", str(arguments.batch)] if arguments.batch else []
        start = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        report = json.loads(done.stdout)
        figures = report["evaluation"]
        rows.append({"process": name, "wall_seconds": wall, **report})
        if not arguments.json:
            samples, floor = figures["samples"], figures["floor"]
            print(
                f"{name:20} {report['step']:5}   {wall:6.1f}   {samples['sliced_wasserstein']:.4f}   "
                f"{figures['baseline']['sliced_wasserstein']:.4f}     {floor['sliced_wasserstein']:.4f}   "
                f"{samples['precision']:.3f}       {samples['coverage']:.3f}      "
                f"{figures['memorisation_ratio']:.2f}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
