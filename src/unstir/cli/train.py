"""`unstir train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Categorical, Json, LabelColumn, mapping, names_in
from unstir.cli.tables import FEWEST, print_evaluation
from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.train.session import Session


def train(
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, two-moons, swissroll, gaussians8, checkerboard, arithmetic, or a path: a folder of "
            "images, .npz, .npy, .csv, .parquet, .txt, MNIST's idx files (.gz or not)."
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option(help="A second data set, to carry one to the other (capacitor).")
    ] = None,
    process: Annotated[
        str | None, typer.Option(help="The physics, such as poisson:D=128 (default) or edm.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in time; 1 by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Budget in steps, in place of minutes.")] = None,
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
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
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
    objective: Annotated[
        str | None, typer.Option(help="denoise (default), or consistency: for one to four evaluations.")
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="Send loss and samples to tensorboard, wandb or trackio.")
    ] = None,
    skip_bad: Annotated[
        bool | None, typer.Option("--skip-bad", help="Pass over unreadable files among the data.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a field for a process on data, and leave a run folder with pictures."""
    from unstir.train.cluster import leave

    given = {
        key: value
        for key, value in {
            "data": data, "partner": partner, "process": process, "minutes": minutes, "steps": steps,
            "seed": seed, "batch": batch, "lr": lr, "network": network, "precision": precision,
            "augment": augment, "warmup": warmup, "clip": clip, "ema": ema, "noise_mean": noise_mean,
            "noise_std": noise_std, "holdout": holdout, "device": device, "threads": threads,
            "checkpoint_minutes": checkpoint_minutes,
            "network_options": mapping(network_options), "labels": labels,
            "label_column": label_column,
            "categorical": names_in(categorical),
            "label_dropout": label_dropout, "skip_bad": skip_bad, "sketch": sketch,
            "objective": objective,
            "channels_last": channels_last, "compile": compiled, "optimizer": optimizer, "track": track,
        }.items()
        if value is not None
    }  # fmt: skip
    session = _resumed(run, config, given) if resume else _started(run, config, given)
    _train(session, as_json)
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


def _resumed(path: Path | None, config: Path | None, given: dict[str, Any]) -> Session:
    from unstir.train.session import resume

    if path is None:
        raise InputError("resume: say which run with --out RUN")
    if given or config:
        names = ", ".join([*given, *(["config"] if config else [])])
        raise InputError(f"resume: the run's own config.yaml decides; leave out {names}")
    session = resume(path)
    for passed in session.passed_over:
        say(f"passed over {passed}")
    say(f"going on at step {session.trainer.step}")
    return session


def _train(session: Session, as_json: bool) -> None:
    from unstir.bars import sampling_bar, show_training
    from unstir.evaluation import compare
    from unstir.gallery import write_gallery
    from unstir.run import load
    from unstir.train.machine import using_threads
    from unstir.train.session import training

    config, trainer = session.config, session.trainer
    parameters = sum(p.numel() for p in trainer.field.parameters())
    for passed in session.train.skipped:
        say(f"passed over {passed}")
    budget = f"{config.minutes:g} min" if config.minutes else f"{config.steps} steps"
    say(
        (config.process, "bold"),
        " on ",
        (session.train.name, "bold"),
        f": {len(trainer.data):,} items of {'×'.join(map(str, session.info.shape))}, "
        f"{len(session.heldout):,} held out; {config.network} of {parameters:,} parameters, "
        f"{config.precision} on {trainer.data.device}; {budget}",
    )
    show_training(training(session), config.batch, config.minutes, err)
    if not trainer.budget.done(trainer.step):
        say(
            f"step {trainer.step} and all before are kept. Go on with: "
            f"unstir train --resume --out {shlex.quote(str(session.path))}"
        )
        raise typer.Exit(130)
    run = load(session.path, device=config.device)
    n = max(64, min(len(session.heldout), 500))
    share = -(-n // trainer.cluster.size)
    with using_threads(config.threads), sampling_bar(share, err) as watch:
        samples = trainer.cluster.drawn(
            n, lambda low, high: run.sample(high - low, seed=config.seed, first=low, watch=watch)
        )
    if samples is None:
        return  # the first process has them all
    enough = min(len(session.heldout), len(session.train)) >= FEWEST
    train, heldout = run.seen(session.train), run.seen(session.heldout)
    evaluation = compare(samples, train, heldout) if enough else None
    made = write_gallery(run, train, samples, evaluation)
    if as_json:
        figures = None if evaluation is None else evaluation.to_dict()
        report = {"run": str(run.path), "step": run.step, "skipped": trainer.skipped, "evaluation": figures}
        print_json(report)
        return
    if evaluation is not None:
        print_evaluation(evaluation)
    if trainer.skipped:
        what = "they had no finite gradient, or one far above the usual"
        say(f"passed over {trainer.skipped:,} of {run.step:,} steps: {what}")
    pictures = [path for path in made if path.suffix == ".png"]
    say("", console=out)
    say(f"run     {run.path} ({run.step:,} steps)", console=out)
    for path in pictures:
        say("open    ", (str(path), "bold"), console=out)
    more = "more" + made[-1].suffix
    say(f"next    unstir sample {shlex.quote(str(run.path))} -n 64 --out {more}", console=out)
