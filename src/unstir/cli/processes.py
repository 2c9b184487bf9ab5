"""`unstir processes`."""

from __future__ import annotations

from unstir.cli.console import out, print_json
from unstir.cli.options import Json


def processes(as_json: Json = False) -> None:
    """List the physics, with their parameters and solvers."""
    from rich.table import Table

    from unstir.flow import solvers
    from unstir.physics import entries, entry_of_pde, parse

    listed = entries()
    own = {entry.name: tuple(solvers(parse(entry.name))) for entry in listed}
    if as_json:
        print_json(
            [
                {"name": e.name, "parameters": e.parameters, "solvers": own[e.name], "summary": e.summary}
                for e in listed
            ]
        )
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("process", "parameters and defaults", "what it is"):
        table.add_column(column)
    for entry in [*listed, entry_of_pde()]:
        parameters = ", ".join(f"{key}={value}" for key, value in entry.parameters.items()) or "none"
        table.add_row(f"[bold]{entry.name}[/]", parameters, entry.summary)
    out.print(table)
    out.print("\nWrite parameters after a colon: --process poisson:D=128. For pde see unstir pde.\n")
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("solvers, the default first")
    table.add_column("of")
    for names in dict.fromkeys(own.values()):
        table.add_row(", ".join(names), ", ".join(name for name, has in own.items() if has == names))
    out.print(table)
