"""What each default of training on images is worth: one changed at a time, at an equal number of images.

    python benchmarks/levers.py ../shared/data/fashion-mnist [--images 15000] [--process edm] [--rows NAME …]
    python benchmarks/levers.py digits …          by each run's own evaluation, in pixels

Each row is `unstir train` with what its first column says, measured as by `quality.py`, and the processor
seconds of that command, from its start to its own evaluation. The second row says how far chance alone goes.
Classes are not learned. With OMP_NUM_THREADS=1 the seconds are those of one core, whatever runs beside.
"""

import argparse
import json
import resource
from pathlib import Path

from quality import COUNT, figures, show, trained, yardstick
from unstir.data.builtin import BUILTIN

ROWS = {
    "defaults": [],
    "another seed": ["--seed", "1"],
    "Adam": ["--optimizer", "adam"],
    "learning rate halved": ["--lr", "2e-3"],
    "learning rate doubled": ["--lr", "8e-3"],
    "no warm-up": ["--warmup", "0"],
    "average over a fifth": ["--ema", "0.2"],
    "noise levels about 0.5, not 0.3": ["--noise-mean", "-0.7"],
    "batch 32": ["--batch", "32"],
    "batch 128": ["--batch", "128"],
    "one component (Wiener)": ["--sketch", "1"],
    "64 components of 16 axes": ["--sketch", "64", "--axes", "16"],
    "64 components of 32 axes": ["--sketch", "64", "--axes", "32"],
    "16 components of 128 axes": ["--sketch", "16", "--axes", "128"],
    "one floor, usual axes": ["--floors", "one"],
    "a floor for each mode": ["--floors", "modes"],
    "a floor for each mode, Adam": ["--floors", "modes", "--optimizer", "adam"],
    "no sketch": ["--sketch", "0"],
    "no sketch, Adam": ["--sketch", "0", "--optimizer", "adam"],
    "DiT": ["--network", "dit"],
    "diffusers' U-Net": ["--network", "unet"],
    "diffusers' U-Net, no sketch, Adam": ["--network", "unet", "--sketch", "0", "--optimizer", "adam"],
}


def by_itself(folder: Path, of: str = "samples") -> dict[str, float]:
    """What a run says of its samples, of a Gaussian fit (`baseline`) or of real items (`floor`)."""
    told = json.loads((folder / "evaluation.json").read_text())
    kinds = {"Fréchet": "frechet_distance", "SW": "sliced_wasserstein"}
    found = {name: told[of][kind] for name, kind in kinds.items()}
    found |= {name: told[of][name] for name in ("precision", "recall")}
    return found | {"novelty": told["memorisation_ratio"] if of == "samples" else float("nan")}


def spent() -> float:
    """Processor seconds of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Train each, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=15_000)
    parser.add_argument("--process", default="edm")
    parser.add_argument("--rows", nargs="+", default=list(ROWS))
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    arguments = parser.parse_args()
    plain = str(arguments.data) in BUILTIN
    if not plain:
        space, train, test, fake, fitted = yardstick(arguments.data)
        fit = figures(space, fake, None, train, test, fitted)
    for turn, name in enumerate(arguments.rows):
        options = ROWS[name]
        batch = int(options[options.index("--batch") + 1]) if "--batch" in options else 64
        budget = ["--steps", str(round(arguments.images / batch)), "--no-labels"]
        out = arguments.out / f"{arguments.process.replace(':', '-')}-{name.replace(' ', '-')}"
        before = spent()
        run, _ = trained(arguments.data, arguments.process, budget + options, out)
        seconds = spent() - before
        if turn == 0:
            others = (
                {"real": by_itself(out, "floor"), "Gaussian fit": by_itself(out, "baseline")}
                if plain
                else {"Gaussian fit": fit}
            )
            print(f"{'':34}" + "".join(f"{key:>12}" for key in [*others["Gaussian fit"], "cpu s"]))
            for other, row in others.items():
                show(other, row)
        found = by_itself(out) if plain else figures(space, run.sample(COUNT), None, train, test, fitted)
        show(name, found | {"cpu s": seconds})


if __name__ == "__main__":
    main()
