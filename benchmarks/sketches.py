"""What a sketch alone leaves: the mean square error of its denoiser on held-out images, at each noise level.

    python benchmarks/sketches.py ../shared/data/cifar10

Sketches of one floor trade components and axes at an equal number of products; those with a floor for each
mode take many more products an axis. The last column has processor seconds of a batch of 64.
Data have standard deviation ½.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from features import read_pair
from unstir.fields import ModalSketch, Sketch

SIZES = (
    *((Sketch, *size) for size in ((64, 32), (16, 128), (8, 256))),
    *((ModalSketch, *size) for size in ((32, 16), (64, 16), (8, 32))),
)
NOISE = (8, 4, 2, 1, 0.5, 0.25, 0.12, 0.06, 0.03)


def main() -> None:
    """Fit to 12,000 images, print what is left on 500 others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    values = read_pair(parser.parse_args().data)[0].values[:12_500].float()
    values = (values - values.mean()) * (0.5 / values.std())
    train, heldout = values[:12_000], values[12_000:]
    noise = torch.randn(heldout.shape, generator=torch.Generator().manual_seed(0))
    print("floors  components  axes  " + "".join(f"{sigma:>8g}" for sigma in NOISE) + f"{'cpu s':>8}")
    for kind, components, axes in SIZES:
        sketch = kind(heldout.shape[1:], components, axes)
        sketch.fit(train)
        one = torch.ones(len(heldout))
        errors = [
            float((sketch(heldout + sigma * noise, one, sigma**2 * one) - heldout).square().mean())
            for sigma in NOISE
        ]
        start = time.process_time()
        sketch(heldout[:64], one[:64], one[:64])
        row = "".join(f"{error:8.4f}" for error in errors) + f"{time.process_time() - start:8.3f}"
        print(f"{'one' if kind is Sketch else 'modes':6}  {components:10}  {axes:4}  {row}", flush=True)


if __name__ == "__main__":
    main()
