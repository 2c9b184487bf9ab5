"""What fewer passes over memory save in a step of training, each by turns with what it replaced.

    OMP_NUM_THREADS=1 python benchmarks/passes.py [--rounds 15]

Processor time of one thread, forward and backward in bfloat16, batch 64; the lower quartile over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional

from training import BATCH, UNET
from unstir.fields import build_network
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
    ours = build_network("unet", (2, 32, 32), UNET, (1, 32, 32)).body
    x, level = torch.randn(BATCH, 2, 32, 32), torch.zeros(BATCH)

    def step(network: nn.Module) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            made = network(x, level, return_dict=False)[0]
        made.sum().backward()
        network.zero_grad()

    theirs = UNet2DModel.from_config(ours.config)
    return {"U-Net, diffusers' own blocks": lambda: step(theirs), "U-Net, sums in place": lambda: step(ours)}


def norms(features: int, side: int) -> Works:
    """Group norms of 8 and of 16 features a group, in both layouts, a layer norm, and what follows them."""
    shape = (BATCH, features, side, side)
    first = torch.randn(shape).bfloat16().requires_grad_()
    last = first.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    ups = {id(x): torch.randn(shape).bfloat16().to(memory_format=layout(x)) for x in (first, last)}

    def group(x: Tensor, together: int) -> None:
        functional.group_norm(x, features // together).backward(ups[id(x)])

    def layer() -> None:
        rows = functional.layer_norm(last.permute(0, 2, 3, 1), (features,))
        rows.permute(0, 3, 1, 2).backward(ups[id(last)])

    size = f"of {features}×{side}×{side}"
    return {
        f"groups of 8 {size}": lambda: group(first, 8),
        f"groups of 16 {size}": lambda: group(first, 16),
        f"groups of 8 {size}, channels last": lambda: group(last, 8),
        f"groups of 16 {size}, channels last": lambda: group(last, 16),
        f"layer norm {size}, channels last": layer,
        f"silu {size}": lambda: functional.silu(last).backward(ups[id(last)]),
        f"hard swish {size}": lambda: functional.hardswish(last).backward(ups[id(last)]),
    }


def layout(x: Tensor) -> torch.memory_format:
    """How the features of `x` lie."""
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def networks(name: str, options: dict[str, Any], *, bfloat16: bool) -> Works:
    """A network's step with channels first and last."""
    x, level = torch.randn(BATCH, 2, 32, 32), torch.zeros(BATCH)

    def step(network: nn.Module) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            made = network(x, level, None)
        made.sum().backward()
        network.zero_grad()

    made = build_network(name, (2, 32, 32), options, (1, 32, 32))
    last = build_network(name, (2, 32, 32), options, (1, 32, 32)).to(memory_format=torch.channels_last)
    title = f"{name}, {'bfloat16' if bfloat16 else 'float32'}"
    return {f"{title}": lambda: step(made), f"{title}, channels last": lambda: step(last)}


def products(count: int, rows: int, columns: int) -> Works:
    """Muon's orthogonal steps by the long products at every step, and by those of the rows."""
    stack = torch.randn(count, rows, columns)

    def made(at_once: int) -> None:
        with patch.object(muon, "_AT_ONCE", at_once):
            muon.orthogonal([stack], _COEFFICIENTS, 5)

    name = f"Muon of {count} matrices of {rows}×{columns}"
    return {name: lambda: made(1), f"{name}, by rows": lambda: made(3)}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    kinds: list[tuple[str, dict[str, Any]]] = [("patch-unet", {}), ("unet", UNET)]
    pairs = [networks(*kind, bfloat16=bfloat16) for kind in kinds for bfloat16 in (True, False)]
    for works in (
        *pairs, blocks(), norms(64, 16), norms(128, 8), products(6, 128, 1152), products(20, 64, 576),
    ):  # fmt: skip
        measured(works, rounds)


if __name__ == "__main__":
    main()
