"""The second law: a quantity that can only go one way while time runs forward.

Where particles only spread (A = 1) it is the entropy −E[log p_t], which never falls. Where a force pulls them
towards rest the entropy itself may fall, heat going to the bath, and the law is that of the free energy:
the relative entropy E[log p_t − log q_t] to a second state q that the same physics carries never rises, as no
step of a Markov process can make two laws easier to tell apart. With q at equilibrium it is the free energy
in units of temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unstir.measure.certificates.check import Check, Finding

_DEVIATIONS = 4.0  # 3e-5 for each step between times
_ROUNDING = 1e-6  # nats


@dataclass(frozen=True)
class SampledSecondLaw(Check):
    """Estimated from draws that share their random numbers at all times, so that they differ by little.

    Attributes:
        information: what is lost: −entropy or relative entropy, a term for each draw, at a time.
        times: rising.
    """

    kind: ClassVar[str] = "second law"

    information: Callable[[float], Tensor]
    times: Sequence[float]

    def measure(self) -> Finding:
        """The greatest gain of information in a step, in standard errors of that step."""
        with torch.no_grad():
            terms = torch.stack([self.information(t) for t in self.times]).double()
        gain = terms.diff(dim=0)
        error = gain.std(1) / gain.shape[1] ** 0.5 + _ROUNDING
        return Finding(float((gain.mean(1) / error).max()), _DEVIATIONS)


@dataclass(frozen=True)
class ExactSecondLaw(Check):
    """Computed by summing over all states, or by quadrature.

    Attributes:
        information: −entropy or relative entropy at a time, nats.
        times: rising.
        bound: rounding, or the quadrature's error.
    """

    kind: ClassVar[str] = "second law"

    information: Callable[[float], float]
    times: Sequence[float]
    bound: float = 1e-9

    def measure(self) -> Finding:
        """The greatest gain of information in a step, in nats."""
        with torch.no_grad():
            values = torch.tensor([self.information(t) for t in self.times], dtype=torch.float64)
        return Finding(float(values.diff().max()), self.bound)
