"""The greeting: what there is to choose from. `{"kind": "hello"}`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from unstir.lab import catalog, opened
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
                "runs": opened.names(context.lab.runs),
            }
        )


@cache
def _catalog() -> dict[str, Any]:
    return {"processes": catalog.processes(), "presets": catalog.presets(), "rows": catalog.rows()}
