"""Flow: backward in time. Solvers, sampling, likelihood."""

from unstir.flow.adaptive import Adaptive
from unstir.flow.likelihood import log_likelihood
from unstir.flow.multistep import Multistep
from unstir.flow.onestep import Euler, Heun
from unstir.flow.registry import SOLVERS, parse_solver
from unstir.flow.sampling import DEFAULT_STEPS, Progress, gather, sample, sample_steps, trajectory
from unstir.flow.solver import Path, Solver, Step
from unstir.flow.stochastic import Ancestral, Churn
from unstir.flow.streams import Streams

__all__ = [
    "DEFAULT_STEPS",
    "SOLVERS",
    "Adaptive",
    "Ancestral",
    "Churn",
    "Euler",
    "Heun",
    "Multistep",
    "Path",
    "Progress",
    "Solver",
    "Step",
    "Streams",
    "gather",
    "log_likelihood",
    "parse_solver",
    "sample",
    "sample_steps",
    "trajectory",
]
