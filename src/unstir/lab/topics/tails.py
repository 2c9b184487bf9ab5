"""How far the noise of a process reaches, beside that of diffusion, in the plane. `{"kind": "tails"}`.

    ε = √W n        P(‖ε‖ > r) = E_W exp(−r²/(2W))      in two dimensions

the mean over W by the quadrature that the exact fields of mixtures use. For Poisson flow W = D/χ²_D, and so
P(‖ε‖ > r) = (1 + r²/D)^{−D/2}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.catalog import check_parameters
from unstir.lab.context import Context
from unstir.lab.requests import Request
from unstir.physics import Gaussian, LinearProcess, Noise
from unstir.picture.registry import parse

_FAR = 4.0  # deviations: where the shares are told


def beyond(noise: Noise, r: Tensor) -> Tensor:
    """P(‖ε‖ > r) in the plane, float64, at distances of any shape."""
    nodes, log_weights = noise.mixing_nodes(2)
    weights = torch.softmax(log_weights.double(), 0)
    found: Tensor = (weights * torch.exp(-0.5 * r.double()[..., None] ** 2 / nodes.double())).sum(-1)
    return found


class Tails(Request):
    """Asks how far noise reaches.

    Attributes:
        process: a linear one.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["tails"]
    process: Annotated[str, Bounded(min_length=1, max_length=200)]

    def answer(self, context: Context) -> Iterator[Answer]:
        check_parameters(self.process)
        process = parse(self.process)
        if not isinstance(process, LinearProcess):
            raise InputError(
                f"process {self.process}: has no one law of noise; give such as poisson:D=1 or edm"
            )
        r = torch.logspace(-0.5, 2.5, 160, dtype=torch.float64)
        far = torch.tensor(_FAR)
        yield Answer(
            {
                "process": process.name,
                "at": _FAR,
                "share": float(beyond(process.noise, far)),
                "normal": float(beyond(Gaussian(), far)),
            },
            {"r": r, "own": beyond(process.noise, r), "gauss": beyond(Gaussian(), r)},
        )
