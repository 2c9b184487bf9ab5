"""The tails of two sample sets: do the rare items of one reach as far as those of the other?

Sizes are read on robust axes, so that the tails themselves do not set the unit:

    z = (x − median) / (1.4826 MAD)        column by column, both of the reference

and in shadows r of z: the norm ‖z‖/√d, each column |z_i|, and |θ·z| in random directions θ. With Q(p) the
size that a share p of the items exceeds,

    hill        1/α = mean over the k largest of ln(r_(i) / r_(k+1)):  P(r > x) ~ x^{−α}
    quantile    |ln Q_a(p) / Q_b(p)|, mean over the shadows:  0 as far, 0.69 twice or half as far
    survival    the same for the norm, mean over p spaced evenly in ln p: the area between two
                survival curves on log-log paper, over its height

For Pareto laws Q(p) = p^{−1/α}, so both distances are |1/α_a − 1/α_b| times a mean of −ln p, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, whole

SHARE = 0.05  # of the items that count as the tail
LEVELS = (0.01, 0.001)  # shares exceeded: the 0.99 and 0.999 quantiles
_DIRECTIONS = 16
_POINTS = 50
_FEWEST = 10  # items of a tail: fewer may be copies of one in a resampling
_MAD = 1.482602218505602  # deviation of a Gaussian over its median absolute deviation


@dataclass(frozen=True)
class Tails:
    """One set's tails against the reference's.

    Attributes:
        index: Hill's tail index of the norm; the heavier the smaller, Student-t of ν degrees has ν.
        index_error: |1/index − 1/index of the reference|.
        quantile_99: mean |ln ratio| of the 0.99 quantiles over all shadows.
        quantile_999: of the 0.999 quantiles.
        survival: mean |ln ratio| of the norm's quantiles over its upper tenth.
    """

    index: float
    index_error: float
    quantile_99: float
    quantile_999: float
    survival: float


def hill_index(sizes: Tensor, *, share: float = SHARE) -> Tensor:
    """Hill's estimate of the tail index α from the largest `share` of `sizes`.

    Args:
        sizes: `(n, ...)`, above 0 in the tail; each column on its own.
        share: of the items that count as the tail, in (0, 1), at least ten of them; k items leave an error
            of α/√k.

    Returns:
        `(...)`, above 0; infinite where the whole tail is one value.

    Raises:
        InputError: a share out of range, fewer than 2 items, or a tail that is not above 0.

    Source: Hill 1975, A simple general approach to inference about the tail of a distribution.
    """
    if not 0 < share < 1:
        raise InputError(f"share={share}: the tail is a share in (0, 1) of the items, such as 0.05")
    if len(sizes) < 2:
        raise InputError(f"sizes has {len(sizes)} items: give at least 2")
    k = hill_count(len(sizes), share)
    largest = sizes.double().topk(k + 1, dim=0).values
    if not bool((largest[-1] > 0).all()):
        raise InputError(f"share={share}: the tail holds sizes of 0 or below; give a smaller share")
    return 1 / (largest[:-1] / largest[-1]).log().mean(0)


def hill_count(n: int, share: float = SHARE) -> int:
    """How many of n items count as the tail."""
    return min(max(_FEWEST, round(share * n)), n - 1)


@dataclass(frozen=True)
class Shadows:
    """The robust axes of a reference, and directions across them.

    Attributes:
        middle: medians `(d,)`.
        width: 1.4826 MAD `(d,)`, above 0.
        directions: unit vectors `(directions, d)`.
    """

    middle: Tensor
    width: Tensor
    directions: Tensor

    @classmethod
    def fit(cls, reference: Tensor, *, directions: int = _DIRECTIONS, seed: int = 0) -> Shadows:
        """The axes of `reference` `(n, d)`; a column of one value keeps its unit."""
        x = reference.flatten(1).double().cpu()
        middle = x.median(0).values
        width = _MAD * (x - middle).abs().median(0).values
        generator = torch.Generator().manual_seed(seed)
        shape = (whole(directions, "directions"), x.shape[1])
        theta = torch.randn(shape, dtype=torch.float64, generator=generator)
        width = torch.where(width > 0, width, torch.where(x.std(0) > 0, x.std(0), 1.0))
        return cls(middle, width, torch.nn.functional.normalize(theta))

    def sizes(self, values: Tensor) -> Tensor:
        """`(n, 1 + d + directions)`: the norm first, then columns, then directions."""
        z = (values.flatten(1).double().cpu() - self.middle) / self.width
        norm = z.norm(dim=1, keepdim=True) / math.sqrt(z.shape[1])
        return torch.cat([norm, z.abs(), (z @ self.directions.T).abs()], 1)


@dataclass(frozen=True)
class Profile:
    """What is compared of one set's sizes `(n, shadows)`.

    Attributes:
        index: Hill's of the norm.
        high: ln Q at `LEVELS`, `(2, shadows)`.
        survival: ln Q of the norm at the shares of `survival_shares`.
    """

    index: float
    high: Tensor
    survival: Tensor

    @classmethod
    def of(cls, sizes: Tensor, shares: Tensor) -> Profile:
        """The profile of `sizes`, its survival at `shares` exceeded."""
        levels = torch.tensor(LEVELS, dtype=torch.float64)
        return cls(
            float(hill_index(sizes[:, 0])), log_quantiles(sizes, levels), log_quantiles(sizes[:, 0], shares)
        )

    def against(self, other: Profile) -> Tails:
        """The figures of this set, the other one being the reference."""
        error = (self.high - other.high).abs().mean(1)
        return Tails(
            index=self.index,
            index_error=abs(1 / self.index - 1 / other.index),
            quantile_99=float(error[0]),
            quantile_999=float(error[1]),
            survival=float((self.survival - other.survival).abs().mean()),
        )


def tails(samples: Tensor, reference: Tensor, *, seed: int = 0) -> Tails:
    """Compare the tails of two sets.

    Args:
        samples: `(n, ...)`, n >= 20.
        reference: `(m, ...)`, m >= 20; for the 0.999 quantile to mean something, thousands.
        seed: of the directions.

    Raises:
        InputError: items of different shape, too few of them, or values that are not finite.

    Source: the question is that of Pandey et al. 2025, Heavy-tailed diffusion models, section 4.
    """
    x, y = pair(samples, reference, ("samples", "reference"), least=20)
    shadows, shares = Shadows.fit(y, seed=seed), survival_shares(min(len(x), len(y)))
    return Profile.of(shadows.sizes(x), shares).against(Profile.of(shadows.sizes(y), shares))


def survival_distance(a: Tensor, b: Tensor) -> float:
    """Mean |ln Q_a(p) − ln Q_b(p)| of sizes `(n,)` and `(m,)` over `survival_shares`."""
    p = survival_shares(min(len(a), len(b)))
    return float((log_quantiles(a, p) - log_quantiles(b, p)).abs().mean())


def survival_shares(n: int) -> Tensor:
    """Shares p exceeded, evenly spaced in ln p, from 0.1 to where five of `n` items are left."""
    return torch.logspace(-1, math.log10(min(5 / n, 0.05)), _POINTS, dtype=torch.float64)


def log_quantiles(sizes: Tensor, exceeded: Tensor) -> Tensor:
    """ln Q(p) of each column of `sizes` `(n, ...)` for shares p exceeded `(points,)`: `(points, ...)`."""
    import numpy as np

    # numpy's: torch's own takes no more than 2²⁴ values.
    found = torch.from_numpy(np.quantile(sizes.double().numpy(), 1 - exceeded.numpy(), axis=0))
    return found.clamp_min(torch.finfo(torch.float64).tiny).log()
