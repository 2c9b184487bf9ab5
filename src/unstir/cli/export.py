"""`unstir export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.console import out, print_json, say
from unstir.cli.options import Json


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or one of its checkpoints.")],
    target: Annotated[Path, typer.Option("--out", help="A new folder.")],
    form: Annotated[
        str, typer.Option("--format", help="diffusers: a pipeline folder; hub: a run to share.")
    ] = "diffusers",
    as_json: Json = False,
) -> None:
    """Write a run for other libraries, with a model card: safetensors and JSON alone."""
    from unstir.cli.given import open_run
    from unstir.interop import export as write

    opened = open_run(run, "cpu")
    folder = write(opened, target, form)
    if as_json:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print_json({"out": str(folder), "format": form, "step": opened.step, "bytes": size})
        return
    say("wrote   ", (str(folder), "bold"), console=out)
    say("read    ", (str(folder / "README.md"), "bold"), " (what it is, and how to load it)", console=out)
