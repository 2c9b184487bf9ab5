"""Which pictures there are of a process, by its class: the nearest decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unstir import physics, spec
from unstir.data.load import Source
from unstir.errors import InputError
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
from unstir.physics.kinds import serving
from unstir.physics.pde import PDE, pde
from unstir.picture import moments, oracle
from unstir.picture.coins import Bell
from unstir.picture.hemisphere import Hemisphere
from unstir.picture.lines import KacLines, LinearLines
from unstir.picture.phase import Phase
from unstir.picture.picture import Picture
from unstir.picture.plane import Plane
from unstir.picture.rod import Rod
from unstir.picture.rows import RowPicture, TablePicture
from unstir.picture.scene import Scene
from unstir.picture.slab import Slab
from unstir.picture.strips import Backward, Carried, Forward
from unstir.picture.tails import Tails


@dataclass(frozen=True)
class Gallery:
    """What is drawn of a family of processes.

    Attributes:
        data: what pictures show where nothing else is asked for; None for a law that is drawn by itself.
        exact: gives the exact field of items.
        clock: gives the moments of a strip.
        pictures: all there are; each says itself whether it fits a scene.
        solver: of strips backward, where not the process's own.
        steps: of that solver.
        walk: gives falling times in place of the solver's own.
    """

    data: str | None
    exact: Callable[[Any, Tensor], Field] | None
    clock: Callable[[Any], list[float]] | None
    pictures: tuple[Picture, ...]
    solver: str | None = None
    steps: int = 40
    walk: Callable[[Any], list[float]] | None = None


STRIPS: tuple[Picture, ...] = (Forward(), Backward())

_GALLERIES: dict[type, Gallery] = {
    LinearProcess: Gallery(
        "swissroll",
        oracle.of_linear,
        moments.by_noise,
        (*STRIPS, LinearLines(), Plane(), Hemisphere(), Tails()),
    ),
    DampedProcess: Gallery("digits", oracle.of_linear, moments.by_noise, (*STRIPS, Rod(), Tails())),
    HeatProcess: Gallery("digits", oracle.of_linear, moments.evenly, (*STRIPS, Rod())),
    LangevinProcess: Gallery("swissroll", oracle.of_phase, moments.early, (*STRIPS, Phase(), Plane(25))),
    Kac: Gallery(
        "swissroll", oracle.of_kac, moments.early, (*STRIPS, KacLines(), Plane()), walk=moments.walk_early
    ),
    Capacitor: Gallery(
        "swissroll",
        oracle.of_plates,
        moments.between,
        (Carried(), Backward(), Slab()),
        solver="heun",
        steps=24,
    ),
    CoinProcess: Gallery("digits", oracle.of_coins, moments.evenly, (*STRIPS, Bell())),
    Bridge: Gallery("digits", oracle.of_bridge, moments.evenly, STRIPS),
    PDE: Gallery(None, None, None, (RowPicture(), TablePicture())),
}

# Physics that are no `Process`, beside those of `physics.parse`.
_OTHERS: dict[str, Callable[..., object]] = {"pde": pde}


def gallery(process: object) -> Gallery:
    """What is drawn of a process.

    Raises:
        InputError: a process of a family that is not listed.
    """
    missing = f"process {process}: no pictures are listed for a {type(process).__name__}"
    return serving(_GALLERIES, process, missing)


def parse(text: str) -> object:
    """The process that `text` names.

    Raises:
        InputError: as `physics.parse`.
    """
    others = text.strip().partition(":")[0] in _OTHERS
    return spec.parse("process", text, _OTHERS) if others else physics.parse(text)


def view_of(process: object, source: Source | None = None, partner: Source | None = None) -> Scene:
    """A process on data; by default on those that suit its pictures.

    Raises:
        InputError: data for a law that is drawn by itself.
    """
    shown = gallery(process)
    if shown.data is None and (source is not None or partner is not None):
        raise InputError("data: these pictures show a law by itself, on a line; leave --data out")
    return Scene(
        process,
        shown.data if source is None else source,
        shown.exact,
        shown.clock,
        partner,
        shown.solver,
        shown.steps,
        shown.walk,
    )


def pictures(view: Scene) -> list[Picture]:
    """The pictures there are of a scene."""
    return [picture for picture in gallery(view.bare).pictures if picture.fits(view)]
