"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
SolverName = Annotated[
    str | None, typer.Option(help="multistep (default), heun, euler, churn, ancestral, adaptive.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]
