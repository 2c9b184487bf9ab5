"""What fewer passes over memory save in a step of training, each by turns with what it replaced.

    OMP_NUM_THREADS=1 python benchmarks/passes.py [--rounds 15]

Processor time of one thread, forward and backward in bfloat16, batch 64; the lower quartile over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional

from training import BATCH, UNET
from unstir.fields import build_network
from unstir.fields.patchunet import _modulated
from unstir.train import muon

_COEFFICIENTS = (3.4445, -4.775, 2.0315)
Works = dict[str, Callable[[], object]]


def measured(works: Works, rounds: int) -> None:
    """Print milliseconds of each, and as a share of the first."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name in list(works)[:: -1 if turn % 2 else 1]:
            begun = time.process_time()
            works[name]()
            seconds[name].append(time.process_time() - begun)
    found = {name: 1000 * statistics.quantiles(each[1:], n=4)[0] for name, each in seconds.items()}
    first = next(iter(found.values()))
    for name, each in found.items():
        print(f"{name:58} {each:8.2f} ms  {each / first:6.3f}", flush=True)


def blocks() -> Works:
    """The U-Net with diffusers' own blocks, and as unstir has it."""
    ours = build_network("unet", (2, 32, 32), UNET, (1, 32, 32)).unet
    x, level = torch.randn(BATCH, 2, 32, 32), torch.zeros(BATCH)

    def step(network: nn.Module) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            made = network(x, level, return_dict=False)[0]
        made.sum().backward()
        network.zero_grad()

    theirs = UNet2DModel.from_config(ours.config)
    return {"U-Net, diffusers' own blocks": lambda: step(theirs), "U-Net, sums in place": lambda: step(ours)}


def norms(features: int, side: int) -> Works:
    """A group norm and its modulation: in two passes, in the norm's, with channels last, and a layer norm."""
    shape, norm = (BATCH, features, side, side), nn.GroupNorm(8, features)
    scale, shift = (torch.randn(BATCH, features).bfloat16().requires_grad_() for _ in range(2))
    first = torch.randn(shape).bfloat16().requires_grad_()
    last = first.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    up = torch.randn(shape).bfloat16()

    def plain(x: Tensor) -> Tensor:
        made: Tensor = norm(x) * (1 + scale)[:, :, None, None] + shift[:, :, None, None]
        return made

    def layer(x: Tensor) -> Tensor:
        rows = functional.layer_norm(x.permute(0, 2, 3, 1), (features,), norm.weight, norm.bias)
        return rows.permute(0, 3, 1, 2)

    name = f"group norm of {features}×{side}×{side}"
    return {
        f"{name} and modulation": lambda: plain(first).backward(up),
        f"{name}, modulated at once": lambda: _modulated(norm, first, scale, shift).backward(up),
        f"{name} alone": lambda: norm(first).backward(up),
        f"{name} alone, channels last": lambda: norm(last).backward(up),
        f"layer norm of {features}×{side}×{side}, channels last": lambda: layer(last).backward(up),
    }


def products(count: int, rows: int, columns: int) -> Works:
    """Muon's orthogonal steps by the long products alone, and by those of the rows."""
    stack = torch.randn(count, rows, columns)

    def made(at_once: int) -> None:
        with patch.object(muon, "_AT_ONCE", at_once):
            muon.orthogonal(stack, _COEFFICIENTS, 5)

    name = f"Muon of {count} matrices of {rows}×{columns}"
    return {name: lambda: made(1), f"{name}, by rows": lambda: made(3)}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for works in (
        blocks(), norms(64, 16), norms(128, 8), products(6, 128, 1152), products(20, 64, 576),
    ):  # fmt: skip
        measured(works, rounds)


if __name__ == "__main__":
    main()
