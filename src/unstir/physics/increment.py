"""What independent noise adds to a mixed law, from its Laplace transform.

If the law of W is self-decomposable, as those of Poisson and Yukawa flow are (Grosswald 1976; Halgreen 1979),
there is a V ≥ 0, independent of all before, with

    high² W' = low² W + (high² − low²) V      E e^{−uV} = ψ(high² u/(high² − low²))/ψ(low² u/(high² − low²))

where ψ(u) = E e^{−uW}: a state is carried up by √(high² − low²) √V n, whatever it is. V is drawn by its
distribution function, which Talbot's contour gives from the transform (Abate & Valkó 2004, section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Complex = NDArray[Any]  # of complex128

_NODES = 24  # on the contour: 1e-10 of the distribution function
_GRID = 300  # places at which that is known
_ENDS = (-16.0, 34.0)  # of log V; beyond are less than 1e-7 of the draws at D = 1


def quantiles(log_psi: Callable[[Complex], Complex], low: float, high: float, uniform: Tensor) -> Tensor:
    """V at the shares `uniform` of its law, float64 `(n,)`.

    Args:
        log_psi: ln E e^{−uW}, up to a constant, off the negative axis.
        low: B of the state.
        high: B that it is carried to, above it.
        uniform: in (0, 1), `(n,)`.
    """
    share = (low / high) ** 2
    log_v = np.linspace(*_ENDS, _GRID)
    theta = np.pi * np.arange(1, _NODES) / _NODES
    cot = 1 / np.tan(theta)
    # s v along the contour, its slope, and the node on the real axis with half its weight
    place = np.concatenate([[0.4 * _NODES + 0j], 0.4 * _NODES * theta * (cot + 1j)])
    slope = np.concatenate([[0.5 + 0j], 1 + 1j * (theta + (theta * cot - 1) * cot)])
    u = place / np.exp(log_v)[:, None]
    transform = np.exp(log_psi(u / (1 - share)) - log_psi(u * share / (1 - share)))
    below = 0.4 * (np.exp(place) * slope * transform / place).real.sum(1)
    below = np.maximum.accumulate(below.clip(0, 1))
    rising = np.concatenate([[True], np.diff(below) > 0])
    found = np.interp(uniform.double().numpy(), below[rising], log_v[rising])
    return torch.from_numpy(np.exp(found))
