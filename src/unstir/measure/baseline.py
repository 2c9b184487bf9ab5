"""Tractable laws, fitted to data in their own units: what the field did before it learned from physics.

Every law sees rows z, the data after an affine map to mean 0 and deviation ½ (one map for all pixels of
images, one a column for tables), so that one width of a kernel suits all columns. The density comes back
in the data's units by the map's Jacobian,

    v = shift + scale z        ln p(v) = ln p(z) − Σ ln scale

A whole number has no density. Images are dequantised: v = y + u, y in 0..255, u uniform in [0, 1), and floor
gives back y. As ∫ ln p(y + u) du ≤ ln ∫ p(y + u) du, the mean of ln p(v) is a lower bound on the
log-probability of the bytes themselves (Theis, van den Oord & Bethge 2016, A note on the evaluation of
generative models, eq. 4-5), and −ln p(v) / (d ln 2) counts bits per pixel and channel, 8 for uniform noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from unstir.data import Dataset, Scaling
from unstir.errors import InputError
from unstir.measure._arrays import rows, whole

FEWEST = 20  # items that a law can be fitted to


class Baseline(ABC):
    """A law on rows `(n, d)` float64: fit, draw, and ask for its density."""

    @property
    @abstractmethod
    def note(self) -> str:
        """What was chosen and how, in a few words."""

    @classmethod
    @abstractmethod
    def limit(cls, size: int) -> int | None:
        """The most rows of `size` columns that `fit` can take in about a minute on one core; None for any."""

    @classmethod
    @abstractmethod
    def fit(cls, values: Tensor, seed: int) -> Self:
        """The law nearest to `values` `(n, d)` float64, n >= 20, centred, with deviations of order 1."""

    @abstractmethod
    def sample(self, n: int, seed: int) -> Tensor:
        """`n` draws `(n, d)` float64, in an order without meaning."""

    @abstractmethod
    def log_density(self, values: Tensor) -> Tensor:
        """ln p `(n,)` of rows `(n, d)`, in nats.

        Raises:
            InputError: the law has no density, as it fills a plane and not the space.
        """


@dataclass(frozen=True)
class FittedLaw:
    """A baseline in the units of a data set.

    Attributes:
        law: on standardised rows.
        scaling: between these and the data's units.
        shape: of one item.
        n: items that the law was fitted to.
        n_given: items of the data set.
    """

    law: Baseline
    scaling: Scaling
    shape: tuple[int, ...]
    n: int
    n_given: int

    @property
    def note(self) -> str:
        """What was chosen, and from how many items."""
        part = "" if self.n == self.n_given else f" of {self.n_given:,}"
        return f"{self.law.note}; fitted to {self.n:,}{part} items"

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """`n` new items `(n, *shape)`: images as uint8 (floor, clamped to 0..255), tables as float32.

        Raises:
            InputError: n < 1, or a negative seed.
        """
        draws = self.law.sample(whole(n, "n"), whole(seed, "seed", least=0))
        shift, scale = _map(self.scaling)
        values = (draws * scale + shift).reshape(n, *self.shape)
        if self.scaling.kind == "table":
            return values.float()
        return values.floor().clamp(0, 255).to(torch.uint8)

    def log_density(self, values: Tensor, seed: int = 0) -> Tensor:
        """ln p `(n,)` of items `(n, *shape)` in nats, in the data's units (grey levels for images).

        Args:
            values: uint8 images, dequantised here by `seed`; a table in its own units.
            seed: of the dequantisation.

        Raises:
            InputError: items of another shape, or a law without a density.
        """
        if tuple(values.shape[1:]) != self.shape:
            raise InputError(
                f"values has items of shape {tuple(values.shape[1:])}, the law has {self.shape}: reshape them"
            )
        scale = _map(self.scaling)[1].expand(values[0].numel())
        return self.law.log_density(standardised(values, self.scaling, seed)) - scale.log().sum()


def fit_law(kind: type[Baseline], data: Dataset, seed: int = 0) -> FittedLaw:
    """Fit one kind of baseline to a data set, or to a part of it where it is too large for this kind.

    Raises:
        InputError: fewer than 20 items, or a column of one value only.
    """
    if len(data) < FEWEST:
        raise InputError(f"data {data.name}: {len(data)} items are too few to fit; give at least {FEWEST}")
    generator = torch.Generator().manual_seed(whole(seed, "seed", least=0))
    shape = data.shape
    if data.kind == "signal":  # a table with a column for every place
        data = replace(data, kind="table", values=data.values.flatten(1))
    size = data.values[0].numel()
    n = min(len(data), kind.limit(size) or len(data))
    part = data.values if n == len(data) else data.values[torch.randperm(len(data), generator=generator)[:n]]
    if data.kind == "table":
        for i in (part == part[0]).all(0).nonzero()[:1, 0].tolist():
            name = data.columns[i] if data.columns else i
            raise InputError(
                f"data {data.name}: column {name} has one value only, so no density; leave it out"
            )
    scaling = Scaling.fit(data)
    if data.kind == "image":
        # The noise that dequantises has mean ½; it is in v, so the shift must hold it too.
        scaling = Scaling(scaling.kind, (scaling.shift[0] + 0.5,), scaling.scale)
    law = kind.fit(standardised(part, scaling, seed + 1), seed)
    return FittedLaw(law, scaling, shape, n, len(data))


def standardised(values: Tensor, scaling: Scaling, seed: int) -> Tensor:
    """Items as rows z `(n, d)` float64; uint8 with uniform noise on it."""
    if values.dtype == torch.uint8:
        generator = torch.Generator().manual_seed(seed)
        continuous = values.flatten(1).double()
        continuous += torch.rand(continuous.shape, dtype=torch.float64, generator=generator)
    else:
        continuous = rows(values, "values").double()
    shift, scale = _map(scaling)
    return (continuous - shift) / scale


def _map(scaling: Scaling) -> tuple[Tensor, Tensor]:
    return torch.tensor(scaling.shift).double(), torch.tensor(scaling.scale).double()
