"""What one gets without unstir: diffusers' own example of training an unconditional image model.

    python benchmarks/rival.py DATA --minutes 5 --out runs/rival/samples.npz -n 1000 [--json]

The loop of `examples/unconditional_image_generation/train_unconditional.py` (diffusers, August 2026) as the
command in its README runs it, written anew: DDPM's 1000 levels, the network tells the noise, AdamW (1e-4,
betas 0.95 and 0.999, decay 1e-6) after 500 steps of warm-up on a cosine over 100 epochs, gradients clipped at
1, averaged weights (`EMAModel` with warm-up, power ¾), float32, through accelerate. In its favour the images
lie decoded and scaled in memory, and there is no tracker, progress bar or checkpoint. Random flips are left
out: letters and shoes have a side. Batch 64 in place of 16, as for unstir beside it.

The network is diffusers' `UNet2DModel` with (32, 64, 64) features, its two layers each, plain blocks and all
else as it comes: 1.54 million parameters for one channel. The example's own has 114 million, made for GPUs.

Samples are drawn with the averaged weights. The pipeline's 1000 steps of DDPM take over an hour for 1000
images on two cores; DDIM with its usual 50 is the default here, `--sampler ddpm --sampling-steps 1000` the
other.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDIMPipeline, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

CHANNELS = (32, 64, 64)
_LEVELS, _EPOCHS, _WARMUP = 1000, 100, 500
_MULTIPLE = 2 ** (len(CHANNELS) - 1)  # of the sides that its U-Net takes
_PIPELINES = {"ddim": (DDIMPipeline, 50), "ddpm": (DDPMPipeline, 1000)}
_SHOWN = 64  # images of the picture beside the samples
_PART = 64  # images drawn at once: a third faster on a processor than 250


def rival_network(shape: tuple[int, ...]) -> UNet2DModel:
    """diffusers' U-Net of 1.54 million parameters for images `(channels, height, width)`."""
    return UNet2DModel(
        sample_size=shape[1:],
        in_channels=shape[0],
        out_channels=shape[0],
        block_out_channels=CHANNELS,
        layers_per_block=2,
        down_block_types=("DownBlock2D",) * len(CHANNELS),
        up_block_types=("UpBlock2D",) * len(CHANNELS),
    )


def scaled(images: Tensor) -> Tensor:
    """Bytes `(n, channels, height, width)` in [-1, 1], filled up to sides that the U-Net takes."""
    height, width = images.shape[2:]
    return functional.pad(
        images.float() / 127.5 - 1, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), value=-1.0
    )


class Example:
    """The example's loop, a step at a time.

    Args:
        images: in [-1, 1], `(n, channels, height, width)`.
        network: a `UNet2DModel` for them.
        batch: images a step.
    """

    def __init__(self, images: Tensor, network: UNet2DModel, batch: int = 64) -> None:
        self.batch = batch
        self.accelerator = Accelerator(mixed_precision="no", gradient_accumulation_steps=1)
        self.scheduler = DDPMScheduler(num_train_timesteps=_LEVELS)
        self.average = EMAModel(
            network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        loader = DataLoader(TensorDataset(images), batch_size=batch, shuffle=True)
        schedule = get_scheduler(
            "cosine", optimizer, num_warmup_steps=_WARMUP, num_training_steps=_EPOCHS * len(loader)
        )
        self.network, self.optimizer, self._loader, self._schedule = self.accelerator.prepare(
            network, optimizer, loader, schedule
        )
        self.average.to(self.accelerator.device)
        self._batches = self._endless()

    def step(self) -> float:
        """One step of the optimiser; its loss."""
        clean = next(self._batches)
        noise = torch.randn_like(clean)
        level = torch.randint(0, _LEVELS, (len(clean),), device=clean.device)
        with self.accelerator.accumulate(self.network):
            guess = self.network(self.scheduler.add_noise(clean, noise, level), level).sample
            loss = functional.mse_loss(guess, noise)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self._schedule.step()
            self.optimizer.zero_grad()
        self.average.step(self.network.parameters())
        return float(loss.detach())

    def averaged(self) -> UNet2DModel:
        """The network with its averaged weights, no longer to be trained."""
        network = self.accelerator.unwrap_model(self.network)
        self.average.copy_to(network.parameters())
        return network.eval()

    def _endless(self) -> Iterator[Tensor]:
        self.network.train()
        while True:
            for (clean,) in self._loader:
                if len(clean) == self.batch:  # so that images a second are steps times batch
                    yield clean


def draw(network: UNet2DModel, n: int, sampler: str, steps: int, seed: int) -> np.ndarray[Any, Any]:
    """Images as bytes `(n, height, width, channels)` by one of diffusers' pipelines."""
    pipeline = _PIPELINES[sampler][0](unet=network, scheduler=DDPMScheduler(num_train_timesteps=_LEVELS))
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator(network.device).manual_seed(seed)
    parts = [
        pipeline(
            batch_size=min(_PART, n - begun), generator=generator, num_inference_steps=steps, output_type="np"
        ).images
        for begun in range(0, n, _PART)
    ]
    return (np.concatenate(parts) * 255).round().astype(np.uint8)


def main() -> None:
    """Train for the time given, and write samples."""
    from features import read_pair
    from unstir.data.picture import image_grid

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("runs/rival/samples.npz"))
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--sampler", choices=list(_PIPELINES), default="ddim")
    parser.add_argument("--sampling-steps", type=int)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    train, _ = read_pair(arguments.data)
    if train.kind != "image" or len(train) < arguments.batch:
        sys.exit(f"{arguments.data}: give at least {arguments.batch} images")
    torch.manual_seed(arguments.seed)
    images = scaled(train.values)
    example = Example(images, rival_network(tuple(images.shape[1:])), arguments.batch)
    begun = time.perf_counter()
    steps, losses = 0, list[float]()
    while time.perf_counter() - begun < 60 * arguments.minutes:
        losses = [*losses[-99:], example.step()]
        steps += 1
    seconds = time.perf_counter() - begun
    sampling_steps = arguments.sampling_steps or _PIPELINES[arguments.sampler][1]
    begun = time.perf_counter()
    samples = draw(example.averaged(), arguments.n, arguments.sampler, sampling_steps, arguments.seed)
    _, channels, height, width = train.values.shape
    samples = samples[:, :height, :width]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    few = torch.as_tensor(samples[:_SHOWN]).permute(0, 3, 1, 2)
    image_grid(few).save(arguments.out.with_suffix(".png"))
    np.savez_compressed(arguments.out, samples=samples[..., 0] if channels == 1 else samples)
    report = {
        "data": str(arguments.data),
        "parameters": sum(p.numel() for p in example.network.parameters()),
        "steps": steps,
        "batch": arguments.batch,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "images_per_second": steps * arguments.batch / seconds,
        "loss": math.fsum(losses) / len(losses),
        "sampler": arguments.sampler,
        "sampling_steps": sampling_steps,
        "sampling_seconds": time.perf_counter() - begun,
        "samples": str(arguments.out),
    }
    if arguments.json:
        print(json.dumps(report))
        return
    rate, loss, took = (report[key] for key in ("images_per_second", "loss", "sampling_seconds"))
    print(f"{steps} steps of {arguments.batch} in {seconds:.0f} s ({rate:.0f} images/s), loss {loss:.4f}")
    print(f"{len(samples)} samples by {arguments.sampler}, {sampling_steps} steps, in {took:.0f} s")
    print(arguments.out)


if __name__ == "__main__":
    main()
