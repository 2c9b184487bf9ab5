"""`unstir sample`."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say, say_skipped
from unstir.cli.options import Device, Exact, Guidance, Guide, Json, Seed, SkipBad, SolverName, Steps
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.jobs import Source, Watch


def sample(
    target: Annotated[
        Path,
        typer.Option(
            "--out", help="A folder of PNGs, .zip of them, .npz, .parquet, .png (a grid), .csv or .txt."
        ),
    ],
    run: Annotated[Path | None, typer.Argument(help="A run folder.")] = None,
    exact: Exact = None,
    local: Annotated[
        str | None,
        typer.Option(help="In place of a run: the field of images' patches, which makes new ones."),
    ] = None,
    diffusers: Annotated[
        Path | None, typer.Option(help="In place of a run: a pipeline folder of diffusers.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="In place of a run: a network of EDM or PFGM++, .pkl or .pt.")
    ] = None,
    process: Annotated[
        str | None,
        typer.Option(help="Of --exact and --local, poisson:D=128 by default; of --weights, its own."),
    ] = None,
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
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what a stopped job has left for --out.")
    ] = False,
    skip_bad: SkipBad = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw samples from a trained run, or from data alone. What was stopped goes on when called again."""
    from unstir.cli.given import check_apart, open_run
    from unstir.jobs import Drawing, Options, folder_of, work
    from unstir.train.cluster import joined, leave

    cluster = joined()
    opened = _source(run, exact, local, diffusers, weights, process, device, skip_bad=bool(skip_bad))
    check_apart(target, opened, source)
    given = None if source is None else _given(source, n, opened, skip_bad=bool(skip_bad))
    drawing = Drawing(
        opened,
        target.expanduser(),
        len(given) if given is not None else n or 64,
        Options(
            label, guidance, None if guidance_interval is None else _interval(guidance_interval),
            solver, steps, seed, first,
        ),
        None if guide is None else open_run(guide, device),
        given,
        batch,
    )  # fmt: skip
    start = time.perf_counter()
    try:
        outcome = work(drawing, bar=_bar, cluster=cluster, restart=restart)
    except KeyboardInterrupt:
        if folder_of(drawing.target).exists():
            say(f"what is drawn is kept in {folder_of(drawing.target)}; the same command goes on")
        raise
    leave()
    if outcome is None:
        return  # the first process speaks
    seconds = time.perf_counter() - start
    if exact is not None:
        say("an exact field gives the data back, and nothing new")
    if as_json:
        report = {
            "out": str(drawing.target),
            "n": drawing.n,
            "found": outcome.found,
            "seconds": round(seconds, 3),
            "samples_per_second": round(outcome.drawn / seconds, 2),
        }
        print_json(report)
        return
    rate = f"{outcome.drawn} samples in {seconds:.1f} s ({outcome.drawn / seconds:,.0f} a second): "
    say(rate, (str(drawing.target), "bold"), console=out)


def _bar(found: int, left: int) -> AbstractContextManager[Watch]:
    from unstir.bars import sampling_bar

    if found:
        say(f"going on: {found:,} of {found + left:,} samples are there already")
    return sampling_bar(left, err)


def _source(
    run: Path | None,
    exact: str | None,
    local: str | None,
    diffusers: Path | None,
    weights: Path | None,
    process: str | None,
    device: str,
    *,
    skip_bad: bool,
) -> Source:
    """What is sampled: a run, one of the two fields that need none, or another library's."""
    from unstir.cli.given import open_run, untrained_field

    named = {"RUN": run, "--exact": exact, "--local": local, "--diffusers": diffusers, "--weights": weights}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        told = " and ".join(given) or "none of them"
        raise InputError(
            f"sample: give a run folder, --exact DATA, --local DATA, --diffusers FOLDER, or "
            f"--weights FILE; you gave {told}"
        )
    if process is not None and (run is not None or diffusers is not None):
        raise InputError(f"process={process}: a run has its own; leave it out")
    if run is not None:
        return open_run(run, device)
    if diffusers is not None:
        from unstir.interop import from_diffusers

        return from_diffusers(diffusers, device=device)
    if weights is not None:
        from unstir.interop import read_weights

        return read_weights(weights, process=process, device=device)
    return untrained_field(exact, local, process, device, skip_bad=skip_bad)


def _interval(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"guidance-interval={text!r}: give two noise levels, the lower first, such as 0.2,3"
        ) from None
    return low, high


def _given(source: str, n: int | None, opened: Source, *, skip_bad: bool) -> Tensor:
    """The first `n` items to start from, in the data's units."""
    from unstir.cli.given import as_seen
    from unstir.data import load

    data = load(source, skip_bad=skip_bad)
    say_skipped(data)
    values, info = as_seen(opened, data).values, opened.info
    if tuple(values.shape[1:]) != info.shape:
        raise InputError(f"from {source}: has items of {tuple(values.shape[1:])}, the run of {info.shape}")
    if n is not None and n > len(values):
        raise InputError(f"number={n}: {source} has {len(values)} items; give that many or fewer")
    return values[:n]
