"""`unstir pde`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import out, print_json, say
from unstir.cli.options import Json, Seed
from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.physics import PDE


def pde(
    row: Annotated[
        str | None,
        typer.Argument(help="One of the rows, with parameters, such as screened:m=0.5; all of them if none."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Points to generate from: a table of 1 or 2 columns.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help=".npz, .png, .csv or .parquet.")] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many points.")] = 1000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the way back.")] = 64,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Ask any linear PDE whether it can generate and, with --data, generate with it."""
    if (data is None) != (target is None) or (data is not None and row is None):
        raise InputError("pde: to generate give ROW, --data and --out; with neither, a verdict is printed")
    if data is not None and target is not None and row is not None:
        _generate(row, data, target, n, steps, seed, as_json)
    else:
        _verdicts(row, as_json)


def _verdicts(row: str | None, as_json: bool) -> None:
    from rich.table import Table

    from unstir.physics import ROWS

    names = list(ROWS) if row is None else [row]
    found = [(name, _process(name, 1), _process(name, 2)) for name in names]
    if as_json:
        print_json([_report(name, process) for name, *both in found for process in both])
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("row", "PDE", "in 1-D", "in 2-D"):
        table.add_column(column)
    for name, line, plane in found:
        verdicts = ("yes" if p.verdict else f"no, {p.verdict.failed} fails" for p in (line, plane))
        table.add_row(f"[bold]{name}[/]", line.row.equation, *verdicts)
    out.print(table)
    for name, *both in found:
        for process in both:
            if not process.verdict:
                where = f" in {process.box.dimension}-D: {process.verdict.reason}"
                say((name, "bold"), where, console=out)


def _report(name: str, process: PDE) -> dict[str, object]:
    verdict = process.verdict
    return {
        "row": name,
        "dimension": process.box.dimension,
        "generates": verdict.generates,
        "fails": verdict.failed or None,
        "reason": verdict.reason or None,
    }


def _generate(row: str, source: str, target: Path, n: int, steps: int, seed: int, as_json: bool) -> None:
    import torch

    from unstir.data import Scaling, check_target, load, save_samples

    data = load(source, skip_bad=True)  # only images can be bad, and they are refused whole
    if data.kind != "table" or data.shape[0] not in (1, 2):
        raise InputError(f"data {source}: has items of {data.shape}; pde takes tables of one or two columns")
    check_target(target, (n, *data.shape))
    process = _process(row, data.shape[0])
    scaling = Scaling.fit(data)
    points = scaling.to_model(data.values).double()
    samples = process.sample(points, n, torch.Generator().manual_seed(seed), steps)
    path = save_samples(target, scaling.to_data(samples), columns=data.columns)
    if as_json:
        print_json({"out": str(path), "n": n, "process": process.name, "t_max": process.t_max})
        return
    what = (f"{n} points by ", (process.name, "bold"), f", back from t = {process.t_max:.3g}: ")
    say(*what, (str(path), "bold"), console=out)


def _process(row: str, dimension: int) -> PDE:
    from unstir.physics import parse_pde

    name, _, parameters = row.partition(":")
    given = f"row={name},dimension={dimension}" + (f",{parameters}" if parameters else "")
    return parse_pde(given)
