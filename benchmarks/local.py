"""The field of patches beside the exact field: time, novelty and quality, with no training at all.

    python benchmarks/local.py digits ../shared/data/fashion-mnist [-n 256] [--process edm] [--json]

For each data set: seconds to prepare (windows chosen on held-out images) and to draw 64 images, by the wall
and by the processor; novelty of `n` samples (distance to the nearest training image over that of test images)
and the Fréchet distance to test images in the logits of a classifier (`benchmarks/features.py`), beside as
many real training images and the exact field's samples.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor

from features import Features, features, read_pair
from unstir import untrained
from unstir.measure import memorised
from unstir.untrained import Untrained

_TIMED = 64


def main() -> None:
    """Measure each data set, and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--process", default="edm")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {path.name: measure(path, arguments.process, arguments.n) for path in arguments.data}
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{torch.get_num_threads()} threads, process {arguments.process}, n = {arguments.n}")
    for name, rows in found.items():
        print(f"{name:<15}  prepare    64 images (processor)   novelty  share nearer  Fréchet")
        for field, row in rows.items():
            timed = (
                f"{row['prepare']:7.1f} s  {row['draw']:7.1f} s ({row['processor']:7.1f} s)"
                if "draw" in row
                else " " * 32
            )
            print(f"{field:<15}  {timed}  {row['novelty']:8.2f}  {row['share']:12.2f}  {row['frechet']:7.3f}")


def measure(path: Path, process: str, n: int) -> dict[str, dict[str, float]]:
    """Figures of the exact field, the local one and real data."""
    train, test = read_pair(path)
    space, half, rows = features(path), min(len(test) // 2, 5000), {}
    reference, others = test.values[:half], test.values[half:]
    for name, make in (("exact", untrained.exact), ("local", untrained.local)):
        start = time.perf_counter()
        field = make(process, train)
        prepared = time.perf_counter() - start
        seconds, processor = _timed(field)
        samples = field.sample(n)
        rows[name] = {"prepare": prepared, "draw": seconds, "processor": processor}
        rows[name] |= _figures(samples, train.values, reference, space)
    rows["training images"] = _figures(train.values[:n], train.values, reference, space)
    rows["test images"] = _figures(others[:n], train.values, reference, space)
    return rows


def _timed(field: Untrained) -> tuple[float, float]:
    start, processor = time.perf_counter(), time.process_time()
    field.sample(_TIMED, seed=1)
    return time.perf_counter() - start, time.process_time() - processor


def _figures(samples: Tensor, train: Tensor, test: Tensor, space: Features) -> dict[str, float]:
    copied = memorised(samples, train, test[:1000])
    return {
        "novelty": copied.ratio or 0.0,
        "share": copied.share,
        "frechet": space.distance(samples, test),
    }


if __name__ == "__main__":
    main()
