"""Progress bars: they consume the same records that training and sampling give everybody."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from unstir.flow import Progress as SampleProgress
    from unstir.flow.timesteps import Trial
    from unstir.train import TrainStep


def show_training(steps: Iterable[TrainStep], batch: int, minutes: float | None, console: Console) -> None:
    """Run a training to its end under a bar with loss, items a second and time left."""
    text = "loss [bold]{task.fields[loss]}[/]  {task.fields[rate]} items/s  step {task.fields[step]}"
    with Progress(
        TextColumn("training"), BarColumn(), TextColumn(text), TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task("", total=None, loss="…", rate="…", step=0)
        smooth, seen, shown, done = math.nan, -1, time.monotonic(), -1
        for step in steps:
            now = time.monotonic()
            if now - shown < 0.25 and step.index != step.total and done >= 0:
                continue
            arrived = step.arrived
            if arrived.index > seen and arrived.loss is not None and math.isfinite(arrived.loss):
                smooth = 0.9 * smooth + 0.1 * arrived.loss if math.isfinite(smooth) else arrived.loss
            seen = arrived.index
            done = done if done >= 0 else step.index - 1  # where a resumed run begins
            rate = (step.index - done) * batch / max(now - shown, 1e-9)
            shown, done = now, step.index
            # A budget in minutes is best shown in seconds: steps are only an estimate of it.
            amount, total = (step.seconds, 60 * minutes) if minutes else (step.index, step.total)
            if step.index == step.total:
                amount = total
            loss_text = "…" if arrived.loss is None else f"{smooth:.3f}"
            loss_text += f" ({arrived.skipped} steps skipped)" if arrived.skipped else ""
            bar.update(
                task, total=total, completed=amount, loss=loss_text, rate=f"{rate:,.0f}", step=step.index
            )


@contextlib.contextmanager
def sampling_bar(n: int, console: Console) -> Iterator[Callable[[SampleProgress], None]]:
    """A bar over samples × steps; the callable takes each step's record."""
    with Progress(
        TextColumn("sampling"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=1.0)

        def watch(progress: SampleProgress) -> None:
            size = len(progress.step.state)
            done = progress.first + size * min(progress.step.index / progress.steps, 1)
            bar.update(task, completed=done / n)

        yield watch


@contextlib.contextmanager
def items_bar(what: str, n: int, console: Console) -> Iterator[Callable[[int], None]]:
    """A bar over `n` items; the callable takes how many more are done."""
    with Progress(
        TextColumn(what), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=n)
        yield lambda done: bar.advance(task, done)


@contextlib.contextmanager
def stage_bar(count: int, console: Console) -> Iterator[Callable[[str], None]]:
    """A bar over `count` stages of work; the callable takes the name of each as it begins."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=count)
        done = itertools.count()

        def begin(name: str) -> None:
            bar.update(task, description=name, completed=next(done))

        yield begin


@contextlib.contextmanager
def tuning_bar(console: Console) -> Iterator[Callable[[Trial], None]]:
    """A bar over trials of time steps, with the best distance so far."""
    with Progress(
        TextColumn("tuning"), BarColumn(), TextColumn("rms {task.fields[rms]}"), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None, rms="…")

        def watch(trial: Trial) -> None:
            bar.update(task, total=trial.most, completed=trial.done, rms=f"{math.sqrt(trial.cost):.4f}")

        yield watch
