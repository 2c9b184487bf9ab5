"""`unstir restore`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say, say_passed_over
from unstir.cli.options import Json, Seed
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.run import Run


def restore(
    run: Annotated[Path, typer.Argument(help="A run of a bridge: --process bridge:task=deblur.")],
    target: Annotated[Path, typer.Option("--out", help=".npz, .png (a grid), or a folder of PNGs.")],
    source: Annotated[
        str | None,
        typer.Option("--input", help="Images: a folder, file or built-in name; held-out data without."),
    ] = None,
    degrade: Annotated[
        bool, typer.Option("--degrade", help="The input is clean: put the run's own task on it first.")
    ] = False,
    n: Annotated[int | None, typer.Option("-n", "--number", min=1, help="The first so many only.")] = None,
    solver: Annotated[
        str | None, typer.Option(help="posterior (default): one of those it may be; or mean: smoother.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; 1 is the best guess.")] = None,
    seed: Seed = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Rows degraded, restored and clean, as .png; OUT-rows.png by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Restore degraded images by a trained bridge."""
    from unstir.bars import sampling_bar
    from unstir.data import check_target, save_samples
    from unstir.restore import bridge_of, psnr, rows_picture
    from unstir.restore import degrade as degraded_by
    from unstir.run import load
    from unstir.train.storage import explained

    opened = load(run, device=device)
    say_passed_over(opened)
    bridge_of(opened)
    if source is None and not degrade:
        raise InputError("input: give degraded images with --input; or --degrade, for the held-out data")
    images = _images(opened, source, n)
    check_target(target, tuple(images.shape))
    rows = picture or target.with_name(f"{target.stem}-rows.png")
    given = degraded_by(opened, images, seed) if degrade else images
    with sampling_bar(len(given), err) as watch:
        restored = opened.sample(len(given), solver=solver, steps=steps, seed=seed, start=given, watch=watch)
    path = save_samples(target, restored)
    with explained(rows):
        rows_picture(given, restored, *([images] if degrade else [])).save(rows)
    report = {"out": str(path), "picture": str(rows), "n": len(given)}
    figures = (
        {"psnr_degraded": psnr(given, images), "psnr_restored": psnr(restored, images)} if degrade else {}
    )
    if as_json:
        print_json(report | {key: round(value, 3) for key, value in figures.items()})
        return
    if degrade:
        before, after = figures.values()
        say(f"PSNR {before:.2f} dB degraded, ", (f"{after:.2f} dB restored", "bold"), console=out)
    say(f"{len(given)} images: ", (str(path), "bold"), f", compared in {rows}", console=out)


def _images(run: Run, source: str | None, n: int | None) -> Tensor:
    """The input, uint8 images of the run's shape."""
    from unstir.data import load
    from unstir.data.decode import SUFFIXES

    if source is not None and Path(source).suffix.lower() in SUFFIXES and Path(source).is_file():
        with tempfile.TemporaryDirectory() as folder:  # data are read by the folder
            shutil.copy(source, folder)
            data = load(folder)
    else:
        data = run.data()[1] if source is None else load(source)
    if data.kind != "image" or data.shape != run.info.shape:
        raise InputError(
            f"input {data.name}: holds items of shape {data.shape}, "
            f"and the run restores images of {run.info.shape}; give such ones"
        )
    if len(data) == 0:
        raise InputError("holdout=0: nothing was held out; give images with --input")
    return data.values[:n]
