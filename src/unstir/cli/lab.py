"""`unstir lab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.console import out, say

_HERE = ("127.0.0.1", "localhost", "::1")
_USUAL = Path("runs")  # where `unstir train` leaves them


def lab(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default 8177, or any free one if that is taken.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open one.")] = True,
    host: Annotated[
        str, typer.Option(help="Address to serve on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    runs: Annotated[
        Path | None,
        typer.Option(help="Folder of runs that the page may open; runs/ where only this machine looks."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the page with finished runs into this folder instead."),
    ] = None,
) -> None:
    """Open a page where every physics runs forward and backward."""
    if export is not None:
        _export(export)
        return
    from unstir.lab.serve import serve

    if runs is None and host in _HERE and _USUAL.is_dir():
        runs = _USUAL
    say("opening the lab, which takes a few seconds")
    serve(
        host=host,
        port=port,
        browser=browser,
        runs=runs,
        say=lambda url: say("lab     ", (url, "bold"), "   Ctrl-C ends it", console=out),
    )


def _export(folder: Path) -> None:
    from rich.progress import Progress

    from unstir.cli.console import err
    from unstir.lab.export import export
    from unstir.train.machine import using_threads

    # Small tensors: threads that wait for each other cost more than they bring.
    with using_threads(1), Progress(console=err, transient=True) as bars:
        bar = bars.add_task("answers", total=None)
        size = 0
        for progress in export(folder):
            bars.update(bar, completed=progress.done, total=progress.total)
            size = progress.size
    say("written ", (str(folder), "bold"), f"   {size / 1e6:.0f} MB for any web server", console=out)
