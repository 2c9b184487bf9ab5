"""Conditions: what was measured of an item, and the posterior of the item given that.

    from unstir.conditions import ConditionedField, Pooled
    field = ConditionedField(field, process, Pooled(factor=4, sigma=0.05), observed)

and any solver of a linear process samples the posterior. Imports from data, physics, fields and flow.
"""

from unstir.conditions.cloud import Cloud, cloud_of
from unstir.conditions.conditioned import ConditionedField
from unstir.conditions.conjugate import conjugate_gradients, minimal_residual
from unstir.conditions.measurement import Measurement
from unstir.conditions.methods import DPS, METHODS, Method, Moments, PiGDM, parse_method
from unstir.conditions.operators import Blurred, Matrix, Noised, Pooled, Seen
from unstir.conditions.particles import Particles
from unstir.conditions.tasks import TASKS, Task, parse_task
from unstir.conditions.tomography import Tomography
from unstir.conditions.wiener import wiener

__all__ = [
    "DPS",
    "METHODS",
    "TASKS",
    "Blurred",
    "Cloud",
    "ConditionedField",
    "Matrix",
    "Measurement",
    "Method",
    "Moments",
    "Noised",
    "Particles",
    "PiGDM",
    "Pooled",
    "Seen",
    "Task",
    "Tomography",
    "cloud_of",
    "conjugate_gradients",
    "minimal_residual",
    "parse_method",
    "parse_task",
    "wiener",
]
