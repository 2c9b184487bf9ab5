"""Which pictures there are of a process, by its class: the nearest decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unstir import physics
from unstir.data.load import Source
from unstir.fields.field import Field
from unstir.physics import (
    Bridge,
    Capacitor,
    CoinProcess,
    DampedProcess,
    HeatProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
)
from unstir.picture import moments, oracle
from unstir.picture.lines import KacLines, LinearLines
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene
from unstir.picture.strips import Backward, Forward


@dataclass(frozen=True)
class Gallery:
    """What is drawn of a family of processes.

    Attributes:
        data: what pictures show where nothing else is asked for.
        exact: gives the exact field of items.
        clock: gives the moments of a strip.
        pictures: all there are; each says itself whether it fits a scene.
        solver: of strips backward, where not the process's own.
        steps: of that solver.
    """

    data: str
    exact: Callable[[Any, Tensor], Field]
    clock: Callable[[Any], list[float]]
    pictures: tuple[Picture, ...]
    solver: str | None = None
    steps: int = 40


STRIPS: tuple[Picture, ...] = (Forward(), Backward())

_GALLERIES: dict[type, Gallery] = {
    LinearProcess: Gallery("swissroll", oracle.of_linear, moments.by_noise, (*STRIPS, LinearLines())),
    DampedProcess: Gallery("digits", oracle.of_linear, moments.by_noise, STRIPS),
    HeatProcess: Gallery("digits", oracle.of_linear, moments.evenly, STRIPS),
    LangevinProcess: Gallery("swissroll", oracle.of_phase, moments.early, STRIPS),
    Kac: Gallery("swissroll", oracle.of_kernel, moments.early, (*STRIPS, KacLines()), steps=24),
    Capacitor: Gallery("swissroll", oracle.of_plates, moments.between, STRIPS, "heun", 30),
    CoinProcess: Gallery("digits", oracle.of_coins, moments.evenly, STRIPS),
    Bridge: Gallery("digits", oracle.of_bridge, moments.evenly, STRIPS),
}


def gallery(process: object) -> Gallery:
    """What is drawn of a process.

    Raises:
        TypeError: a process of a family that is not listed.
    """
    for kind in type(process).__mro__:
        if kind in _GALLERIES:
            return _GALLERIES[kind]
    raise TypeError(f"process {process}: no pictures are listed for a {type(process).__name__}")


def parse(text: str) -> object:
    """The process that `text` names.

    Raises:
        InputError: as `physics.parse`.
    """
    return physics.parse(text)


def scene(process: object, source: Source | None = None, partner: Source | None = None) -> Scene:
    """A process on data; by default on those that suit its pictures."""
    shown = gallery(process)
    return Scene(
        process,
        shown.data if source is None else source,
        shown.exact,
        shown.clock,
        partner,
        shown.solver,
        shown.steps,
    )


def pictures(view: Scene) -> list[Picture]:
    """The pictures there are of a scene."""
    return [picture for picture in gallery(view.bare).pictures if picture.fits(view)]
