"""The case of PFGM as first made: that of every linear process, under a hemisphere large enough.

Its rule for M, made for images, ends at z = 2.5 for data in the plane. From there they are still seen: the
prior is off by so little that 50,000 draws pass (p = 9e-4) and 100,000 do not (6e-7). `pfgm:M=194` is that.
"""

from __future__ import annotations

from dataclasses import replace

from unstir.measure.certificates.cases.linear import LinearCase
from unstir.physics import Pfgm
from unstir.physics.schedule import Exponential

_Z_MAX = 80.0


def pfgm_case(process: Pfgm) -> LinearCase:
    """With M as asked for; else not by the rule, but up to z = 80, as the case's name then says."""
    schedule = process.schedule
    if process.M or not isinstance(schedule, Exponential):
        return LinearCase.of(process)
    name = f"{process.name} up to z={_Z_MAX:g}, not by its rule for M"
    return LinearCase(replace(process, name=name, M=1, schedule=replace(schedule, sigma_max=_Z_MAX)))
