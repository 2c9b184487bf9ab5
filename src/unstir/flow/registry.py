"""The closed lists of solvers by name: each family of processes has its own, the first by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unstir import spec
from unstir.fields import ConsistencyField
from unstir.flow.adaptive import Adaptive
from unstir.flow.bridge import Mean, Posterior
from unstir.flow.consistency import Consistency
from unstir.flow.discrete import AncestralCoins, TauLeaping
from unstir.flow.dissipation import Dissipation
from unstir.flow.langevin import Maruyama, Splitting
from unstir.flow.multistep import Multistep
from unstir.flow.onestep import Euler, Heun
from unstir.flow.phase import PhaseMultistep
from unstir.flow.plates import Lines
from unstir.flow.solver import Solver
from unstir.flow.stochastic import Ancestral, Churn
from unstir.flow.velocity import VelocityAdaptive, VelocityEuler, VelocityHeun
from unstir.physics import (
    Bridge,
    Capacitor,
    CoinProcess,
    HeatProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
    Process,
)
from unstir.physics.kinds import nearest, serving

Table = Mapping[str, Callable[..., Solver[Any]]]

SOLVERS: Table = {
    "multistep": Multistep,
    "heun": Heun,
    "euler": Euler,
    "churn": Churn,
    "ancestral": Ancestral,
    "adaptive": Adaptive,
}
"""Those of every linear process."""

# The nearest class of a process decides.
_FAMILIES: dict[type[Process], Table] = {
    LinearProcess: SOLVERS,
    Bridge: {"posterior": Posterior, "mean": Mean},
    Capacitor: {"lines": Lines, "heun": VelocityHeun, "euler": VelocityEuler, "adaptive": VelocityAdaptive},
    CoinProcess: {"ancestral": AncestralCoins, "tau_leaping": TauLeaping},
    Kac: {"heun": VelocityHeun, "euler": VelocityEuler, "adaptive": VelocityAdaptive},
    HeatProcess: {"multistep": Multistep, "dissipation": Dissipation, "heun": Heun, "euler": Euler},
    LangevinProcess: {
        "multistep": PhaseMultistep,
        "splitting": Splitting,
        "maruyama": Maruyama,
        "heun": VelocityHeun,
        "euler": VelocityEuler,
        "adaptive": VelocityAdaptive,
    },
}


# Fields that answer with something else than their process's usual ones.
_FIELDS: dict[type[object], Table] = {ConsistencyField: {"consistency": Consistency}}


def solvers(process: Process, field: object = None) -> Table:
    """The solvers that fit a process, or a field of its own kind, by name.

    Raises:
        InputError: a process of a family that is not listed.
    """
    own = nearest(_FIELDS, field)
    missing = f"process {process.name}: no solver is listed for a {type(process).__name__}"
    return serving(_FAMILIES, process, missing) if own is None else own


def default_solver(process: Process, field: object = None) -> Solver[Any]:
    """The first of `solvers`, with its own defaults."""
    return next(iter(solvers(process, field).values()))()


def parse_solver(text: str, process: Process | None = None, field: object = None) -> Solver[Any]:
    """The solver that `text` names, such as `heun`, `multistep:order=3` or `churn:amount=40`.

    Args:
        text: the specification.
        process: whose solvers are meant; those of linear processes by default.
        field: of the process, where it may have solvers of its own.

    Raises:
        InputError: an unknown name (the known ones are listed) or parameter, or a value out of range.
    """
    kind = "solver" if process is None else f"process {process.name}: solver"
    return spec.parse(kind, text, SOLVERS if process is None else solvers(process, field))
