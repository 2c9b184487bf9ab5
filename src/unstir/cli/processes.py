"""`unstir processes`."""

from __future__ import annotations

from unstir.cli.console import out, print_json
from unstir.cli.options import Json


def processes(as_json: Json = False) -> None:
    """List the physics, with their parameters."""
    from rich.table import Table

    from unstir.physics import entries

    if as_json:
        print_json([{"name": e.name, "parameters": e.parameters, "summary": e.summary} for e in entries()])
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("process", "parameters and defaults", "what it is"):
        table.add_column(column)
    for entry in entries():
        parameters = ", ".join(f"{key}={value}" for key, value in entry.parameters.items()) or "none"
        table.add_row(f"[bold]{entry.name}[/]", parameters, entry.summary)
    out.print(table)
    out.print("\nWrite parameters after a colon: --process poisson:D=128")
