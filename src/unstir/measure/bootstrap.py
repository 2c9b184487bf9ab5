"""Intervals by resampling: how far would a figure move with other samples and other held-out items?

One resampling draws both sets anew with replacement, as counts u_i of samples and v_j of held-out items, the
same for every model: sample i of each comes from the same seed, and all are held against the same items. So
the draws θ*_a − θ*_b of a difference are paired, and what is common to both models drops out.

    interval        θ + quantiles of (θ* − mean θ*), at 2.5 % and 97.5 %
    simultaneous    θ_a − θ_b ± c s_ab,   s_ab the deviation of the draws and c the 95 % quantile
                    of max over all pairs |θ*_ab − mean| / s_ab

Centring takes out the shift that repeated items give to some figures. The second kind holds for all pairs at
once (Romano & Wolf 2005), so that comparing many models finds no winner by chance alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import whole

LEVEL = 0.95
DRAWS = 500
FEWEST_DRAWS = 50


@dataclass(frozen=True)
class Resampling:
    """How often each item counts in each draw.

    Attributes:
        samples: u, `(draws, n)` float64, each row of sum n.
        reference: v, `(draws, m)`.
    """

    samples: Tensor
    reference: Tensor

    @classmethod
    def draw(cls, n: int, m: int, *, draws: int = DRAWS, seed: int = 0) -> Resampling:
        """Resamplings of n samples and m held-out items.

        Raises:
            InputError: fewer than 50 draws, or no items.
        """
        whole(draws, "draws", least=FEWEST_DRAWS)
        generator = torch.Generator().manual_seed(whole(seed, "seed", least=0))
        return cls(*(_counts(whole(size, "n"), draws, generator) for size in (n, m)))

    def __len__(self) -> int:
        return len(self.samples)


def counted(n: int, *, draws: int = DRAWS, seed: int = 0, part: int = 0) -> Iterator[Tensor]:
    """How often each of n items counts in each draw, `(n,)` int64: one draw at a time, where sets are large.

    Args:
        n: items.
        draws: resamplings.
        seed: of them all.
        part: 0 of the samples, 1 of the held-out items, which are drawn apart.

    Raises:
        InputError: fewer than 50 draws, or no items.
    """
    whole(draws, "draws", least=FEWEST_DRAWS)
    generator = torch.Generator().manual_seed(2 * whole(seed, "seed", least=0) + part)
    for _ in range(draws):
        yield torch.randint(whole(n, "n"), (n,), generator=generator).bincount(minlength=n)


class Interval(NamedTuple):
    """A figure with the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def is_zero(self) -> bool:
        """Whether 0 lies within, so that the sign of the figure is not known."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Estimate:
    """A figure with its draws.

    Attributes:
        value: of the sets themselves.
        draws: of each resampling, `(draws,)` float64.
    """

    value: float
    draws: Tensor

    def interval(self, level: float = LEVEL) -> Interval:
        """The interval that holds the true figure with probability `level`, about."""
        ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
        low, high = torch.quantile(self.draws - self.draws.mean(), ends).tolist()
        return Interval(self.value, self.value + low, self.value + high)

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two models, draw by draw."""
        return Estimate(self.value - other.value, self.draws - other.draws)


def simultaneous(
    estimates: Mapping[str, Estimate], pairs: Sequence[tuple[str, str]], level: float = LEVEL
) -> dict[tuple[str, str], Interval]:
    """Intervals of the differences a − b of `pairs`, which hold for all of them at once.

    Args:
        estimates: by model, of the same resamplings.
        pairs: which are compared.
        level: the probability that all intervals hold, about.

    Raises:
        InputError: a model that is not there.

    Source: Romano & Wolf 2005, Stepwise multiple testing as formalized data snooping, section 3 (one step).
    """
    for name in {name for pair in pairs for name in pair} - estimates.keys():
        raise InputError(f"pairs: {name} has no estimate; give one of {', '.join(estimates)}")
    if not pairs:
        return {}
    differences = [estimates[a] - estimates[b] for a, b in pairs]
    draws = torch.stack([difference.draws - difference.draws.mean() for difference in differences])
    spread = draws.std(1, correction=0)
    tiny = torch.finfo(torch.float64).tiny
    furthest = (draws.abs() / spread.clamp_min(tiny)[:, None]).amax(0)
    reach = float(torch.quantile(furthest, level)) * spread
    return {
        pair: Interval(difference.value, difference.value - r, difference.value + r)
        for pair, difference, r in zip(pairs, differences, reach.tolist(), strict=True)
    }


def _counts(n: int, draws: int, generator: torch.Generator) -> Tensor:
    index = torch.randint(n, (draws, n), generator=generator)
    return torch.zeros(draws, n, dtype=torch.float64).scatter_add_(
        1, index, torch.ones(draws, n, dtype=torch.float64)
    )
