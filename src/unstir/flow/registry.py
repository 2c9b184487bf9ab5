"""The closed list of solvers by name."""

from __future__ import annotations

from collections.abc import Callable

from unstir import spec
from unstir.flow.adaptive import Adaptive
from unstir.flow.multistep import Multistep
from unstir.flow.onestep import Euler, Heun
from unstir.flow.solver import Solver
from unstir.flow.stochastic import Ancestral, Churn

SOLVERS: dict[str, Callable[..., Solver]] = {
    "multistep": Multistep,
    "heun": Heun,
    "euler": Euler,
    "churn": Churn,
    "ancestral": Ancestral,
    "adaptive": Adaptive,
}


def parse_solver(text: str) -> Solver:
    """The solver that `text` names, such as `heun`, `multistep:order=3` or `churn:amount=40`.

    Raises:
        InputError: an unknown name (the known ones are listed) or parameter, or a value out of range.
    """
    return spec.parse("solver", text, SOLVERS)
