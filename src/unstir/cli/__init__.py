"""The command line: one thin command per verb, each in a file of its own.

Exit status 0 done, 1 a check failed, 2 bad input, 130 interrupted with all work kept.

A verb is a function of its module's name, and a line in `_VERBS`. Heavy modules are imported inside the
functions, so that `--help` answers at once.
"""

from __future__ import annotations

from importlib import import_module

from unstir.cli.app import app, main

# In the order of the help.
_VERBS = (
    "processes",
    "networks",
    "train",
    "sample",
    "tune",
    "distill",
    "restore",
    "edit",
    "evaluate",
    "likelihood",
    "score",
    "compare",
    "novelty",
    "baseline",
    "pde",
    "verify",
    "picture",
    "lab",
    "export",
)

for _verb in _VERBS:
    app.command(_verb)(getattr(import_module(f"unstir.cli.{_verb}"), _verb))

__all__ = ["app", "main"]
