"""Images of your own: `python examples/images.py [FOLDER]`, a minute of training, then a grid to look at.

Without a folder it makes one first: 1,000 pictures of the moon, 16×16, of all phases, tilts and places.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import unstir
from unstir.data import image_grid


def moons(folder: Path, n: int = 1000, side: int = 16) -> Path:
    """Write `n` pictures of a moon in a clear sky."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] + 0.5
    for number in range(n):
        radius, tilt, phase = rng.uniform(4, 6.5), rng.uniform(0, 2 * np.pi), rng.uniform(-0.9, 0.9)
        centre = rng.uniform(radius + 1, side - radius - 1, 2)
        u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
        along, across = u * np.cos(tilt) + v * np.sin(tilt), v * np.cos(tilt) - u * np.sin(tilt)
        disc = np.clip((1 - np.hypot(u, v)) * radius + 0.5, 0, 1)
        lit = np.clip((along - phase * np.sqrt(np.clip(1 - across**2, 0, 1))) * radius + 0.5, 0, 1)
        light = (disc * (0.12 + 0.88 * lit))[..., None]
        colour = np.array([250, 236, 200]) * light + np.array([12, 16, 48]) * (1 - light)
        Image.fromarray(colour.astype(np.uint8)).save(folder / f"{number:04}.png")
    return folder


def main(arguments: list[str] | None = None) -> None:
    """Train, draw, measure, show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="images; F:size=32 of any sizes; made without")
    parser.add_argument("--out", type=Path, default=Path("runs/example-images"))
    parser.add_argument("--steps", type=int, help="in place of a minute of training")
    given = parser.parse_args(arguments)
    folder = given.folder or moons(given.out.with_name(given.out.name + "-data"))

    budget = {"steps": given.steps} if given.steps else {"minutes": 1}
    run = unstir.fit("poisson:D=128", folder, out=given.out, **budget)
    images = run.sample(64)
    image_grid(images).save(given.out / "new.png")

    distance = run.evaluate(200)
    print(f"sliced Wasserstein distance {distance.samples.sliced_wasserstein:.4f}, ", end="")
    print(f"a Gaussian's {distance.baseline.sliced_wasserstein:.4f}")
    print(f"open    {given.out / 'new.png'}")


if __name__ == "__main__":
    main()
