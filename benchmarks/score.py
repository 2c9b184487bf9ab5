"""Do outlier scores tell unusual images? AUROC of `unstir score` on changed images, beside simpler ways.

    python benchmarks/score.py RUN [RUN ...] [--other DATA] [--n 1000] [--likelihood 0] [--json]

Usual are the run's held-out images; unusual are the same ones changed: inverted, turned by 90°, upside down,
mirrored, blurred, with noise of an eighth of the grey scale, with their pixels in another order (one for
all), and noise alone; with `--other` the images of another data set, scaled to the run's size. Each figure is
the chance that a changed image is above a usual one: 0.5 is blind, below 0.5 is fooled.

    score        `unstir score`: how hard and how easy each noise level is, against the usual
    surprise     minus the log-likelihood by the flow, of `--likelihood` images (0 leaves it out)
    gaussian     the distance from a Gaussian fit to the training images
    nearest      the distance to the nearest training image
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import unstir
from unstir.likelihood import likelihood
from unstir.measure.memorisation import nearest
from unstir.run import Run
from unstir.scoring import Reference, auroc, errors

RIDGE = 1e-3  # of the mean variance, added to the Gaussian's


def noisy(images: Tensor, seed: int) -> Tensor:
    """With normal noise of an eighth of the grey scale."""
    noise = 32 * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def blurred(images: Tensor) -> Tensor:
    """Each pixel the mean of three by three."""
    padded = torch.nn.functional.pad(images.float(), (1, 1, 1, 1), mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, 3, 1).round().to(torch.uint8)


def shuffled(images: Tensor) -> Tensor:
    """With the pixels in another order, the same for all."""
    order = torch.randperm(images[0, 0].numel(), generator=torch.Generator().manual_seed(1))
    return images.flatten(2)[:, :, order].reshape(images.shape)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "inverted": lambda images: 255 - images,
    "turned by 90°": lambda images: images.rot90(1, (2, 3)),
    "upside down": lambda images: images.flip(2),
    "mirrored": lambda images: images.flip(3),
    "blurred": blurred,
    "with noise": lambda images: noisy(images, 0),
    "pixels shuffled": shuffled,
    "noise alone": lambda images: noisy(torch.full_like(images, 128), 1),
}


class Gaussian:
    """The Mahalanobis distance from a Gaussian fit."""

    def __init__(self, train: Tensor) -> None:
        x = train.flatten(1).double()
        self.mean, covariance = x.mean(0), x.T.cov()
        ridge = RIDGE * float(covariance.diagonal().mean())
        self.inverse = torch.linalg.inv(covariance + ridge * torch.eye(len(covariance)))

    def __call__(self, images: Tensor) -> Tensor:
        """Of each image, `(n,)`."""
        away = images.flatten(1).double() - self.mean
        return (away @ self.inverse * away).sum(1)


def measured(run: Run, n: int, likely: int, other: str | None) -> list[dict[str, float | str]]:
    """One row for each change."""
    train, heldout = run.data()
    if heldout.kind != "image":
        raise SystemExit(f"{run.path}: holds no images")
    usual = heldout.values[:n]
    gaussian = Gaussian(train.values[:20_000])

    def surprise(images: Tensor) -> Tensor:
        return -likelihood(run, images[:likely]).nats

    def apart(images: Tensor) -> Tensor:
        return nearest(images, train.values)[1]

    known = {"gaussian": gaussian(usual), "nearest": apart(usual)}
    if likely:
        known["surprise"] = surprise(usual)
    sets = {name: change(usual) for name, change in CHANGES.items()}
    if other is not None:
        images = unstir.data.load(other).values[:n].float()
        size = tuple(usual.shape[2:])
        scaled = torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)
        sets[f"of {Path(other).name}"] = scaled.round().clamp(0, 255).to(torch.uint8)
    rows: list[dict[str, float | str]] = []
    reference = Reference.of(errors(run, usual))
    for name, images in sets.items():
        scores = reference.score(errors(run, images))
        row: dict[str, float | str] = {"unusual": name, "score": auroc(scores, reference.scores)}
        if likely:
            row["surprise"] = auroc(surprise(images), known["surprise"])
        row["gaussian"] = auroc(gaussian(images), known["gaussian"])
        row["nearest"] = auroc(apart(images), known["nearest"])
        rows.append(row)
    return rows


def main() -> None:
    """Print a table for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--other")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--likelihood", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for path in arguments.runs:
        run = unstir.load(path)
        rows = measured(run, arguments.n, arguments.likelihood, arguments.other)
        if arguments.json:
            print(json.dumps({"run": str(path), "rows": rows}))
            continue
        print(
            f"{path}: {run.process.name}, AUROC against {min(arguments.n, run.info.heldout)} held-out images"
        )
        columns = list(rows[0])
        print("".join(f"{column:>18}" for column in columns))
        for row in rows:
            cells = (f"{v:>18.3f}" if isinstance(v, float) else f"{v:>18}" for v in row.values())
            print("".join(cells), flush=True)


if __name__ == "__main__":
    main()
