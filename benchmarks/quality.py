"""Quality for the time spent: `unstir train` with its defaults and a time alone, measured by a classifier.

    python benchmarks/quality.py ../shared/data/fashion-mnist --minutes 5 [--processes poisson:D=128 …]
    python benchmarks/quality.py DATA --samples FILE.npz …        measure samples that others made

Trains on the training images, draws 1,000 samples, as many of each class, and prints beside a full-covariance
Gaussian fit and real images: the Fréchet distance to the test images in the logits of `features.py`'s
classifier (FD) and its share of the Gaussian's, the share that the classifier takes for the class asked for,
precision and recall (k = 5), novelty (distance to the nearest of 10,000 training images over that of test
images), and grain, the share of pixels from 1 to 11 of 255, where a dark ground would be 0.
Needs a quiet machine, as each training is given all of it.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import unstir
from features import Features, features, read_pair
from unstir.data import Dataset
from unstir.measure import gaussian_fit, memorised, overlap

COUNT = 1000


def yardstick(data: Path) -> tuple[Features, Dataset, Dataset, Tensor, float]:
    """The classifier, training and test images, images of a Gaussian fit and their distance."""
    space = features(data)
    train, test = read_pair(data)
    fit = gaussian_fit(train.values[:20_000]).sample(COUNT, 0)
    fake = (fit * 255).round().clamp(0, 255).to(torch.uint8)
    return space, train, test, fake, space.distance(fake, test.values)


def train_source(data: Path) -> Path:
    """The file of training images in a folder of two."""
    for name in ("train-images-idx3-ubyte.gz", "train.zip"):
        if (data / name).exists():
            return data / name
    return data


def trained(data: Path, process: str, options: list[str], out: Path) -> tuple[unstir.Run, float]:
    """The run that `unstir train` makes with these options, and the wall time of all that it did."""
    command = [sys.executable, "-m", "unstir", "train", "--data", str(train_source(data))]
    command += ["--process", process, "--out", str(out), "--json", *options]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return unstir.load(out), time.perf_counter() - start


def figures(
    space: Features, samples: Tensor, label: Tensor | None, train: Dataset, test: Dataset, fitted: float
) -> dict[str, float]:
    """What is printed of a set of samples."""
    held, known = test.values[:COUNT], train.values[:10_000]
    distance = space.distance(samples, test.values)
    near = overlap(samples, held)
    asked = float("nan")
    if label is not None:
        asked = float((space.logits(samples).argmax(1) == label).float().mean())
    return {
        "FD": distance,
        "of Gaussian": distance / fitted,
        "asked": asked,
        "precision": near.precision,
        "recall": near.recall,
        "novelty": memorised(samples, known, held).ratio,
        "grain": float(((samples > 0) & (samples < 12)).float().mean()),
    }


def show(name: str, row: dict[str, float]) -> None:
    """One line of the table."""
    print(f"{name:34}" + "".join(f"{value:12.4f}" for value in row.values()), flush=True)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--processes", nargs="+", default=["poisson:D=128"])
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    parser.add_argument("--samples", nargs="*", type=Path, default=None)
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument(
        "--more", action="append", default=[], help="options of unstir train, as --more=--sketch=0"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    space, train, test, fake, fitted = yardstick(arguments.data)
    rows = {
        "real": figures(space, train.values[-COUNT:], train.labels[-COUNT:], train, test, fitted),
        "Gaussian fit": figures(space, fake, None, train, test, fitted),
    }
    if not arguments.json:
        print(f"classifier: test accuracy {space.accuracy:.4f}; n = {COUNT}")
        print(f"{'':34}" + "".join(f"{key:>12}" for key in rows["real"]))
        for name, row in rows.items():
            show(name, row)
    for path in arguments.samples or []:
        samples = torch.as_tensor(np.load(path)["samples"])[:COUNT]
        samples = samples[:, None] if samples.ndim == 3 else samples.permute(0, 3, 1, 2)
        rows[path.stem] = figures(space, samples, None, train, test, fitted)
        if not arguments.json:
            show(path.stem, rows[path.stem])
    for process in [] if arguments.samples else arguments.processes:
        out = arguments.out / f"{process.replace(':', '-').replace('=', '')}-{arguments.minutes:g}min"
        options = ["--minutes", str(arguments.minutes), *arguments.more]
        run, wall = trained(arguments.data, process, options, out)
        label = torch.arange(COUNT) % len(run.classes) if run.classes else None
        start = time.perf_counter()
        given = {} if label is None else {"label": label.tolist()}
        if arguments.guidance is not None:
            given["guidance"] = arguments.guidance
        samples = run.sample(COUNT, **given)
        seconds = time.perf_counter() - start
        row = figures(space, samples, label, train, test, fitted)
        name = f"{process}, {arguments.minutes:g} min"
        rows[name] = row | {"steps": run.step, "wall_seconds": wall, "sample_seconds": seconds}
        if not arguments.json:
            show(name, row)
            print(f"{'':8}{run.step} steps, {wall:.0f} s in all; {COUNT} samples in {seconds:.0f} s; {out}")
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
