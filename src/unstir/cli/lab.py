"""`unstir lab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.console import out, say


def lab(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default 8177, or any free one if that is taken.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open one.")] = True,
    host: Annotated[
        str, typer.Option(help="Address to serve on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    runs: Annotated[Path | None, typer.Option(help="Folder whose trained runs the page may open.")] = None,
) -> None:
    """Open a page where every physics runs forward and backward."""
    from unstir.lab.serve import serve

    say("opening the lab, which takes a few seconds")
    serve(
        host=host,
        port=port,
        browser=browser,
        runs=runs,
        say=lambda url: say("lab     ", (url, "bold"), "   Ctrl-C ends it", console=out),
    )
