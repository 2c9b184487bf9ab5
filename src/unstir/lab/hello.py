"""The greeting: what there is to choose from. `{"kind": "hello"}`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from unstir.lab import catalog
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import Request


class Hello(Request):
    """Asks for the catalog."""

    kind: Literal["hello"]

    def answer(self, context: Context) -> Iterator[Answer]:
        from unstir import __version__

        yield Answer(
            {
                "version": __version__,
                "catalog": _catalog(),
                "limits": context.limits.told(),
                "runs": run_names(context),
            }
        )


@cache
def _catalog() -> dict[str, Any]:
    return {"processes": catalog.processes(), "presets": catalog.presets(), "rows": catalog.rows()}


def run_names(context: Context) -> list[str]:
    """Names of the runs in the folder that the lab was given, in order."""
    folder = context.lab.runs
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "config.yaml").is_file())
