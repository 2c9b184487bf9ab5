"""unstir: physics-inspired generative models under one interface.

A physical process carries a complicated state to a simple one; learn the field that drives it, run it
backwards, and new data appear. Four nouns carry everything: Process, Field, Solver, Run.

    import unstir
    run = unstir.fit(unstir.physics.poisson(D=128), "digits", minutes=1)
    images = run.sample(64)

Everything heavy is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unstir import data, fields, flow, interop, measure, physics
    from unstir.errors import InputError
    from unstir.fitting import fit
    from unstir.flow import log_likelihood, sample
    from unstir.run import Run, load
    from unstir.untrained import Untrained, exact, local

__version__ = "0.1.0"

_MODULES = ("data", "fields", "flow", "interop", "measure", "physics")
_NAMES = {
    "InputError": "unstir.errors",
    "Run": "unstir.run",
    "Untrained": "unstir.untrained",
    "exact": "unstir.untrained",
    "fit": "unstir.fitting",
    "load": "unstir.run",
    "local": "unstir.untrained",
    "log_likelihood": "unstir.flow",
    "sample": "unstir.flow",
}

__all__ = [
    "InputError",
    "Run",
    "Untrained",
    "data",
    "exact",
    "fields",
    "fit",
    "flow",
    "interop",
    "load",
    "local",
    "log_likelihood",
    "measure",
    "physics",
    "sample",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _MODULES:
        return importlib.import_module(f"unstir.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'unstir' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
