"""What `unstir train` and `unstir distill` share: a training, from its beginning to its pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from unstir.cli.console import err, out, print_json, say, say_skipped
from unstir.cli.tables import FEWEST, print_evaluation
from unstir.errors import InputError

_SIGNAL = 32  # unnamed columns of a table that may be meant as a signal

if TYPE_CHECKING:
    from unstir.measure import Evaluation, TextEvaluation
    from unstir.run import Run
    from unstir.train.session import Session


def resumed(path: Path | None, given: dict[str, Any], config: Path | None = None) -> Session:
    """The training in a run folder, to go on with.

    Args:
        path: the folder.
        given: options, of which there must be none.
        config: a file of options, likewise.

    Raises:
        InputError: no folder, options, or what `unstir.train.session.resume` refuses.
    """
    from unstir.train.session import resume

    if path is None:
        raise InputError("resume: say which run with --out RUN")
    if given or config:
        names = ", ".join([*given, *(["config"] if config else [])])
        raise InputError(f"resume: the run's own config.yaml decides; leave out {names}")
    session = resume(path)
    for passed in session.passed_over:
        say(f"passed over {passed}")
    step = session.trainer.step
    if session.trainer.budget.done(step):
        say(f"its budget was spent after {step:,} steps, samples are drawn anew; for more begin a new run")
    else:
        say(f"going on at step {step:,}")
    return session


def train_through(session: Session, *, as_json: bool) -> None:
    """Train to the end, draw samples, compare them with the data, and say where everything lies.

    Raises:
        typer.Exit: 130, where Ctrl-C stopped it.
    """
    from unstir.bars import sampling_bar, show_training
    from unstir.evaluation import compare
    from unstir.gallery import write_gallery
    from unstir.run import load
    from unstir.train.machine import using_threads
    from unstir.train.session import training

    config, trainer = session.config, session.trainer
    _announce(session)
    if not trainer.budget.done(trainer.step):
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
    try:
        with using_threads(config.threads), sampling_bar(share, err) as watch:
            samples = trainer.cluster.drawn(
                n, lambda low, high: run.sample(high - low, seed=config.seed, first=low, watch=watch)
            )
    except KeyboardInterrupt:
        say(f"it is trained, and kept. Measure it with: unstir evaluate {shlex.quote(str(run.path))}")
        raise
    if samples is None:
        return  # the first process has them all
    enough = min(len(session.heldout), len(session.train)) >= FEWEST
    train, heldout = run.seen(session.train), run.seen(session.heldout)
    evaluation = compare(samples, train, heldout) if enough else None
    made = write_gallery(run, train, samples, evaluation)
    if as_json:
        figures = None if evaluation is None else evaluation.to_dict()
        print_json({
            "run": str(run.path), "step": run.step, "skipped": trainer.skipped, "evaluation": figures
        })  # fmt: skip
    else:
        _print(run, trainer.skipped, evaluation, made)


def _announce(session: Session) -> None:
    config, trainer = session.config, session.trainer
    parameters = sum(p.numel() for p in trainer.field.parameters())
    say_skipped(session.train)
    budget = f"{config.minutes:g} min" if config.minutes else f"{config.steps} steps"
    size, parts = trainer.cluster.size, ", in parts" if trainer.cluster.sharded else ""
    shared = f" × {size} processes{parts}" if size > 1 else ""
    say(
        (config.process, "bold"),
        " on ",
        (session.train.name, "bold"),
        f": {len(trainer.data):,} items of {'×'.join(map(str, session.info.shape))}, "
        f"{len(session.heldout):,} held out; {config.network} of {parameters:,} parameters, "
        f"{config.precision} on {trainer.data.device}{shared}; {budget}",
    )
    if config.holdout and min(len(session.train), len(session.heldout)) < FEWEST:
        say(
            f"{len(session.train)} items to train on and {len(session.heldout)} held out are few: "
            f"samples may be copies, and there are no figures below {FEWEST} of each"
        )
    if (
        session.info.kind == "table"
        and len(session.info.columns) >= _SIGNAL
        and _unnamed(session.info.columns)
    ):
        say(
            f"read as a table of {len(session.info.columns)} columns; were they signals, "
            f"give an array (n, 1, {len(session.info.columns)})"
        )


def _unnamed(columns: Sequence[str]) -> bool:
    """Whether columns have no other names than those that arrays are given."""
    return all(name == f"x{i}" for i, name in enumerate(columns))


def _print(
    run: Run, skipped: int, evaluation: Evaluation | TextEvaluation | None, made: Sequence[Path]
) -> None:
    if evaluation is not None:
        print_evaluation(evaluation)
    if skipped:
        what = "they had no finite gradient, or one far above the usual"
        say(f"passed over {skipped:,} of {run.step:,} steps: {what}")
    say("", console=out)
    say(f"run     {run.path} ({run.step:,} steps)", console=out)
    for path in made:
        if path.suffix == ".png":
            say("open    ", (str(path), "bold"), console=out)
    more = "more" + made[-1].suffix
    say(f"next    unstir sample {shlex.quote(str(run.path))} -n 64 --out {more}", console=out)
