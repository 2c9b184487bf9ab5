"""`unstir train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstir.cli.options import (
    BudgetMinutes,
    BudgetSteps,
    Categorical,
    DeviceOrNone,
    Json,
    LabelColumn,
    SkipBad,
    Threads,
    given,
    mapping,
    names_in,
)
from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.train.session import Session


def train(
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, two-moons, swissroll, gaussians8, checkerboard, arithmetic, or a path: a folder of "
            "images (of any sizes: PHOTOS:size=64), .npz, .npy, .csv, .parquet, .txt, MNIST's idx files "
            "(.gz or not)."
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option(help="A second data set, to carry one to the other (capacitor).")
    ] = None,
    process: Annotated[
        str | None, typer.Option(help="The physics, such as poisson:D=128 (default) or edm.")
    ] = None,
    minutes: BudgetMinutes = None,
    steps: BudgetSteps = None,
    run: Annotated[Path | None, typer.Option("--out", help="Run folder; a new one under runs/.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of these options.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    batch: Annotated[int | None, typer.Option(help="Items a step; 64 for images, else 128.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="auto, adam or muon.")] = None,
    network: Annotated[
        str | None, typer.Option(help="auto, mlp, patch-unet, unet, dit, unet1d or transformer; unet:small.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="Transform images at random: none (default), flip, edm or edm:p=0.15.")
    ] = None,
    channels_last: Annotated[
        bool | None, typer.Option(help="How convolutions lie in memory; by default what is faster.")
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="torch.compile the network; measured in long runs."),
    ] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the run over which lr rises.")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    ema: Annotated[float | None, typer.Option(help="Width of the averaged weights, a share.")] = None,
    noise_mean: Annotated[float | None, typer.Option(help="Mean of ln(noise/signal) trained at.")] = None,
    noise_std: Annotated[float | None, typer.Option(help="Its standard deviation.")] = None,
    holdout: Annotated[float | None, typer.Option(help="Share of the data held out.")] = None,
    device: DeviceOrNone = None,
    threads: Threads = None,
    checkpoint_minutes: Annotated[float | None, typer.Option(help="Time between checkpoints.")] = None,
    network_options: Annotated[
        str | None, typer.Option(help="The network's own, as JSON: '{\"width\": 512}'.")
    ] = None,
    labels: Annotated[
        bool | None,
        typer.Option(
            "--labels/--no-labels", help="Learn each class of the data; by default where they have labels."
        ),
    ] = None,
    label_column: LabelColumn = None,
    categorical: Categorical = None,
    label_dropout: Annotated[
        float | None,
        typer.Option(help="Share of labels withheld, so that all classes are learned together too."),
    ] = None,
    sketch: Annotated[
        int | None,
        typer.Option(
            help="Gaussians in the mixture that training starts from; 0 for none, up to 64 by default."
        ),
    ] = None,
    axes: Annotated[
        int | None, typer.Option(help="Directions that each of these knows; 32, or more for large images.")
    ] = None,
    floors: Annotated[
        str | None,
        typer.Option(
            help="What these leave: noise of one size (one), or one a frequency (modes), as for colours."
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="denoise (default), or consistency: for one to four evaluations.")
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="Send loss and samples to tensorboard, wandb or trackio.")
    ] = None,
    skip_bad: SkipBad = None,
    as_json: Json = False,
) -> None:
    """Train a field for a process on data, and leave a run folder with pictures."""
    from unstir.cli.training import resumed, train_through
    from unstir.train.cluster import leave

    options = given(
        data=data, partner=partner, process=process, minutes=minutes, steps=steps, seed=seed, batch=batch,
        lr=lr, network=network, precision=precision, augment=augment, warmup=warmup, clip=clip, ema=ema,
        noise_mean=noise_mean, noise_std=noise_std, holdout=holdout, device=device, threads=threads,
        checkpoint_minutes=checkpoint_minutes, network_options=mapping(network_options), labels=labels,
        label_column=label_column, categorical=names_in(categorical), label_dropout=label_dropout,
        skip_bad=skip_bad, sketch=sketch, axes=axes, floors=floors, objective=objective,
        channels_last=channels_last, compile=compiled, optimizer=optimizer, track=track,
    )  # fmt: skip
    session = resumed(run, options, config) if resume else _started(run, config, options)
    train_through(session, as_json=as_json)
    leave()


def _started(path: Path | None, config: Path | None, given: dict[str, Any]) -> Session:
    from unstir.fitting import new_run_path
    from unstir.train.config import make_config, read_config
    from unstir.train.session import start

    values = read_config(config) if config else {}
    # A budget on the command line replaces the file's, whichever kind it is of.
    if {"minutes", "steps"} & given.keys():
        values = {key: value for key, value in values.items() if key not in ("minutes", "steps")}
    values |= given
    if "data" not in values:
        raise InputError("data: is missing; give --data digits, or the path of your own data")
    if not {"minutes", "steps"} & values.keys():
        values["minutes"] = 1.0
    checked = make_config(values)
    return start(checked, path or new_run_path(checked))
