"""Physics: what happens forward in time. No learning, no files, no printing.

One time convention everywhere: t grows from data (t_min) to prior (t_max).
"""

from unstir.physics.basis import Basis, Pixel
from unstir.physics.linear import DATA_STD, LinearProcess
from unstir.physics.noise import Gaussian, Noise, StudentT
from unstir.physics.process import Process
from unstir.physics.registry import Entry, edm, entries, parse, poisson, rectified, ve, vp, yukawa
from unstir.physics.schedule import Cosine, Exponential, Linear, LinearBeta, Schedule, Straight
from unstir.physics.yukawa import InverseGaussianMixture

__all__ = [
    "DATA_STD",
    "Basis",
    "Cosine",
    "Entry",
    "Exponential",
    "Gaussian",
    "InverseGaussianMixture",
    "Linear",
    "LinearBeta",
    "LinearProcess",
    "Noise",
    "Pixel",
    "Process",
    "Schedule",
    "Straight",
    "StudentT",
    "edm",
    "entries",
    "parse",
    "poisson",
    "rectified",
    "ve",
    "vp",
    "yukawa",
]
