"""Outlier scores: how much worse a field denoises an item than it does the data that it knows.

A likelihood alone is fooled: a flat or dark image is likelier than most of the data (Nalisnick 2019). What
the field learned says more. An item y is perturbed to each of K times of the process's own clock, and

    e_k = ‖prediction − target‖²        h_k = ln(mean over draws of e_k)

Of reference items the run was not trained on, h has a mean and a covariance, and the score of an item is how
far its own lies from them,

    score = √((h − m)ᵀ (C + δ)⁻¹ (h − m) / K)

about 1 for items like the reference. An item may be too hard to denoise, or too easy: both count, which is
typicality (Nalisnick 2019; Morningstar 2021 for several statistics at once; Graham 2023 for denoising).
The target is the process's own: the data, a velocity, a noise. It costs K evaluations a draw, where a
likelihood takes a hundred and as many gradients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field
from unstir.flow import Streams
from unstir.physics import Capacitor, CoinProcess, FlowProcess, LinearProcess, Process
from unstir.physics.kinds import serving
from unstir.run import Run

BATCH = 256
LEVELS = 10
DRAWS = 4
# Noise over signal, in data of deviation ½, between which a field says something of an item.
_LEAST, _MOST = 0.05, 4.0
# Of the variance along each axis, kept for all: few reference items tell few axes apart.
_SHRINKAGE = 0.1


@dataclass(frozen=True)
class Reference:
    """What the errors of items like the data are.

    Attributes:
        mean: of h, float64 `(K,)`.
        inverse: of its covariance, `(K, K)`.
        scores: of the reference items themselves, each from a fit to the half without it, `(n,)`.
    """

    mean: Tensor
    inverse: Tensor
    scores: Tensor

    @classmethod
    def of(cls, errors: Tensor) -> Reference:
        """From errors h of reference items, `(n, K)`.

        Raises:
            InputError: fewer items than it takes.
        """
        least = 2 * errors.shape[1]
        if len(errors) < least:
            raise InputError(f"reference: has {len(errors)} items; give {least} or more")
        scores = torch.empty(len(errors), dtype=torch.float64)
        for half in (0, 1):
            scores[half::2] = _distance(errors[half::2], *_law(errors[1 - half :: 2]))
        return cls(*_law(errors), scores)

    def score(self, errors: Tensor) -> Tensor:
        """The scores of items with errors h, `(n, K)`: `(n,)`."""
        return _distance(errors, self.mean, self.inverse)

    def percentile(self, scores: Tensor) -> Tensor:
        """The share in percent of reference items that score less, `(n,)`."""
        rising = self.scores.sort().values
        return 100 * torch.searchsorted(rising, scores.contiguous()).double() / len(rising)


@dataclass(frozen=True)
class Scores:
    """The scores of items.

    Attributes:
        scores: `(n,)`, float64: about 1 for items like the reference.
        percentiles: the share in percent of reference items that score less, `(n,)`.
        reference: what they are held against.
        auroc: the chance that an item scores above a reference item, ties counting half; None where the
            items are the reference itself.
    """

    scores: Tensor
    percentiles: Tensor
    reference: Reference
    auroc: float | None

    def share_above(self, percentile: float) -> float:
        """The share of items that score above that percentile of the reference."""
        return float((self.percentiles > percentile).double().mean())


def score(
    run: Run,
    usual: Tensor,
    items: Tensor | None = None,
    *,
    levels: int = LEVELS,
    draws: int = DRAWS,
    seed: int = 0,
    watch: Callable[[int], None] | None = None,
) -> Scores:
    """Score items against usual ones, which the run was not trained on.

    Args:
        run: whose field denoises.
        usual: `(n, *shape)` in the data's units, twice `levels` or more.
        items: what is scored; by default the usual ones among themselves, each half by the other.
        levels: how many times of the process are looked at.
        draws: of noise at each.
        seed: of the noise.
        watch: called with the number of items done, as often as a batch is.

    Raises:
        InputError: items of another shape, too few of them, or numbers below 1.
    """
    run.check_knows_all("score")

    def found(values: Tensor) -> Tensor:
        return errors(run, values, levels=levels, draws=draws, seed=seed, watch=watch)

    reference = Reference.of(found(usual))
    if items is None:
        return Scores(reference.scores, reference.percentile(reference.scores), reference, None)
    scores = reference.score(found(items))
    return Scores(scores, reference.percentile(scores), reference, auroc(scores, reference.scores))


def auroc(unusual: Tensor, usual: Tensor) -> float:
    """The chance that one of `unusual` is above one of `usual`, ties counting half."""
    rising = usual.sort().values
    below = torch.searchsorted(rising, unusual.contiguous())
    upto = torch.searchsorted(rising, unusual.contiguous(), right=True)
    return float((below + upto).double().mean()) / (2 * len(usual))


def errors(
    run: Run,
    values: Tensor,
    *,
    label: Tensor | None = None,
    levels: int = LEVELS,
    draws: int = DRAWS,
    seed: int = 0,
    first: int = 0,
    watch: Callable[[int], None] | None = None,
) -> Tensor:
    """h of items, float64 `(n, levels)`.

    Args:
        run: whose field denoises.
        values: `(n, *shape)` in the data's units.
        label: class numbers `(n,)`, or None for all classes together.
        levels: K, how many times.
        draws: of noise at each.
        seed: of the noise, one stream an item.
        first: index of the first item, to go on from earlier ones.
        watch: called with the number of items done, as often as a batch is.

    Raises:
        InputError: items of another shape, or numbers below 1.
    """
    if levels < 1 or draws < 1:
        raise InputError(f"levels={levels}, draws={draws}: give 1 or more of each")
    if len(values) == 0 or tuple(values.shape[1:]) != run.info.shape:
        raise InputError(f"values: have shape {tuple(values.shape)}; give items of {run.info.shape}")
    probe = _probe(run.process)
    times = probe.times(levels)
    device = run.device
    found = []
    for at in range(0, len(values), BATCH):
        part = values[at : at + BATCH]
        streams = Streams(seed, first + at, len(part))
        of = None if label is None else label[at : at + BATCH].to(device)
        x = run.scaling.to_model(part)
        rows = [_mean_error(probe, run.field, x, float(time), of, streams, draws, device) for time in times]
        found.append(torch.stack(rows, 1).log())
        if watch is not None:
            watch(len(part))
    return torch.cat(found)


@torch.no_grad()
def _mean_error(
    probe: _Probe, field: Field, x: Tensor, time: float, label: Tensor | None, streams: Streams, draws: int,
    device: torch.device,
) -> Tensor:  # fmt: skip
    t = torch.full((len(x),), time, dtype=torch.float32)
    total = torch.zeros(len(x), dtype=torch.float64)
    for _ in range(draws):
        state = _perturbed(probe.process, x, t[:1], streams)
        total += probe.error(field, x.to(device), state.to(device), t.to(device), label).double().cpu()
    return total / draws + torch.finfo(torch.float32).tiny


def _perturbed(process: Any, x: Tensor, t: Tensor, streams: Streams) -> Tensor:  # noqa: ANN401
    items = iter(torch.split(x, 1))
    return streams.draw(lambda g: process.perturb(next(items), t, g))


class _Probe(ABC):
    """Where and how a family's denoising is measured."""

    def __init__(self, process: Any) -> None:  # noqa: ANN401  # each family's own
        self.process = process

    def times(self, count: int) -> Tensor:
        """Evenly on the process's clock, without its ends."""
        share = torch.linspace(0, 1, count + 2, dtype=torch.float64)[1:-1]
        times: Tensor = self.process.t_min + share * (self.process.t_max - self.process.t_min)
        return times

    @abstractmethod
    def error(self, field: Field, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        """The error of the field's answer, `(batch,)`, above 0."""


class _Target(_Probe):
    """The squared error of a prediction, at the times that a sampler of so many steps would take."""

    def times(self, count: int) -> Tensor:
        times: Tensor = self.process.times(count + 2)[1:-1].flip(0)
        return times

    def error(self, field: Field, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        wanted: Tensor = self.process.target(data, x, t)
        return (field(x, t, label) - wanted).double().flatten(1).square().mean(1)


class _Plates(_Target):
    """Of a capacitor, whose field may be of any length: the error of its slope."""

    def error(self, field: Field, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        E = field(x, t, label)
        wanted: Tensor = self.process.target(data, x, t)
        return (E / E[:, -1:] - wanted)[:, :-1].double().square().mean(1)


class _Levels(_Target):
    """Of a linear process: noise levels evenly spaced in their logarithm."""

    def times(self, count: int) -> Tensor:
        ends = torch.tensor([self.process.t_min, self.process.t_max], dtype=torch.float64)
        least, most = self.process.progress(ends).tolist()
        if self.process.damping is not None and most <= 1:  # heat's own clock, which is that of its blur
            return super().times(count)
        low, high = (level * self.process.scale for level in (_LEAST, _MOST))
        levels = torch.logspace(0, 1, count, base=high / low, dtype=torch.float64) * low
        times: Tensor = self.process.time_at(levels.clamp(least, most))
        return times


class _Coins(_Probe):
    """The surprise at what the coins show."""

    def error(self, field: Field, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        share = field(x, t, label).double().gather(-1, data.unsqueeze(-1))
        return -share.clamp_min(torch.finfo(torch.float32).tiny).log().flatten(1).mean(1)


_PROBES: Mapping[type[Any], type[_Probe]] = {
    LinearProcess: _Levels,
    FlowProcess: _Target,
    Capacitor: _Plates,
    CoinProcess: _Coins,
}


def _probe(process: Process) -> _Probe:
    missing = f"process {process.name}: has no score: its field restores degraded images, and denoises none"
    return serving(_PROBES, process, missing)(process)


def _law(errors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and inverse covariance, shrunk towards its diagonal."""
    covariance = errors.T.cov().reshape(errors.shape[1], errors.shape[1])
    diagonal = torch.diag(covariance.diagonal().clamp_min(1e-12))
    return errors.mean(0), torch.linalg.inv(torch.lerp(covariance, diagonal, _SHRINKAGE))


def _distance(errors: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    away = errors - mean
    squared: Tensor = (away @ inverse * away).sum(1)
    return (squared / errors.shape[1]).sqrt()
