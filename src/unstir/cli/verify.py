"""`unstir verify`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Json

if TYPE_CHECKING:
    from unstir.measure.certificates import Certificate


def verify(
    processes: Annotated[
        list[str] | None, typer.Argument(help="Such as edm or poisson:D=1; all by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the physics on cases where all is known exactly; exit status 1 where a check fails."""
    from unstir.bars import stage_bar
    from unstir.measure.certificates import questions
    from unstir.train.machine import using_threads

    asked = questions(processes or ())
    records = []
    # Small tensors: threads that wait for each other cost more than they bring.
    with using_threads(1), stage_bar(len(asked), err) as stage:
        for question in asked:
            stage(f"{question.process}: {question.check.kind}")
            records.append(question.answer())
    failed = [record for record in records if not record.passed]
    if as_json:
        print_json({"passed": not failed, "certificates": [record.to_dict() for record in records]})
    else:
        _print(records)
        say(_summary(records, failed), console=out)
    if failed:
        raise typer.Exit(1)


def _print(records: Sequence[Certificate]) -> None:
    """A block for each process, a row for each check."""
    from rich.markup import escape
    from rich.table import Table

    for process, group in itertools.groupby(records, key=lambda record: record.process):
        say((process, "bold"), console=out)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(min_width=14, no_wrap=True)  # as if indented
        table.add_column(min_width=8, no_wrap=True, justify="right")
        table.add_column(min_width=7, no_wrap=True)
        table.add_column(min_width=5, no_wrap=True)
        table.add_column()
        for record in group:
            bound = f"{'≥' if record.at_least else '≤'} {record.bound:.0e}"
            verdict = "[green]holds[/]" if record.passed else "[bold red]FAILS[/]"
            table.add_row(f"  {record.check}", f"{record.value:.1e}", bound, verdict, escape(record.compared))
        out.print(table)


def _summary(records: Sequence[Certificate], failed: Sequence[Certificate]) -> str:
    seconds = sum(record.seconds for record in records)
    count = len({record.process for record in records})
    told = f"{len(records) - len(failed)} of {len(records)} certificates of {count} processes hold"
    return f"{told}; {seconds:.0f} s"
