"""`unstir train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstir.cli.options import (
    Augment,
    Axes,
    Batch,
    BudgetMinutes,
    BudgetSteps,
    Categorical,
    ChannelsLast,
    Clip,
    Compiled,
    DeviceOrNone,
    Ema,
    Floors,
    Json,
    LabelColumn,
    LabelDropout,
    Labels,
    LearningRate,
    Network,
    NetworkOptions,
    NoiseMean,
    NoiseStd,
    Optimizer,
    Precision,
    Sketch,
    SkipBad,
    Threads,
    Warmup,
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
            help="digits, two-moons, swissroll, gaussians8, checkerboard, student-t, arithmetic, or a path: "
            "a folder, .zip or .tar of images (of any sizes: PHOTOS:size=64), shards (their folder, or "
            "'shard-{000..004}.tar'), the folder of a Hugging Face data set, .npz, .npy, .csv, .parquet, "
            ".arrow, .feather, .txt, MNIST's idx files (.gz or not)."
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
    batch: Batch = None,
    lr: LearningRate = None,
    optimizer: Optimizer = None,
    network: Network = None,
    precision: Precision = None,
    augment: Augment = None,
    channels_last: ChannelsLast = None,
    compiled: Compiled = None,
    warmup: Warmup = None,
    clip: Clip = None,
    ema: Ema = None,
    noise_mean: NoiseMean = None,
    noise_std: NoiseStd = None,
    holdout: Annotated[float | None, typer.Option(help="Share of the data held out.")] = None,
    device: DeviceOrNone = None,
    threads: Threads = None,
    checkpoint_minutes: Annotated[float | None, typer.Option(help="Time between checkpoints.")] = None,
    network_options: NetworkOptions = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    categorical: Categorical = None,
    label_dropout: LabelDropout = None,
    sketch: Sketch = None,
    axes: Axes = None,
    floors: Floors = None,
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
