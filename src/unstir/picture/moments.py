"""The moments of a strip: times at which there is something new to see, from data to prior."""

from __future__ import annotations

import torch

from unstir.physics import Capacitor, LinearProcess, Process

COUNT = 8
_STEPS = 28
# Noise over signal, B/A, where data have standard deviation ½.
_RATIOS = (0.05, 0.12, 0.25, 0.5, 1.0, 2.5)


def by_noise(process: LinearProcess) -> list[float]:
    """Both ends of the clock, and where noise comes up to the data and over them."""
    ratios = process.scale * torch.tensor(_RATIOS, dtype=torch.float64)
    return [process.t_min, *process.time_at(ratios).tolist(), process.t_max]


def evenly(process: Process) -> list[float]:
    """Evenly along the clock."""
    return torch.linspace(process.t_min, process.t_max, COUNT, dtype=torch.float64).tolist()


def between(process: Capacitor) -> list[float]:
    """Close together near both plates."""
    return process.times(COUNT).flip(0).tolist()


def early(process: Process, count: int = COUNT) -> list[float]:
    """Closer and closer together towards the data."""
    clock = torch.linspace(0, 1, count, dtype=torch.float64) ** 2
    return (process.t_min + clock * (process.t_max - process.t_min)).tolist()


def walk_early(process: Process) -> list[float]:
    """Steps of a walk from prior to data, so spaced; the solver's last one ends at the data."""
    return early(process, _STEPS)[:0:-1]
