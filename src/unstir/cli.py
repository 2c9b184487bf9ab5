"""The command line: one thin command per verb.

Exit status 0 done, 1 a check failed, 2 bad input, 130 interrupted with all work kept.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.measure import Evaluation
    from unstir.run import Run
    from unstir.train.session import Session


app = typer.Typer(
    name="unstir",
    help="Physics-inspired generative models: train, sample, compare. Start with: unstir train --data digits",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
SolverName = Annotated[
    str | None, typer.Option(help="multistep (default), heun, euler, churn, ancestral, adaptive.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]

_FEWEST = 20  # items that a comparison needs

# Arguments that typer refuses; its own name for this class has changed with its versions.
_RefusedArgument: type[Exception] = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line. `--debug` anywhere shows tracebacks."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ↓ or ×
    try:
        status = app(arguments or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        if debug:
            raise
        _say(("error:", "bold red"), f" {error}")
        status = 2
    except BrokenPipeError:
        status = 1  # the reader, such as `head`, has seen enough
        _forget_output()
    except OSError as error:
        if debug:
            raise
        _say(("error:", "bold red"), f" {error.filename or 'output'}: {error.strerror or error}")
        status = 2
        _forget_output()
    except _RefusedArgument as error:
        _say(("error:", "bold red"), f" {_refusal(error, arguments)}")
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    if status == 130:
        _say("stopped")
    sys.exit(status or 0)


def _forget_output() -> None:
    """Drop what standard output did not take, such as a full disk: Python would try again, and complain."""
    with contextlib.suppress(OSError, ValueError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401  # typer's, of no public name
    """What is wrong with the arguments, with the value where the message does not name it."""
    message = error.format_message().rstrip(".")
    for name in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in itertools.pairwise([*arguments, ""]):
            value = following if argument == name else argument.removeprefix(f"{name}=")
            if value != argument and value and value not in message:
                message = f"{name}={value}: " + message.rpartition("': ")[2]
    command = error.ctx.command_path if getattr(error, "ctx", None) else "unstir"
    return f"{message}; see {command} --help"


def _say(*parts: str | tuple[str, str], console: Console = err) -> None:
    """Print one line of texts and (text, style) pairs, each as it is: no markup, and nothing unprintable."""
    console.print(Text.assemble(*(_plain(p) if isinstance(p, str) else (_plain(p[0]), p[1]) for p in parts)))


def _plain(text: str) -> str:
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _version(wanted: bool) -> None:
    if wanted:
        from unstir import __version__

        out.print(f"unstir {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options of every command."""


