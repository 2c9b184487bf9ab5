"""Images drawn from an assumed law: a Gaussian that knows some axes of the data. `{"kind": "assume"}`.

    x ~ N(μ, U_R diag(λ_R) U_Rᵀ + diag(rest))

μ and the variance of each pixel are the data's own. With R = 0 every pixel stands by itself; with each
principal axis more the law knows how pixels vary together along it; with all of them it is the Gaussian of
the data's covariance. How near that comes is told beside held-out images: the median distance to the nearest
training image, over theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir import data
from unstir.data.items import parted
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import Request
from unstir.measure import nearest

_PIXELS = 64
_MEASURED = 300  # draws whose distances are taken


class Known(NamedTuple):
    """The data, and their principal axes."""

    train: Tensor
    heldout: Tensor
    mean: Tensor
    variances: Tensor
    axes: Tensor
    yardstick: float


@cache
def known() -> Known:
    """Of the digits, as floats 0 … 255 in rows, four fifths of them and a fifth held out."""
    parts = parted(data.load("digits"), 0.2, 0)
    train, heldout = (part.values.flatten(1).double() for part in (parts.train, parts.heldout))
    variances, axes = torch.linalg.eigh(train.T.cov(correction=0))
    yardstick = float(nearest(heldout[:_MEASURED], train)[1].median())
    return Known(train, heldout, train.mean(0), variances.flip(0).clamp_min(0), axes.flip(1), yardstick)


def drawn(axes: int, n: int, seed: int) -> Tensor:
    """`n` draws of the law that knows so many axes, `(n, 64)`."""
    law = known()
    U, variance = law.axes[:, :axes], law.variances[:axes]
    rest = (law.train.var(0, correction=0) - (U.square() * variance).sum(1)).clamp_min(0)
    generator = torch.Generator().manual_seed(seed)
    # All axes are drawn whatever is known, so that the same images come into being as more is.
    along = torch.randn(n, _PIXELS, generator=generator, dtype=torch.float64)[:, :axes]
    each = torch.randn(n, _PIXELS, generator=generator, dtype=torch.float64)
    return law.mean + (along * variance.sqrt()) @ U.T + each * rest.sqrt()


class Assume(Request):
    """Draws from a Gaussian of digits.

    Attributes:
        axes: principal axes that it knows.
        n: images to show, and as many real ones.
        seed: of the draws.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["assume"]
    axes: Annotated[int, Bounded(ge=0, le=_PIXELS)] = 0
    n: Annotated[int, Bounded(ge=1, le=64)] = 16
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        law = known()
        x = drawn(self.axes, max(self.n, _MEASURED), self.seed).round().clamp(0, 255)
        distance = float(nearest(x[:_MEASURED], law.train)[1].median())
        arrays = {
            "images": x[: self.n].reshape(-1, 8, 8).to(torch.uint8),
            "real": law.heldout[: self.n].reshape(-1, 8, 8).to(torch.uint8),
        }
        yield Answer({"axes": self.axes, "distance": distance / law.yardstick}, arrays)
