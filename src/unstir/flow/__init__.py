"""Flow: backward in time. Solvers, sampling, likelihood."""

from unstir.flow.adaptive import Adaptive
from unstir.flow.between import between
from unstir.flow.bridge import Mean, Posterior
from unstir.flow.consistency import Consistency
from unstir.flow.discrete import AncestralCoins, CoinSolver, TauLeaping
from unstir.flow.dissipation import Dissipation
from unstir.flow.encode import decode, encode
from unstir.flow.langevin import Maruyama, Splitting
from unstir.flow.likelihood import log_likelihood
from unstir.flow.multistep import Multistep
from unstir.flow.onestep import Euler, Heun
from unstir.flow.phase import PhaseMultistep
from unstir.flow.plates import Lines
from unstir.flow.registry import SOLVERS, default_solver, parse_solver, solvers
from unstir.flow.sampling import Progress, gather, sample, sample_steps, trajectory
from unstir.flow.solver import DEFAULT_STEPS, LinearPath, LinearSolver, Path, Solver, Step
from unstir.flow.stochastic import Ancestral, Churn
from unstir.flow.streams import Streams
from unstir.flow.velocity import VelocityAdaptive, VelocityEuler, VelocityHeun

__all__ = [
    "DEFAULT_STEPS",
    "SOLVERS",
    "Adaptive",
    "Ancestral",
    "AncestralCoins",
    "Churn",
    "CoinSolver",
    "Consistency",
    "Dissipation",
    "Euler",
    "Heun",
    "LinearPath",
    "LinearSolver",
    "Lines",
    "Maruyama",
    "Mean",
    "Multistep",
    "Path",
    "PhaseMultistep",
    "Posterior",
    "Progress",
    "Solver",
    "Splitting",
    "Step",
    "Streams",
    "TauLeaping",
    "VelocityAdaptive",
    "VelocityEuler",
    "VelocityHeun",
    "between",
    "decode",
    "default_solver",
    "encode",
    "gather",
    "log_likelihood",
    "parse_solver",
    "sample",
    "sample_steps",
    "solvers",
    "trajectory",
]
