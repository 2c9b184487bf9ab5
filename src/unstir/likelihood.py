"""How likely a run holds data to be: log densities in the data's own units, and bits per dimension.

Bytes are whole numbers and a flow has a density. Samples are rounded to the nearest byte, so that a run's own
law of N bytes v gives each the mass of its cell. Jensen's inequality bounds it (Theis 2016, equation 2):

    P(v) = ∫ over v + [−½, ½)^N of p        bits(v) = −E_u log₂ p(v + u) / N ≥ −log₂ P(v) / N

u is uniform on the cell: uniform dequantisation. p is the density that the process has at `t_min`, of data
with the noise B(t_min), carried back to data units: a law of its own, so that the bound holds whatever the
network has learned. Columns and channels of whole numbers are rounded too, and treated alike; others have a
density, in bits that may be below 0. Coins have states, and a bound of their own (`flow/bound.py`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unstir.classes import Asked
from unstir.data import Coder, Columns, Scaling
from unstir.data.channels import Channels
from unstir.errors import InputError
from unstir.flow import Streams, log_likelihood
from unstir.flow.bound import nats_bound
from unstir.physics import Bridge, CoinProcess, FlowProcess
from unstir.physics.kinds import nearest

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.run import Run

BATCH = 256  # items that are followed together: the steps chosen depend on all of them
# On digits this leaves 0.004 bits a dimension of error in an item at most, and 0.0003 in their mean.
_STEPS = 30
_TERMS = 20  # of the coins' bound, for each draw
# Parts the cells' random numbers from the probes'.
_APART = 0x5DE0_C3A7
_DEGRADED = 0x3C1B_52D9  # and those of what degrades


@dataclass(frozen=True)
class Likelihood:
    """Of each item, with what is known of its error.

    Attributes:
        nats: log-likelihood in nats, in the data's units, float64 `(n,)`: the mean over draws.
        error: its standard error over draws, `(n,)`; NaN for a single draw.
        size: N, how many numbers an item has.
        meaning: what the figures are, in one line.
    """

    nats: Tensor
    error: Tensor
    size: int
    meaning: str

    @property
    def bits(self) -> Tensor:
        """Bits per dimension of each item, `(n,)`."""
        return -self.nats / (self.size * math.log(2))

    @property
    def bits_error(self) -> Tensor:
        """The standard error of `bits` over draws, `(n,)`."""
        return self.error / (self.size * math.log(2))

    @property
    def mean(self) -> float:
        """Bits per dimension of the whole set."""
        return float(self.bits.mean())

    @property
    def mean_error(self) -> float:
        """The standard error of `mean`, over items and draws together: each item has draws of its own."""
        return float(self.bits.std()) / math.sqrt(len(self.bits)) if len(self.bits) > 1 else math.nan


def likelihood(
    run: Run,
    values: Tensor,
    *,
    label: Asked | None = None,
    draws: int = 1,
    probes: int = 1,
    seed: int = 0,
    first: int = 0,
    watch: Callable[[int], None] | None = None,
) -> Likelihood:
    """Log-likelihood and bits per dimension of `values`, `(n, *shape)` in the data's units.

    Args:
        run: whose process and field say how likely they are.
        values: the items.
        label: as in `Run.sample`: the likelihood given the class; by default that of all classes together.
        draws: how often each item's cell, probes and velocity are drawn; 2 or more tell the error.
        probes: random directions of Hutchinson's estimate, for each draw.
        seed: of all these, one stream an item.
        first: index of the first item, to go on from earlier ones.
        watch: called with the number of items done, as often as a batch of one draw is.

    Raises:
        InputError: a process without a likelihood, data with categories, values of another shape, or none.
    """
    values = _checked(run, values, draws, probes)
    law = _law(run, probes)
    labels = _labels(run, label, len(values))
    found = torch.empty(draws, len(values), dtype=torch.float64)
    for draw in range(draws):
        for at in range(0, len(values), BATCH):
            part = slice(at, at + BATCH)
            of = None if labels is None else labels[part]
            # A stream of its own for each draw of an item.
            found[draw, part] = law.nats(values[part], of, seed + _APART * draw, first + at, inside=True)
            if watch is not None:
                watch(len(values[part]))
    error = found.std(0) / math.sqrt(draws) if draws > 1 else torch.full_like(found[0], math.nan)
    return Likelihood(found.mean(0), error, math.prod(run.info.shape), law.meaning)


def log_density(
    run: Run, values: Tensor, *, label: Asked | None = None, probes: int = 1, seed: int = 0, first: int = 0
) -> Tensor:
    """log density of `values` in nats, per unit of the data, float64 `(n,)`: at these very values.

    The arguments are those of `likelihood`; nothing is dequantised. Of coins it is the bound.
    """
    values = _checked(run, values, 1, probes)
    law, labels = _law(run, probes), _labels(run, label, len(values))
    parts = [
        law.nats(part, None if labels is None else labels[at : at + BATCH], seed, first + at, inside=False)
        for at, part in zip(range(0, len(values), BATCH), torch.split(values, BATCH), strict=True)
    ]
    return torch.cat(parts)


def own_labels(items: Dataset) -> list[str]:
    """The class of each item, by name, as `label` takes it.

    Raises:
        InputError: the items have no labels.
    """
    if items.labels is None:
        raise InputError(f"label=own: data {items.name} have no labels; name a class, or leave it out")
    return [items.label_names[number] for number in items.labels.tolist()]


class _Law(ABC):
    """The law that a run gives to items, as it is reckoned for one family of processes."""

    def __init__(self, run: Run, probes: int) -> None:
        self.run, self.probes = run, probes
        self.device = run.device

    @property
    @abstractmethod
    def meaning(self) -> str:
        """What the figures are."""

    @abstractmethod
    def nats(self, values: Tensor, label: Tensor | None, seed: int, first: int, *, inside: bool) -> Tensor:
        """One draw of the log-likelihood of items, `(n,)`: `inside` their cells or at the very values."""


class _Flow(_Law):
    """The density that the flow gives, over the cells of what is rounded."""

    def __init__(self, run: Run, probes: int) -> None:
        super().__init__(run, probes)
        scaling = run.scaling
        if isinstance(scaling, Columns):
            raise InputError(
                f"process {run.process.name}: its data have categories, and these have no density"
            )
        self._cells, self._log_scale = _cells(scaling, run.info.shape)

    @property
    def meaning(self) -> str:
        if bool(self._cells.all()):
            return "an upper bound on -log2 P per number, by uniform dequantisation"
        return "-log2 of the density per number, in the data's units"

    def items(self, x: Tensor, seed: int, first: int) -> Tensor:
        """What the process has a density of, for items in model units."""
        return x

    def nats(self, values: Tensor, label: Tensor | None, seed: int, first: int, *, inside: bool) -> Tensor:
        values = values.double()
        if inside and bool(self._cells.any()):
            shape = (1, *values.shape[1:])
            streams = Streams(seed ^ _APART, first, len(values))
            uniform = streams.draw(lambda g: torch.rand(shape, generator=g, dtype=torch.float64))
            values = values + (uniform - 0.5) * self._cells
        run, device = self.run, self.device
        x = self.items(run.scaling.to_model(values).to(device), seed, first)
        found = log_likelihood(
            run.process, run.field, x, given="items", label=None if label is None else label.to(device),
            probes=self.probes, seed=seed, first=first, steps=_STEPS,
        )  # fmt: skip
        return found.cpu() - self._log_scale


class _Bridged(_Flow):
    """The density of clean items given how the task leaves them: each is degraded first, with its noise."""

    @property
    def meaning(self) -> str:
        return "an upper bound on -log2 P of clean images given degraded ones, per number"

    def items(self, x: Tensor, seed: int, first: int) -> Tensor:
        process = self.run.process
        if not isinstance(process, Bridge):
            raise TypeError(f"process {process.name}: is no bridge")
        each, streams = iter(torch.split(x.cpu(), 1)), Streams(seed ^ _DEGRADED, first, len(x))
        degraded = streams.draw(lambda g: process.degraded(next(each), g)).to(x)
        return torch.cat([x, degraded], 1)


class _Coins(_Law):
    """The bound of ancestral sampling, on states."""

    @property
    def meaning(self) -> str:
        return "an upper bound on -log2 P per coin"

    def nats(self, values: Tensor, label: Tensor | None, seed: int, first: int, *, inside: bool) -> Tensor:
        run, process = self.run, self.run.process
        if not isinstance(process, CoinProcess):
            raise TypeError(f"process {process.name}: has no coins")
        states = run.scaling.to_model(values).to(self.device)
        streams = Streams(seed, first, len(states))
        terms = min(_TERMS * self.probes, process.steps)
        return -nats_bound(process, run.field, states, streams, label=label, terms=terms)


# The nearest class of a process decides.
_LAWS: Mapping[type[Any], type[_Law]] = {FlowProcess: _Flow, Bridge: _Bridged, CoinProcess: _Coins}


def _law(run: Run, probes: int) -> _Law:
    kind = nearest(_LAWS, run.process) or _Flow  # which, where its flow is asked for, says why there is none
    return kind(run, probes)


def _cells(scaling: Coder, shape: tuple[int, ...]) -> tuple[Tensor, float]:
    """Which numbers of an item are rounded, as 0 and 1 over its shape; ln |det| from model to data units."""
    if isinstance(scaling, Channels):
        inner = scaling.scaling
        whole, scale = _columns(inner)
        return whole[:, None].expand(shape), shape[-1] * float(scale.log().sum())
    if not isinstance(scaling, Scaling):
        raise InputError(f"data coded by {scaling.kind}: have no density")
    if scaling.kind == "image":
        size = math.prod(shape)
        return torch.ones(shape, dtype=torch.float64), size * math.log(scaling.scale[0])
    whole, scale = _columns(scaling)
    return whole, float(scale.log().sum())


def _columns(scaling: Scaling) -> tuple[Tensor, Tensor]:
    whole = torch.zeros(len(scaling.shift), dtype=torch.float64)
    whole[list(scaling.whole)] = 1
    return whole, torch.tensor(scaling.scale, dtype=torch.float64)


def _labels(run: Run, label: Asked | None, n: int) -> Tensor | None:
    labels = None if label is None else run.labels(n, label=label)
    if labels is None:
        run.check_knows_all("label")
    return labels


def _checked(run: Run, values: Tensor, draws: int, probes: int) -> Tensor:
    if draws < 1 or probes < 1:
        raise InputError(f"draws={draws}, probes={probes}: give 1 or more of each")
    if len(values) == 0 or tuple(values.shape[1:]) != run.info.shape:
        raise InputError(
            f"values: have shape {tuple(values.shape)}; give one item or more of {run.info.shape}"
        )
    return values