@app.command()
def processes(as_json: Json = False) -> None:
    """List the physics, with their parameters."""
    from rich.table import Table

    from unstir.physics import entries

    if as_json:
        _print_json([{"name": e.name, "parameters": e.parameters, "summary": e.summary} for e in entries()])
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("process", "parameters and defaults", "what it is"):
        table.add_column(column)
    for entry in entries():
        parameters = ", ".join(f"{key}={value}" for key, value in entry.parameters.items()) or "none"
        table.add_row(f"[bold]{entry.name}[/]", parameters, entry.summary)
    out.print(table)
    out.print("\nWrite parameters after a colon: --process poisson:D=128")


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, two-moons, swissroll, gaussians8, checkerboard, or a path: a folder of images, "
            ".npz, .npy, .csv, .parquet, MNIST's idx files (.gz or not)."
        ),
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
    batch: Annotated[int | None, typer.Option(help="Items a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    network: Annotated[str | None, typer.Option(help="auto, mlp or unet.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
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
    skip_bad: Annotated[
        bool | None, typer.Option("--skip-bad", help="Pass over unreadable files among the data.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a field for a process on data, and leave a run folder with pictures."""
    given = {
        key: value
        for key, value in {
            "data": data, "process": process, "minutes": minutes, "steps": steps, "seed": seed,
            "batch": batch, "lr": lr, "network": network, "precision": precision, "warmup": warmup,
            "clip": clip, "ema": ema, "noise_mean": noise_mean, "noise_std": noise_std,
            "holdout": holdout, "device": device, "threads": threads,
            "checkpoint_minutes": checkpoint_minutes,
            "network_options": _options_json(network_options), "skip_bad": skip_bad,
        }.items()
        if value is not None
    }  # fmt: skip
    session = _resumed(run, config, given) if resume else _started(run, config, given)
    _train(session, as_json)


def _options_json(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InputError(f'network-options={text!r}: give a JSON mapping such as {{"width": 512}}')
    return value


def _started(path: Path | None, config: Path | None, given: dict[str, Any]) -> Session:
    from unstir.run import new_run_path
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
        _say(f"passed over {passed}")
    _say(f"going on at step {session.trainer.step}")
    return session


def _train(session: Session, as_json: bool) -> None:
    from unstir.bars import sampling_bar, show_training
    from unstir.run import compare, load, write_gallery
    from unstir.train.machine import using_threads
    from unstir.train.session import training

    config, trainer = session.config, session.trainer
    parameters = sum(p.numel() for p in trainer.field.parameters())
    for passed in session.train.skipped:
        _say(f"passed over {passed}")
    budget = f"{config.minutes:g} min" if config.minutes else f"{config.steps} steps"
    _say(
        (config.process, "bold"),
        " on ",
        (session.train.name, "bold"),
        f": {len(session.train):,} items of {'×'.join(map(str, session.info.shape))}, "
        f"{len(session.heldout):,} held out; {config.network} of {parameters:,} parameters, "
        f"{config.precision} on {trainer.data.device}; {budget}",
    )
    show_training(training(session), config.batch, config.minutes, err)
    if not trainer.budget.done(trainer.step):
        _say(
            f"step {trainer.step} and all before are kept. Go on with: "
            f"unstir train --resume --out {shlex.quote(str(session.path))}"
        )
        raise typer.Exit(130)
    run = load(session.path, device=config.device)
    n = max(64, min(len(session.heldout), 500))
    with using_threads(config.threads), sampling_bar(n, err) as watch:
        samples = run.sample(n, seed=config.seed, watch=watch)
    enough = min(len(session.heldout), len(session.train)) >= _FEWEST
    evaluation = compare(samples, session.train, session.heldout) if enough else None
    made = write_gallery(run, session.train, samples, evaluation)
    if as_json:
        figures = None if evaluation is None else evaluation.to_dict()
        report = {"run": str(run.path), "step": run.step, "skipped": trainer.skipped, "evaluation": figures}
        _print_json(report)
        return
    if evaluation is not None:
        _print_evaluation(evaluation)
    pictures = [path for path in made if path.suffix == ".png"]
    _say("", console=out)
    _say(f"run     {run.path} ({run.step:,} steps)", console=out)
    for path in pictures:
        _say("open    ", (str(path), "bold"), console=out)
    more = "more.npz" if not pictures else "more.png"
    _say(f"next    unstir sample {shlex.quote(str(run.path))} -n 64 --out {more}", console=out)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    target: Annotated[
        Path, typer.Option("--out", help=".npz, .png (a grid), .csv, .parquet, or a folder of PNGs.")
    ],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 64,
    solver: SolverName = None,
    steps: Steps = None,
    seed: Seed = 0,
    first: Annotated[int, typer.Option(min=0, help="Index of the first sample.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="How many at once; changes nothing else.")] = 256,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Draw samples from a trained run."""
    import time

    from unstir.bars import sampling_bar
    from unstir.data import check_target, save_samples
    from unstir.flow import DEFAULT_STEPS
    from unstir.run import load

    opened = load(run, device=device)
    _say_passed_over(opened)
    check_target(target, (n, *opened.info.shape))
    start = time.perf_counter()
    with sampling_bar(n, err) as watch:
        samples = opened.sample(
            n, solver=solver, steps=steps or DEFAULT_STEPS, seed=seed, first=first, batch=batch, watch=watch
        )
    seconds = time.perf_counter() - start
    path = save_samples(target, samples, columns=opened.info.columns)
    if as_json:
        report = {
            "out": str(path),
            "n": n,
            "seconds": round(seconds, 3),
            "samples_per_second": round(n / seconds, 2),
        }
        _print_json(report)
        return
    _say(f"{n} samples in {seconds:.1f} s ({n / seconds:,.0f} a second): ", (str(path), "bold"), console=out)


@app.command()
def evaluate(
    samples: Annotated[Path, typer.Argument(help="A run folder, or a file of samples.")],
    data: Annotated[
        str | None, typer.Option(help="What to compare with; a run's own held-out data by default.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=20, help="Samples to draw from a run.")] = 1000,
    features: Annotated[str, typer.Option(help="pixels, standard, pca:K or logits.")] = "pixels",
    solver: SolverName = None,
    steps: Steps = None,
    seed: Seed = 0,
    holdout: Annotated[float, typer.Option(help="Share of --data to compare with.")] = 0.2,
    picture: Annotated[
        Path | None, typer.Option(help="Write samples above their nearest training images here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure samples against held-out data, beside a Gaussian fit and real data."""
    from unstir.bars import sampling_bar
    from unstir.data import load as load_data
    from unstir.flow import DEFAULT_STEPS
    from unstir.measure import feature_space, nearest_picture
    from unstir.run import compare, load
    from unstir.train.storage import explained

    if not samples.exists():
        raise InputError(f"{samples}: no such run or file of samples")
    run = load(samples) if (samples / "config.yaml").is_file() else None
    # All that can be refused is refused before time is spent on samples.
    train, heldout = _reference(samples, run, data, holdout)
    if picture is not None:
        _check_picture(picture, heldout)
    space = feature_space(features, heldout.values, heldout.labels)
    if run is None:
        values = load_data(samples).values
    else:
        _say_passed_over(run)
        with sampling_bar(n, err) as watch:
            values = run.sample(n, solver=solver, steps=steps or DEFAULT_STEPS, seed=seed, watch=watch)
    evaluation = compare(values, train, heldout, features=space, seed=seed)
    if picture is not None:
        with explained(picture):
            nearest_picture(values[:16], train.values, picture)
    if as_json:
        _print_json(evaluation.to_dict())
        return
    _print_evaluation(evaluation)
    if picture is not None:
        _say("open    ", (str(picture), "bold"), console=out)


def _reference(samples: Path, run: Run | None, data: str | None, holdout: float) -> tuple[Dataset, Dataset]:
    """The (training, held-out) data that samples are compared with."""
    from unstir.data import load as load_data

    if data is not None:
        train, heldout = load_data(data).split(holdout, run.config.seed if run else 0)
    elif run is not None:
        train, heldout = run.data()
    else:
        raise InputError(f"data: is missing; say what {samples} is to be compared with (--data D)")
    if len(heldout) == 0:
        raise InputError("holdout=0: nothing is held out to compare with; give --data and --holdout")
    if min(len(train), len(heldout)) < _FEWEST:
        raise InputError(
            f"data: {len(train)} items to train on and {len(heldout)} held out are too few to compare with; "
            f"give at least {_FEWEST} of each"
        )
    if run is not None and heldout.shape != run.info.shape:
        raise InputError(f"data {data}: has items of {heldout.shape}, run {samples} of {run.info.shape}")
    return train, heldout


def _check_picture(path: Path, data: Dataset) -> None:
    from unstir.data import check_target

    if data.kind != "image":
        raise InputError(f"picture={path}: shows images, and these are a table; leave it out")
    if path.suffix.lower() != ".png":
        raise InputError(f"picture={path}: give a name that ends in .png")
    check_target(path, (1, *data.shape))


def _say_passed_over(run: Run) -> None:
    for passed in run.passed_over:
        _say(f"passed over {passed}; using step {run.step}")


def _print_json(value: object) -> None:
    from unstir.train.storage import json_text

    sys.stdout.write(json_text(value) + "\n")


def _print_evaluation(evaluation: Evaluation) -> None:
    from rich.table import Table

    rows = [
        ("sliced Wasserstein", "sliced_wasserstein", "↓"),
        ("energy distance", "energy_distance", "↓"),
        ("MMD²", "mmd", "↓"),
        ("Wasserstein, exact", "wasserstein", "↓"),
        ("Fréchet distance", "frechet_distance", "↓"),
        ("precision", "precision", "↑"),
        ("recall", "recall", "↑"),
        ("density", "density", "↑"),
        ("coverage", "coverage", "↑"),
    ]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(f"n = {evaluation.n}, {evaluation.features}")
    for column in ("samples", "Gaussian fit", "real data"):
        table.add_column(column, justify="right")
    sets = (evaluation.samples, evaluation.baseline, evaluation.floor)
    for title, name, better in rows:
        values = [None if figures is None else getattr(figures, name) for figures in sets]
        table.add_row(f"{title} {better}", *("–" if value is None else f"{value:.4f}" for value in values))
    out.print(table)
    if evaluation.features_note:
        _say(evaluation.features_note, console=out)
    if evaluation.memorisation_ratio is not None:
        out.print(
            f"novelty {evaluation.memorisation_ratio:.2f}: distance to the nearest training item over that "
            "of held-out data (1 as new as they, 0 copies)"
        )


__all__ = ["app", "main"]
