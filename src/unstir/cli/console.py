"""What is printed: one line of plain texts, or JSON. Results go to `out`, all else to `err`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from unstir.run import Run

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(*parts: str | tuple[str, str], console: Console = err) -> None:
    """Print one line of texts and (text, style) pairs, each as it is: no markup, and nothing unprintable."""
    console.print(Text.assemble(*(_plain(p) if isinstance(p, str) else (_plain(p[0]), p[1]) for p in parts)))


def _plain(text: str) -> str:
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def say_passed_over(run: Run) -> None:
    """Name the checkpoints that did not verify."""
    for passed in run.passed_over:
        say(f"passed over {passed}; using step {run.step}")


def print_json(value: object) -> None:
    """Print figures as JSON on standard output."""
    from unstir.train.storage import json_text

    sys.stdout.write(json_text(value) + "\n")
