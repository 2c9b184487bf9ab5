"""`unstir restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Device, First, Json, Seed, SkipBad
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.conditions import Measurement, Task
    from unstir.run import Run

_ARRAYS = (".npz", ".npy")
_ALIKE = 0.75  # of the samples of an image differ, or it is told


def restore(
    run: Annotated[Path, typer.Argument(help="A run: of a linear process with --task, or of a bridge.")],
    target: Annotated[Path, typer.Option("--out", help=".npz, .png (a grid), or a folder of PNGs.")],
    task: Annotated[
        str | None,
        typer.Option(
            help="inpaint, superres, deblur, denoise or sparse-ct, with parameters: "
            "superres:factor=2,noise=0.05."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="What is to be restored: a folder, file or built-in name; arrays as .npz or .npy. "
            "Held-out data without.",
        ),
    ] = None,
    degrade: Annotated[
        bool, typer.Option("--degrade", help="The input is clean: put the task on it first.")
    ] = False,
    method: Annotated[
        str | None,
        typer.Option(help="moments (default), pigdm or dps, with parameters: moments:iterations=2."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many restorations of each image.")] = 1,
    label: Annotated[
        str | None,
        typer.Option(help="A class by name or number, or several with commas; all together without."),
    ] = None,
    n: First = None,
    skip_bad: SkipBad = None,
    solver: Annotated[
        str | None,
        typer.Option(
            help="One of the process's; or particles, which take --samples together. "
            "Of a bridge posterior (default: one of those it may be) or mean (smoother)."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Solver steps; for a bridge 1 is the best guess.")
    ] = None,
    seed: Seed = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Rows degraded, restored and clean, as .png; OUT-rows.png by default.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Restore degraded images: by a bridge, or by any linear process and a task."""
    from unstir.cli.given import check_apart, open_run
    from unstir.data import check_target
    from unstir.data.picture import png_bytes
    from unstir.data.target import check_place
    from unstir.restore import bridge_of, compared, coverage, different, linear_of, psnr, rows_picture
    from unstir.train.storage import write_bytes

    opened = open_run(run, device)
    if task is None:
        bridge_of(opened)
        _refuse(method=method, label=label, samples=None if samples == 1 else samples)
    else:
        linear_of(opened)
    if source is None and not degrade:
        raise InputError("input: give degraded images with --input; or --degrade, for the held-out data")
    rows = picture or target.with_name(f"{target.stem}-rows.png")
    check_target(target, (samples, *opened.info.shape))
    check_place(rows)
    for path in (target, rows):
        check_apart(path, opened, source)
    if task is None:
        clean, given, restored = _by_bridge(
            opened, source, degrade, n, solver, steps, seed, skip_bad=bool(skip_bad)
        )
    else:
        clean, given, restored = _by_task(
            opened, task, source, degrade, n, method, samples, label, solver, steps, seed,
            skip_bad=bool(skip_bad),
        )  # fmt: skip
    check_target(target, (restored.shape[0] * restored.shape[1], *restored.shape[2:]))
    path = _saved(target, restored)
    title = f"Restored by {task or opened.process.name}"
    write_bytes(rows, png_bytes(rows_picture(title, compared(given, restored, clean))))
    report = {"out": str(path), "picture": str(rows), "n": len(given)}
    figures = {}
    by_particles = (solver or "").partition(":")[0].strip() == "particles"
    distinct = different(restored) if by_particles else float(samples)
    if by_particles:
        report["different"] = round(distinct, 3)
    if clean is not None:
        figures = {"psnr_degraded": psnr(given, clean), "psnr_restored": psnr(restored[:, 0], clean)}
        if samples > 1:
            figures["psnr_mean"] = psnr(restored.float().mean(1), clean)
            figures["coverage"] = coverage(restored, clean)
    _say_copies(samples, distinct)
    if as_json:
        print_json(report | {key: round(value, 3) for key, value in figures.items()})
        return
    if figures:
        before, after = figures["psnr_degraded"], figures["psnr_restored"]
        more = ""
        if samples > 1:
            more = (
                f", {figures['psnr_mean']:.2f} dB the mean of {samples}; coverage {figures['coverage']:.3f}"
            )
        say(f"PSNR {before:.2f} dB degraded, ", (f"{after:.2f} dB restored", "bold"), more, console=out)
    say(f"{len(given)} images: ", (str(path), "bold"), f", compared in {rows}", console=out)


def _say_copies(samples: int, distinct: float) -> None:
    """Tell where most particles of an image have ended as copies."""
    if distinct < _ALIKE * samples:
        say(
            f"of {samples} particles of an image {distinct:.1f} differ at the end, on average; the others "
            "are copies, or nearly, and the spread is that of so few: ask for more --samples, or leave out "
            "--solver particles"
        )


