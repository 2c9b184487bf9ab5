"""A time signal: `python examples/time_signal.py [FILE.npy]`, new heartbeats from old.

Without a file it makes one first: 2,000 heartbeats, 64 places each, that differ in size and shape.
"""

import argparse
from pathlib import Path

import numpy as np

import unstir
from unstir.data import save_samples


def heartbeats(path: Path, n: int = 2000, length: int = 64) -> Path:
    """Write `n` beats as floats `(n, 1, length)`: the waves P, Q, R, S, T, each a bump of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, length)
    places, widths = np.array([0.2, 0.36, 0.4, 0.44, 0.7]), np.array([0.035, 0.012, 0.016, 0.014, 0.06])
    heights = np.array([0.15, -0.12, 1.0, -0.25, 0.3]) * (1 + 0.2 * rng.standard_normal((n, 5)))
    places = 0.4 + (places - 0.4) * rng.uniform(0.8, 1.2, (n, 1)) + 0.05 * rng.standard_normal((n, 1))
    bumps = np.exp(-0.5 * ((time - places[..., None]) / widths[:, None]) ** 2)
    signal = (heights[..., None] * bumps).sum(1) + 0.01 * rng.standard_normal((n, length))
    np.save(path, signal[:, None].astype(np.float32))
    return path


def main(arguments: list[str] | None = None) -> None:
    """Train, draw, and show both; the main peak says whether hearts differ as they did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="floats (n, channels, length); made without")
    parser.add_argument("--out", type=Path, default=Path("runs/example-signal"))
    parser.add_argument("--steps", type=int, help="in place of a minute of training")
    given = parser.parse_args(arguments)
    file = given.file or heartbeats(given.out.with_name(given.out.name + ".npy"))

    budget = {"steps": given.steps} if given.steps else {"minutes": 1}
    run = unstir.fit("edm", file, out=given.out, network="unet1d:small", **budget)
    real, new = unstir.data.load(file).values, run.sample(500)
    save_samples(given.out / "real.png", real[:16], kind="signal")
    save_samples(given.out / "new.png", new[:16], kind="signal")

    for name, beats in (("real", real), ("new", new)):
        height, place = beats.amax(2), beats.argmax(2).float()
        print(f"{name:5} peak: height {height.mean():.2f} ± {height.std():.2f}, ", end="")
        print(f"place {place.mean():.1f} ± {place.std():.1f}")
    print(f"open    {given.out / 'real.png'}\nopen    {given.out / 'new.png'}")


if __name__ == "__main__":
    main()
