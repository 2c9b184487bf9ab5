"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Guidance = Annotated[
    float | None,
    typer.Option(help="Above 1 more of the class, and less varied; with --guide, further from that run."),
]
Guide = Annotated[
    Path | None,
    typer.Option(help="A weaker run on the same data, or one of its checkpoints, to keep away from."),
]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
SolverName = Annotated[
    str | None,
    typer.Option(help="One of the process's own; unstir processes lists them, the first is the default."),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]
