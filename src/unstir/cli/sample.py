"""`unstir sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say, say_passed_over
from unstir.cli.options import Guidance, Guide, Json, Seed, SolverName, Steps
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.run import Run

_TABLES = (".csv", ".parquet")


def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    target: Annotated[
        Path, typer.Option("--out", help=".npz, .png (a grid), .csv, .parquet, .txt, or a folder of PNGs.")
    ],
    n: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="How many; 64, or as many as --from has.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="Start from these data, where a process can (capacitor, bridge, heat)."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="A class by name or number, several with commas, all in turn, or none; drawn without."
        ),
    ] = None,
    guidance: Guidance = None,
    guidance_interval: Annotated[
        str | None, typer.Option(help="Guide between these two noise levels only, such as 0.2,3.")
    ] = None,
    guide: Guide = None,
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
    from unstir.data import Dataset, check_target, save_samples, with_column
    from unstir.run import load
    from unstir.train.cluster import joined, leave

    cluster = joined()
    opened = load(run, device=device)
    say_passed_over(opened)
    given = None if source is None else _given(source, n, opened)
    n = len(given) if given is not None else n or 64
    labels = opened.labels(n, label=label, seed=seed, first=first, given=given is not None)
    labels = labels if _holds_labels(target, opened, asked=label is not None) else None
    in_column = labels is not None and target.suffix.lower() in _TABLES
    labelled = labels is not None and not in_column
    check_target(target, (n, *opened.info.shape), labelled=labelled, kind=opened.info.kind)
    interval = None if guidance_interval is None else _interval(guidance_interval)
    weaker = None if guide is None else load(guide, device=device)
    start = time.perf_counter()

    def draw(low: int, high: int) -> Tensor:
        return opened.sample(
            high - low,
            label=label,
            guidance=guidance,
            guidance_interval=interval,
            guide=weaker,
            solver=solver,
            steps=steps,
            seed=seed,
            first=first + low,
            batch=batch,
            start=None if given is None else given[low:high],
            watch=watch,
        )

    with sampling_bar(-(-n // cluster.size), err) as watch:
        samples = cluster.drawn(n, draw)
    leave()
    if samples is None:
        return  # the first process has them all
    seconds = time.perf_counter() - start
    drawn = Dataset(
        "samples", opened.info.kind, samples, labels, opened.classes, opened.info.columns,
        categories=opened.info.categories,
    )  # fmt: skip
    if in_column and opened.config.label_column is not None and opened.info.label_place is not None:
        drawn = with_column(drawn, opened.config.label_column, opened.info.label_place)
    path = save_samples(
        target, drawn.values, drawn.labels, columns=drawn.columns, categories=drawn.categories
    )
    if as_json:
        report = {
            "out": str(path),
            "n": n,
            "seconds": round(seconds, 3),
            "samples_per_second": round(n / seconds, 2),
        }
        print_json(report)
        return
    say(f"{n} samples in {seconds:.1f} s ({n / seconds:,.0f} a second): ", (str(path), "bold"), console=out)


def _holds_labels(target: Path, run: Run, *, asked: bool) -> bool:
    """Whether labels are written: a folder of images is parted by class only where that was asked for."""
    suffix = target.suffix.lower()
    if suffix in _TABLES:
        return run.info.label_place is not None
    scatter = suffix == ".png" and run.info.kind == "table"
    return suffix == ".npz" or scatter or (not suffix and asked)


def _interval(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"guidance-interval={text!r}: give two noise levels, the lower first, such as 0.2,3"
        ) from None
    return low, high


def _given(source: str, n: int | None, run: Run) -> Tensor:
    """The first `n` items to start from, in the data's units."""
    from unstir.data import load as load_data
    from unstir.data import recoded
    from unstir.train.source import as_read

    given = as_read(load_data(source), run.config)
    values = recoded(given, run.info.columns, run.info.categories).values
    if tuple(values.shape[1:]) != run.info.shape:
        raise InputError(
            f"from {source}: has items of {tuple(values.shape[1:])}, the run of {run.info.shape}"
        )
    if n is not None and n > len(values):
        raise InputError(f"number={n}: {source} has {len(values)} items; give that many or fewer")
    return values[:n]
