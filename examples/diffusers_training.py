"""Training code of diffusers, two lines changed for Poisson flow: `python examples/diffusers_training.py`."""

from __future__ import annotations

import argparse

import torch
from diffusers import UNet2DModel
from torch.nn.functional import mse_loss

import unstir
from unstir.interop.diffusers import PoissonScheduler


def main(steps: int, out: str, batch: int = 64) -> float:
    """Train, draw 64 digits into `out`, give the mean loss of the last tenth."""
    torch.manual_seed(0)
    images = unstir.data.load("digits").values.float() / 127.5 - 1
    model = UNet2DModel(
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(32, 64),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    scheduler = PoissonScheduler("poisson:D=128", clip_sample=True)  # was: DDPMScheduler(1000)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    losses = list[float]()
    for _ in range(steps):
        clean = images[torch.randint(len(images), (batch,))]
        noise = scheduler.draw_noise(clean)  # was: torch.randn_like(clean)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (batch,))
        noisy = scheduler.add_noise(clean, noise, timesteps)
        loss = mse_loss(model(noisy, timesteps).sample, noise)
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    scheduler.set_timesteps(20)
    x = scheduler.prior(64, (1, 8, 8), torch.Generator().manual_seed(0))
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(model(x, t).sample, t, x).prev_sample
    unstir.data.save_samples(out, ((x + 1) * 127.5).clamp(0, 255).round().to(torch.uint8))
    return sum(losses[-steps // 10 :]) / len(losses[-steps // 10 :])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", default="digits.png")
    given = vars(parser.parse_args())
    print(f"loss {main(**given):.3f}\nopen {given['out']}")
