"""Physics: what happens forward in time. No learning, no files, no printing.

One time convention everywhere: t grows from data (t_min) to prior (t_max).
"""

from unstir.physics.basis import Basis, CosineModes, Pixel
from unstir.physics.bridge import Bridge, bridge
from unstir.physics.capacitor import Capacitor, capacitor
from unstir.physics.coins import CoinProcess, coins
from unstir.physics.damping import Damping, LogBlur, SineBlur
from unstir.physics.degrade import Blur, Coarse, Degradation, Hole, Untouched
from unstir.physics.heat import DampedProcess, HeatProcess
from unstir.physics.kac import Kac, kac
from unstir.physics.langevin import LangevinProcess, langevin
from unstir.physics.linear import DATA_STD, LinearProcess
from unstir.physics.noise import Gaussian, Noise, StudentT
from unstir.physics.pde import PDE, ROWS, pde
from unstir.physics.pfgm import Pfgm, pfgm
from unstir.physics.plate import GaussianPlate, Plate, PointPlate
from unstir.physics.process import FlowProcess, Process
from unstir.physics.registry import (
    Entry,
    blurring,
    edm,
    entries,
    entry_of_pde,
    heat,
    heat_poisson,
    levy,
    oscillator,
    parse,
    parse_pde,
    poisson,
    rectified,
    ve,
    vp,
    yukawa,
)
from unstir.physics.schedule import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    LinearBeta,
    Rotation,
    Schedule,
    Straight,
)
from unstir.physics.stable import StableMixture
from unstir.physics.toss import FairToss, MaskToss, Toss
from unstir.physics.yukawa import InverseGaussianMixture

__all__ = [
    "DATA_STD",
    "PDE",
    "ROWS",
    "Basis",
    "Blur",
    "Bridge",
    "Capacitor",
    "Coarse",
    "CoinProcess",
    "Constant",
    "Cosine",
    "CosineModes",
    "DampedProcess",
    "Damping",
    "Degradation",
    "Entry",
    "Exponential",
    "FairToss",
    "FlowProcess",
    "Gaussian",
    "GaussianPlate",
    "HeatProcess",
    "Hole",
    "InverseGaussianMixture",
    "Kac",
    "LangevinProcess",
    "Linear",
    "LinearBeta",
    "LinearProcess",
    "LogBlur",
    "MaskToss",
    "Noise",
    "Pfgm",
    "Pixel",
    "Plate",
    "PointPlate",
    "Process",
    "Rotation",
    "Schedule",
    "SineBlur",
    "StableMixture",
    "Straight",
    "StudentT",
    "Toss",
    "Untouched",
    "blurring",
    "bridge",
    "capacitor",
    "coins",
    "edm",
    "entries",
    "entry_of_pde",
    "heat",
    "heat_poisson",
    "kac",
    "langevin",
    "levy",
    "oscillator",
    "parse",
    "parse_pde",
    "pde",
    "pfgm",
    "poisson",
    "rectified",
    "ve",
    "vp",
    "yukawa",
]
