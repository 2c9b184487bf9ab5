"""Restoration: `python examples/restoration.py [RUN]`, digits with a hole, and what may have been there.

The run knows nothing of holes: it is trained on whole images. The hole is a measurement, and the posterior is
drawn several times given what was measured: where draws differ, the image does not say.
"""

import argparse
from pathlib import Path

import torch

import unstir
from unstir.conditions import Seen
from unstir.restore import psnr, restore, rows_picture

FULL = 255


def main(arguments: list[str] | None = None) -> None:
    """Train, cut holes, fill them, and show what was seen, three answers, their mean, and the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, help="of a linear process on images; trained without")
    parser.add_argument("--out", type=Path, default=Path("runs/example-restoration"))
    parser.add_argument("--steps", type=int, help="in place of a minute of training")
    given = parser.parse_args(arguments)

    budget = {"steps": given.steps} if given.steps else {"minutes": 1}
    run = unstir.load(given.run) if given.run else unstir.fit("edm", "digits", out=given.out, **budget)
    _, heldout = unstir.data.load(run.config.data).split(run.config.holdout, run.config.seed)
    clean = heldout.values[:8]

    height, width = clean.shape[-2:]
    keep = torch.ones(height, width, dtype=torch.bool)
    keep[height // 4 : -(height // 4), width // 4 : -(width // 4)] = False  # a hole in the middle
    hole, noise = Seen(keep, sigma=0.02), torch.Generator().manual_seed(0)
    observed = hole(clean / FULL)
    observed = observed + hole.sigma * torch.randn(observed.shape, generator=noise)

    answers = restore(run, observed, hole, samples=4, steps=20)  # uint8 (n, 4, channels, height, width)
    mean = answers.float().mean(1).round().byte()
    seen = torch.where(keep, clean, FULL // 2).byte()
    given.out.mkdir(parents=True, exist_ok=True)
    shown = {"seen": seen, **{f"answer {k + 1}": answers[:, k] for k in range(3)}, "mean of four": mean}
    rows_picture("Digits with a hole", shown | {"truth": clean}).save(given.out / "restored.png")

    for name, images in (("the hole in grey", seen), ("one answer", answers[:, 0]), ("mean of four", mean)):
        print(f"{name:18} {psnr(images, clean):5.1f} dB")
    print(f"open    {given.out / 'restored.png'}   seen, three answers, their mean, the truth")


if __name__ == "__main__":
    main()
