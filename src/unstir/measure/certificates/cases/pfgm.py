"""The case of PFGM as first made: that of every linear process, under a hemisphere large enough."""

from __future__ import annotations

from dataclasses import replace

from unstir.measure.certificates.cases.linear import LinearCase
from unstir.physics import Pfgm
from unstir.physics.schedule import Exponential

_Z_MAX = 80.0


def pfgm_case(process: Pfgm) -> LinearCase:
    """Its rule for M, made for images, would end two lengths over a plane of data, and see them."""
    schedule = process.schedule
    if process.M or not isinstance(schedule, Exponential):
        return LinearCase.of(process)
    return LinearCase(replace(process, M=1, schedule=replace(schedule, sigma_max=_Z_MAX)))
