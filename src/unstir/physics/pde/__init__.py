"""Any linear PDE as a generative process: its table, its conditions, its currents, its particles."""

from unstir.physics.pde.box import Box
from unstir.physics.pde.condition import Verdict, can_generate
from unstir.physics.pde.current import Current
from unstir.physics.pde.dispersion import Custom, LinearRow, Row
from unstir.physics.pde.grid import GridCurrent
from unstir.physics.pde.kernel import Kernel, KernelCurrent, kernel_of
from unstir.physics.pde.particles import Cloud, transport
from unstir.physics.pde.process import PDE, pde
from unstir.physics.pde.residual import residual
from unstir.physics.pde.rows import (
    ROWS,
    DampedWave,
    Fractional,
    Heat,
    Helmholtz,
    Poisson,
    Schroedinger,
    Screened,
    Wave,
)

__all__ = [
    "PDE",
    "ROWS",
    "Box",
    "Cloud",
    "Current",
    "Custom",
    "DampedWave",
    "Fractional",
    "GridCurrent",
    "Heat",
    "Helmholtz",
    "Kernel",
    "KernelCurrent",
    "LinearRow",
    "Poisson",
    "Row",
    "Schroedinger",
    "Screened",
    "Verdict",
    "Wave",
    "can_generate",
    "kernel_of",
    "pde",
    "residual",
    "transport",
]
