"""What is printed: one line of plain texts, or JSON. Results go to `out`, all else to `err`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from unstir.errors import FollowedError, InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.run import Run

# Of the processes of a launch the first alone speaks.
_FOLLOWS = os.environ.get("RANK", "0") != "0"
out = Console(highlight=False, soft_wrap=True, quiet=_FOLLOWS)
err = Console(stderr=True, highlight=False, soft_wrap=True, quiet=_FOLLOWS)
_loud = Console(stderr=True, highlight=False, soft_wrap=True)


def say(*parts: str | tuple[str, str], console: Console = err) -> None:
    """Print one line of texts and (text, style) pairs, each as it is: no markup, and nothing unprintable."""
    console.print(Text.assemble(*(plain(p) if isinstance(p, str) else (plain(p[0]), p[1]) for p in parts)))


def complain(error: InputError) -> None:
    """Say what is wrong: the first process of a launch does, unless another alone knows of it."""
    if isinstance(error, FollowedError):
        return
    place = f"process {os.environ['RANK']}: " if _FOLLOWS else ""
    say(("error:", "bold red"), f" {place}{error}", console=_loud)


def plain(text: str) -> str:
    """A text in one line, with nothing that cannot be printed."""
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def say_passed_over(run: Run) -> None:
    """Name the checkpoints that did not verify."""
    for passed in run.passed_over:
        say(f"passed over {passed}; using step {run.step}")


def say_skipped(data: Dataset) -> None:
    """Name what was passed over among data: files, or rows."""
    for passed in data.skipped:
        say(f"passed over {passed}")


def print_json(value: object) -> None:
    """Print figures as JSON on standard output."""
    if _FOLLOWS:
        return
    from unstir.train.storage import json_text

    sys.stdout.write(json_text(value) + "\n")
