"""`unstir compare`."""

from __future__ import annotations

import contextlib
import itertools
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstir.cli.console import err, out, print_json, say, say_skipped
from unstir.cli.options import (
    Augment,
    Axes,
    Batch,
    Categorical,
    ChannelsLast,
    Clip,
    Compiled,
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
    from unstir.compare import Comparison, Plan
    from unstir.compare.worker import Report
    from unstir.data import Dataset


def compare(
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[PROCESS]...", help="More processes.", show_default=False)
    ] = None,
    data: Annotated[str | None, typer.Option(help="A built-in set or a path, as in train.")] = None,
    processes: Annotated[
        list[str] | None, typer.Option("--processes", help="What to compare: poisson:D=128 edm heat.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget of each process in time.")] = None,
    steps: Annotated[int | None, typer.Option(help="Budget of each in steps, in place of minutes.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder; a new one under runs/, or that of the same comparison."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in --out; with the same options that happens anyway.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random; 0 by default.")] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--number", help="Samples of each; 1,000, or 10,000 of a table.")
    ] = None,
    evaluations: Annotated[
        str | None,
        typer.Option(help="Numbers of evaluations at which quality is measured too; 5,10,20,40 by default."),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="pixels (default), standard (default for tables), pca:K or logits.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Resamplings behind each interval; 500 by default.")
    ] = None,
    batch: Batch = None,
    lr: LearningRate = None,
    network: Network = None,
    network_options: NetworkOptions = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    categorical: Categorical = None,
    label_dropout: LabelDropout = None,
    augment: Augment = None,
    optimizer: Optimizer = None,
    warmup: Warmup = None,
    clip: Clip = None,
    ema: Ema = None,
    noise_mean: NoiseMean = None,
    noise_std: NoiseStd = None,
    sketch: Sketch = None,
    axes: Axes = None,
    floors: Floors = None,
    precision: Precision = None,
    channels_last: ChannelsLast = None,
    compiled: Compiled = None,
    skip_bad: SkipBad = None,
    holdout: Annotated[float | None, typer.Option(help="Share of the data held out; 0.2 by default.")] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda (all GPUs), mps, or some: cuda:0,cuda:2.")
    ] = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Train several processes on the same data under one budget, and write one report of all."""
    from unstir.bars import stage_bar
    from unstir.cli.given import check_apart
    from unstir.compare import compare_processes, make_plan
    from unstir.compare.crew import find_devices

    names = [name for text in (*(processes or ()), *(more or ())) for name in text.split()]
    asked = given(
        minutes=minutes, steps=steps, seed=seed, draws=draws, features=features, holdout=holdout,
        evaluations=None if evaluations is None else _numbers(evaluations),
        batch=batch, lr=lr, network=network, threads=threads, label_column=label_column,
        network_options=mapping(network_options), categorical=names_in(categorical), skip_bad=skip_bad,
        labels=labels, label_dropout=label_dropout, augment=augment, optimizer=optimizer, warmup=warmup,
        clip=clip, ema=ema, noise_mean=noise_mean, noise_std=noise_std, sketch=sketch, axes=axes,
        floors=floors, precision=precision, channels_last=channels_last, compile=compiled,
    )  # fmt: skip
    if resume:
        if folder is None:
            raise InputError("resume: say which comparison with --out OUT")
        plan, train, heldout = _kept(folder, [*given(data=data, processes=names or None, number=n), *asked])
    else:
        if data is None:
            raise InputError("data: is missing; give --data digits, or the path of your own data")
        plan, train, heldout = make_plan(data, names, samples=n, **asked)
    check_apart(folder or Path("runs") / "new", None, plan.data)
    say_skipped(train)
    devices = find_devices(device)
    target = folder or _new_folder(plan)
    say(
        (f"{len(plan.processes)} process{'' if len(plan.processes) == 1 else 'es'}", "bold"),
        " on ", (train.name, "bold"),
        f": {plan.budget} each, on {', '.join(devices)}; {target}",
    )  # fmt: skip
    try:
        done = compare_processes(
            plan, train, heldout, target, devices=devices,
            training=lambda left: _bar(left, plan), measuring=lambda count: stage_bar(count, err),
        )  # fmt: skip
    except KeyboardInterrupt:
        say(f"all work is kept. Go on with: unstir compare --resume --out {shlex.quote(str(target))}")
        raise typer.Exit(130) from None
    _print(done, as_json)
    if done.results["failed"]:
        raise typer.Exit(1)


def _print(done: Comparison, as_json: bool) -> None:
    from unstir.compare.conclusion import headline, margins
    from unstir.compare.results import GAUSSIAN, verdicts_of

    if as_json:
        print_json({"out": str(done.path), "report": str(done.report)} | done.results)
        return
    out.print(_table(done.results))
    for verdict in verdicts_of(done.results):
        say("", console=out)
        say((headline(verdict, GAUSSIAN), "bold"), console=out)
        for line in margins(verdict):
            say(f"  {line}", console=out)
    for name, reason in done.results["failed"].items():
        say((f"{name} failed", "bold red"), f": {reason}", console=out)
    say("", console=out)
    say("open    ", (str(done.report), "bold"), console=out)


def _table(results: dict[str, Any]) -> Any:  # noqa: ANN401  # rich's
    from rich.markup import escape
    from rich.table import Table

    shown = {"energy_distance": "energy distance ↓", "sliced_wasserstein": "sliced Wasserstein ↓"}
    shown |= {"precision": "precision ↑", "recall": "recall ↑", "memorisation_ratio": "novelty"}
    shown |= {"tail_index": "tail index", "tail_survival": "tails ↓"}
    rows = results["rows"]
    figures = [name for name in shown if any(name in row for row in rows.values())]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"n = {results['n']}, {results['features']}")
    for name in figures:
        table.add_column(shown[name], justify="right")
    for name, row in rows.items():
        cells = [f"{row[f]['value']:.4f}" if f in row else "–" for f in figures]
        table.add_row(escape(name), *cells)
    return table


@contextlib.contextmanager
def _bar(processes: Sequence[str], plan: Plan) -> Iterator[Callable[[str, Report], None]]:
    """A bar for each process."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err) as bar:
        tasks = {name: bar.add_task(escape(name), total=1.0, start=False, what="waits") for name in processes}
        smooth = dict.fromkeys(processes, math.nan)

        def watch(name: str, report: Report) -> None:
            task = tasks[name]
            if not bar.tasks[list(tasks).index(name)].started:
                bar.start_task(task)
            what = report.stage
            if report.loss is not None:
                old = smooth[name]
                smooth[name] = 0.9 * old + 0.1 * report.loss if math.isfinite(old) else report.loss
                what += f"  loss [bold]{smooth[name]:.3f}[/]  {report.rate or 0:,.0f} items/s"
            # Sampling is the last tenth of the bar.
            share = 0.9 * report.done if report.stage == "training" else 0.9 + 0.1 * report.done
            bar.update(task, completed=share, what=what)

        yield watch


def _kept(folder: Path, asked: Sequence[str]) -> tuple[Plan, Dataset, Dataset]:
    """The plan of a comparison to go on with, and its data."""
    from unstir.compare.plan import read_again, read_plan

    if asked:
        raise InputError(f"resume: the comparison's own plan decides; leave out {', '.join(asked)}")
    plan = read_plan(folder.expanduser())
    return plan, *read_again(plan, folder)


def _new_folder(plan: Plan) -> Path:
    """A folder under runs/ that is new, or holds this very comparison."""
    from unstir.compare.plan import keep_plan
    from unstir.data.asked import short_name

    stem = f"compare-{short_name(plan.data)}"
    for number in itertools.count(1):
        path = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        with contextlib.suppress(InputError):
            keep_plan(plan, path)
            return path
    raise AssertionError


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise InputError(
            f"evaluations={text!r}: give whole numbers with commas between, such as 5,10,20"
        ) from None
