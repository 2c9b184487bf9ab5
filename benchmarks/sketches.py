"""What a sketch alone leaves: the mean square error of its denoiser on held-out images, at each noise level.

    python benchmarks/sketches.py ../shared/data/cifar10

Components and axes are traded at an equal number of products. Data have standard deviation ½.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from features import read_pair
from unstir.fields.sketch import Sketch

SIZES = ((64, 32), (16, 128), (8, 256))
NOISE = (8, 4, 2, 1, 0.5, 0.25, 0.12, 0.06, 0.03)


def main() -> None:
    """Fit to 12,000 images, print what is left on 500 others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    values = read_pair(parser.parse_args().data)[0].values[:12_500].float()
    values = (values - values.mean()) * (0.5 / values.std())
    train, heldout = values[:12_000], values[12_000:]
    noise = torch.randn(heldout.shape, generator=torch.Generator().manual_seed(0))
    print("components  axes  " + "".join(f"{sigma:>8g}" for sigma in NOISE))
    for components, axes in SIZES:
        sketch = Sketch(heldout.shape[1:], components, axes)
        sketch.fit(train)
        one = torch.ones(len(heldout))
        errors = [
            float((sketch(heldout + sigma * noise, one, sigma**2 * one) - heldout).square().mean())
            for sigma in NOISE
        ]
        print(f"{components:10}  {axes:4}  " + "".join(f"{error:8.4f}" for error in errors), flush=True)


if __name__ == "__main__":
    main()
