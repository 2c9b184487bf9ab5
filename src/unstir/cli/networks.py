"""`unstir networks`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from unstir.cli.console import out, print_json, say
from unstir.cli.options import Json
from unstir.errors import InputError

# Without --shape: what each network is for.
_IMAGES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
_SHAPES = {
    "mlp": ((2,), (1, 8, 8)),
    "patch-unet": _IMAGES,
    "unet": _IMAGES,
    "dit": _IMAGES,
    "unet1d": ((1, 64), (1, 1024)),
    "transformer": ((16, 12),),
}
_LARGEST = 2**24  # numbers in an item


def networks(
    shape: Annotated[
        str | None, typer.Option(help="Of one item: 1x28x28 for images, 1x64 for signals, 8 for tables.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the networks: parameters and operations for one item, by size."""
    from rich.table import Table

    from unstir.fields.cost import cost
    from unstir.fields.networks import NETWORKS
    from unstir.fields.sizes import NAMES

    given = None if shape is None else _shape(shape)
    rows = []
    for name in NETWORKS:
        for item in _SHAPES[name] if given is None else [given]:
            try:
                costs = {size: cost(name, item, {"size": size}) for size in NAMES}
            except InputError:  # it is not for items of this shape
                continue
            rows.append((name, item, costs))
    if as_json:
        print_json(
            [
                {"network": name, "size": size, "shape": item, "parameters": c.parameters, "flops": c.flops}
                for name, item, costs in rows
                for size, c in costs.items()
            ]
        )
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("network", "item"):
        table.add_column(column)
    for column in ("parameters", "MFLOP an item"):
        table.add_column(column, justify="right")
    for name, item, costs in rows:
        for size, c in costs.items():
            shown = f"{name}:{size}", "×".join(map(str, item))
            table.add_row(*shown, f"{c.parameters:,}", f"{c.flops / 1e6:,.1f}")
    out.print(table)
    say("", console=out)
    say(
        "MFLOP: millions of operations of one pass over one item. base is the default: --network unet:small.",
        console=out,
    )


def _shape(text: str) -> tuple[int, ...]:
    """`1x28x28` as (1, 28, 28)."""
    lengths = re.split("[x×]", text.strip())
    if not all(length.isdecimal() and len(length) < 9 and int(length) for length in lengths):
        raise InputError(f"shape={text!r}: give lengths of 1 or more with x between them, such as 1x28x28")
    shape = tuple(map(int, lengths))
    size = 1
    for length in shape:
        size *= length
    if size > _LARGEST or len(shape) > 3:
        raise InputError(f"shape={text!r}: give up to three lengths, and up to {_LARGEST:,} numbers an item")
    return shape
