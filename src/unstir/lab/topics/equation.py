"""One equation of the table: what it makes of a density, and whether it can generate. `{"kind": "equation"}`.

    φ ~ exp(i(kx − ωt))        it generates if p ≥ 0 (C1) and Im ω(k) < Im ω(0) for all k > 0 (C2)

A density on a periodic line over time, by its own dispersion relation; Im ω(k) − Im ω(0), how fast a wave of
each length fades against the whole; and the verdict of `physics.pde.can_generate` (Liu 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field as Bounded

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.catalog import check_parameters
from unstir.lab.context import Context
from unstir.lab.requests import Request
from unstir.physics.pde import PDE
from unstir.physics.pde.condition import gap
from unstir.picture.registry import parse
from unstir.picture.rows import evolution

_TIMES = 120
_WAVES = 8.0  # largest wavenumber shown


class Equation(Request):
    """Asks after one row.

    Attributes:
        process: such as `pde:row=damped_wave,epsilon=50`; it is taken on a line.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["equation"]
    process: Annotated[str, Bounded(pattern=r"^pde(:[a-z0-9_=.,-]*)?$", max_length=200)]

    def answer(self, context: Context) -> Iterator[Answer]:
        check_parameters(self.process)
        text = self.process if ":" in self.process else f"{self.process}:row=heat"
        process = parse(text if "dimension=" in text else f"{text},dimension=1")
        if not isinstance(process, PDE):
            raise InputError(f"process {self.process}: is no equation; give such as pde:row=heat")
        times, density = evolution(process, _TIMES)
        k = torch.linspace(0, _WAVES, 161, dtype=torch.float64)
        verdict = process.verdict
        # Each moment by its own greatest density, with its sign.
        shade = density / density.abs().amax(1, keepdim=True).clamp_min(1e-30)
        yield Answer(
            {
                "process": process.name,
                "equation": process.row.equation,
                "generates": verdict.generates,
                "fails": verdict.failed or None,
                "reason": verdict.reason,
                "side": process.box.side,
                "negative": float(density.min() / density.max()),
            },
            {"times": times, "shade": shade, "k": k, "gap": gap(process.row, k)},
        )
