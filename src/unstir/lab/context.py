"""The context of a request: what its work may use, and whether anybody still waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unstir.errors import InputError
from unstir.lab.limits import Limits
from unstir.lab.opened import OpenedRuns
from unstir.lab.points import DataSpec
from unstir.lab.scenes import LabScene, Scenes


class Cancelled(Exception):  # noqa: N818  # no error: nobody waits for the answer any more
    """Nobody waits for this answer any more."""


@dataclass(frozen=True)
class Lab:
    """What all visitors share.

    Attributes:
        runs: the folder whose trained runs may be opened, or None.
        limits: of work and sizes.
        scenes: data sets with their processes, the last used of them kept.
        opened: trained runs, the last used of them kept.
    """

    runs: Path | None = None
    limits: Limits = field(default_factory=Limits)
    scenes: Scenes = field(default_factory=Scenes)
    opened: OpenedRuns = field(default_factory=OpenedRuns)


@dataclass(frozen=True)
class Context:
    """What one request's work may use.

    Attributes:
        lab: shared by all.
        kept: of this visitor alone, by name, such as a network in training; gone when the page closes.
        cancelled: whether a newer request has taken this one's place.
        late: whether the work has taken all the time that a request may take.
        aside: does what is shorter than this work first, if there is any.
    """

    lab: Lab = field(default_factory=Lab)
    kept: dict[str, Any] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False
    late: Callable[[], bool] = lambda: False
    aside: Callable[[], None] = lambda: None

    @property
    def limits(self) -> Limits:
        """Of work and sizes."""
        return self.lab.limits

    def scene(self, data: DataSpec, process: str) -> LabScene:
        """The process on the data, as it was when last asked for, or made now.

        Raises:
            InputError: an unknown process, or data that it cannot take.
        """
        return self.lab.scenes.get(data, process)

    def check(self) -> None:
        """Pass where somebody still waits; to be called often in long work: others' short work is done here.

        Raises:
            Cancelled: a newer request has taken this one's place.
            InputError: it has taken too long.
        """
        if self.cancelled():
            raise Cancelled
        if self.late():
            raise too_long(self.limits.seconds)
        self.aside()


def too_long(seconds: float) -> InputError:
    """What is said of a request that takes too long."""
    return InputError(f"request: takes more than {seconds:g} s; ask for less")
