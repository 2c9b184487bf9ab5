"""What each default of training on images is worth: one switched off at a time, at an equal number of images.

    python benchmarks/levers.py ../shared/data/fashion-mnist [--images 30000] [--process edm]

Each row is `unstir train` with what its first column says, measured as by `quality.py`; images a second are
those of the training alone. Classes are not learned, so that the rows can be compared with older ones.
"""

import argparse
import json
from pathlib import Path

from quality import COUNT, figures, show, trained, yardstick

ROWS = {
    "defaults": [],
    "Adam": ["--optimizer", "adam"],
    "batch 128": ["--batch", "128"],
    "batch 32": ["--batch", "32"],
    "one component (Wiener)": ["--sketch", "1"],
    "no sketch": ["--sketch", "0"],
    "no sketch, Adam": ["--sketch", "0", "--optimizer", "adam"],
    "diffusers' U-Net": ["--network", "unet"],
    "diffusers' U-Net, no sketch, Adam": ["--network", "unet", "--sketch", "0", "--optimizer", "adam"],
}


def main() -> None:
    """Train each, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--process", default="edm")
    parser.add_argument("--rows", nargs="+", default=list(ROWS))
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    arguments = parser.parse_args()
    space, train, test, fake, fitted = yardstick(arguments.data)
    print(f"{'':34}" + "".join(f"{key:>12}" for key in figures(space, fake, None, train, test, fitted)))
    for name in arguments.rows:
        options = ROWS[name]
        batch = int(options[options.index("--batch") + 1]) if "--batch" in options else 64
        budget = ["--steps", str(round(arguments.images / batch)), "--no-labels"]
        out = arguments.out / f"{arguments.process.replace(':', '-')}-{name.replace(' ', '-')}"
        run, _ = trained(arguments.data, arguments.process, budget + options, out)
        row = figures(space, run.sample(COUNT), None, train, test, fitted)
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        show(name, row)
        print(f"{'':8}{batch * run.step / lines[-1]['seconds']:.0f} images a second")


if __name__ == "__main__":
    main()
