"""What the topics and chapters ask, answered beforehand for an exported page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from unstir.lab.points import POINTS
from unstir.lab.topics.rod import POURED
from unstir.physics.pde import ROWS

_SPIRAL = "swissroll"
_RADII = (1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0)
_ERRORS = (1e-6, 1e-4, 0.01, 0.1)
_LINES = 120

Prepared = tuple[str, dict[str, Any], dict[str, Any]]
"""The kind of a request, the arguments in which a page's question must agree, and its others."""


def prepared() -> Iterator[Prepared]:
    """All of it."""
    for axes in range(0, 65, 4):
        yield "assume", {"axes": axes}, {"n": 25}
    digits = {
        "data": {"images": "digits"},
        "process": "poisson:D=128",
        "direction": "backward",
        "field": "exact",
    }
    yield "path", digits, {"n": 12, "frames": 36, "seed": 0}
    for profile in POURED:
        for error in _ERRORS:
            yield "rod", {"profile": profile, "error": error}, {}
    for data in POINTS:
        for radius in _RADII if data == _SPIRAL else (3.0,):
            yield "hemisphere", {"data": {"preset": data}, "radius": radius}, {"lines": _LINES}
    for direction in ("forward", "backward"):
        yield "coins", {"direction": direction}, {"rows": 2000}
    for D in sorted(set(torch.logspace(0, 10, 31, base=2).round().int().tolist())):
        yield "tails", {"process": f"poisson:D={D}"}, {}
    for row in ROWS:
        yield "equation", {"process": f"pde:row={row}"}, {}
    for k0 in torch.linspace(0.02, 1, 50).tolist():
        yield "equation", {"process": f"pde:row=helmholtz,k0={k0:.2f}"}, {}