def _saved(target: Path, restored: Tensor) -> Path:
    """All restored images in their order; in one picture the samples of an image stand in a row."""
    from unstir.data import image_grid, save_samples
    from unstir.data.picture import png_bytes
    from unstir.train.storage import write_bytes

    values, samples = restored.flatten(0, 1), restored.shape[1]
    if target.suffix.lower() != ".png" or samples == 1:
        return save_samples(target, values)
    write_bytes(target.expanduser(), png_bytes(image_grid(values, columns=samples)))
    return target.expanduser()


def _by_bridge(
    run: Run,
    source: str | None,
    degrade: bool,
    n: int | None,
    solver: str | None,
    steps: int | None,
    seed: int,
    *,
    skip_bad: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Clean images if known, given ones, and restored ones `(n, 1, …)`, by the run's own task."""
    from unstir.bars import sampling_bar
    from unstir.restore import degrade as degraded_by

    images = _images(run, source, n, run.info.shape, skip_bad=skip_bad)
    given = degraded_by(run, images, seed) if degrade else images
    with sampling_bar(len(given), err) as watch:
        restored = run.sample(len(given), solver=solver, steps=steps, seed=seed, start=given, watch=watch)
    return images if degrade else None, given, restored[:, None]


def _by_task(
    run: Run,
    task: str,
    source: str | None,
    degrade: bool,
    n: int | None,
    method: str | None,
    samples: int,
    label: str | None,
    solver: str | None,
    steps: int | None,
    seed: int,
    *,
    skip_bad: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Clean images if known, observations to look at, and restored ones `(n, samples, …)`."""
    import torch

    from unstir.bars import sampling_bar
    from unstir.conditions import parse_task
    from unstir.restore import DEFAULT_METHOD, as_bytes
    from unstir.restore import restore as restored_by

    chosen = parse_task(task)
    shape = tuple(run.info.shape)
    measurement = chosen.measurement(shape)
    clean = _images(run, source, n, shape, skip_bad=skip_bad) if degrade else None
    if clean is not None:
        observed = measurement.observe(clean.float() / 255, torch.Generator().manual_seed(seed))
    else:
        observed = _observed(run, chosen, measurement, str(source), n, skip_bad=skip_bad)
    with sampling_bar(len(observed) * samples, err) as watch:
        restored = restored_by(
            run,
            observed,
            measurement,
            method=method or DEFAULT_METHOD,
            samples=samples,
            label=label,
            solver=solver,
            steps=steps,
            seed=seed,
            watch=watch,
        )
    return clean, as_bytes(chosen.shown(observed, shape)), restored


def _observed(
    run: Run, task: Task, measurement: Measurement, source: str, n: int | None, *, skip_bad: bool
) -> Tensor:
    """A user's observations: an array as it is, images in full scale 1."""
    from unstir.cli.given import load_items

    if Path(source).suffix.lower() in _ARRAYS and Path(source).is_file():
        given = _array(Path(source))[:n]
    else:
        given = load_items(source, skip_bad=skip_bad).values[:n].float() / 255
    return task.observed(given, tuple(run.info.shape))


def _array(path: Path) -> Tensor:
    """An .npy, or `observed` (or what there is) of an .npz, as floats; bytes in full scale 1."""
    import numpy as np
    import torch

    from unstir.data.npy import read_bare

    held = read_bare(path, "observed")
    if held.ndim < 2 or held.dtype.kind not in "fiu" or not np.isfinite(held).all():
        raise InputError(f"input {path}: give finite numbers, (items, …)")
    values = torch.from_numpy(held.astype(np.float32))
    return values / 255 if held.dtype == np.uint8 else values


def _images(run: Run, source: str | None, n: int | None, shape: tuple[int, ...], *, skip_bad: bool) -> Tensor:
    """Clean images, or a bridge's degraded ones, uint8 of the run's shape."""
    from unstir.cli.given import fitting, load_items

    data = run.data()[1] if source is None else load_items(source, skip_bad=skip_bad)
    images = data.values
    if images.ndim != 4 or images.shape[1:] != tuple(shape):
        raise InputError(
            f"input {source or 'data'}: holds items of shape {tuple(images.shape[1:])}, "
            f"and the run restores images of {shape}{fitting(source, data, shape) or '; give such ones'}"
        )
    if len(images) == 0:
        raise InputError("holdout=0: nothing was held out; give images with --input")
    return images[:n]


def _refuse(**given: object) -> None:
    """Raise for an option that a bridge has no use for."""
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{name}={value}: is for --task; a bridge's run restores what it was trained for"
            )
