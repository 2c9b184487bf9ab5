"""What a step of the optimiser costs: unstir's Muon against torch's, on the matrices of the default network.

    python benchmarks/optimizer.py [--network unet] [--threads 2]
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python benchmarks/optimizer.py --float32

The second is what a processor without AVX-512 does: most laptops. `--float32` says what unstir would find
there by itself. Median milliseconds of `--steps`, by turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from unittest.mock import patch

import torch
from torch import nn

from unstir.fields import build_network
from unstir.train import muon
from unstir.train.optimizer import is_wide


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="patch-unet")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--float32", action="store_true", help="as where bfloat16 is not fast")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = build_network(arguments.network, (2, 32, 32), {}, (1, 32, 32))
    matrices = [p.detach().flatten(1) for p in network.parameters() if is_wide(p)]
    optimizers = {}
    for name, kind in (("torch", torch.optim.Muon), ("unstir", muon.Muon)):
        parameters = [nn.Parameter(matrix.clone()) for matrix in matrices]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizers[name] = kind(parameters)
    seconds: dict[str, list[float]] = {name: [] for name in optimizers}
    fast = muon.has_fast_bfloat16(torch.device("cpu")) and not arguments.float32
    with patch.object(muon, "has_fast_bfloat16", lambda _device: fast):
        for _ in range(arguments.steps + 1):
            for name, optimizer in optimizers.items():
                begun = time.perf_counter()
                optimizer.step()
                seconds[name].append(time.perf_counter() - begun)
    torchs, ours = (1000 * statistics.median(times[1:]) for times in seconds.values())
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{len(matrices)} matrices of {arguments.network}, {arguments.threads} threads, {capability}")
    print(f"torch.optim.Muon  {torchs:7.1f} ms\nunstir            {ours:7.1f} ms   {ours / torchs:.2f} of it")


if __name__ == "__main__":
    main()
