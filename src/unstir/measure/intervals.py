"""The figures of several models against the same held-out items, each with its draws of a bootstrap.

Sets are resampled as counts u, v (`bootstrap.py`). Where a figure is a mean over pairs of different items, so
is its draw, and repeated items never meet themselves:

    energy*   2 Σ u_i v_j d_ij/nm − Σ u_i u_j d_ij/(n² − Σu²) − the same of v        mmd* likewise

Precision, density, coverage and recall resample their items with the balls held fixed. Distances of sliced
shadows, Fréchet's and the tails' (`upper.py`) are worked out anew for each draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from unstir.measure._arrays import rows
from unstir.measure._tiles import distances
from unstir.measure.bootstrap import Estimate, Resampling, counted
from unstir.measure.distances import energy_distance, median_bandwidth, mmd
from unstir.measure.features import FeatureSpace
from unstir.measure.manifold import overlap
from unstir.measure.memorisation import nearest
from unstir.measure.tails import Profile, Shadows, survival_shares
from unstir.measure.upper import Upper

_PROJECTIONS = 100
_COMPONENTS = 64  # of Fréchet's distance, at most


class Yardstick:
    """The held-out items, and what all models share: directions, bandwidth, balls, resamplings.

    Args:
        reference: held-out items `(n, ...)`, as many as each model's samples.
        space: the features in which all but the memorisation are measured.
        draws: resamplings.
        seed: of them, and of directions.
        k: of the balls.
    """

    def __init__(
        self, reference: Tensor, space: FeatureSpace, *, draws: int, seed: int = 0, k: int = 5
    ) -> None:
        self.space, self.k, self.seed = space, k, seed
        self.reference = reference
        self.target = space(reference).flatten(1).double().cpu()
        self.resampling = Resampling.draw(len(reference), len(reference), draws=draws, seed=seed)
        self.bandwidth = median_bandwidth(self.target)
        self.apart = distances(self.target, self.target)
        generator = torch.Generator().manual_seed(seed)
        theta = torch.randn(_PROJECTIONS, self.target.shape[1], dtype=torch.float64, generator=generator)
        self.theta = torch.nn.functional.normalize(theta)
        self.shadows = _Sorted.of(self.target @ self.theta.T)
        centred = self.target - self.target.mean(0)
        axes = torch.linalg.svd(centred, full_matrices=False).Vh
        self.axes = axes[: min(_COMPONENTS, len(self.target) // 4 or 1)]
        self.moments = _Moments.of(self.target @ self.axes.T, self.resampling.reference)

    def figures(self, samples: Tensor) -> dict[str, Estimate]:
        """The figures of `samples` `(n, ...)`, in the data's units, by name, as in `measure.Figures`."""
        x, y = self.space(samples).flatten(1).double().cpu(), self.target
        inside, between = distances(x, x), distances(x, y)

        def kernel(table: Tensor) -> Tensor:
            return torch.exp(-0.5 * (table / self.bandwidth) ** 2)

        energy = self._pairs(inside, between, lambda table: table)
        moments = _Moments.of(x @ self.axes.T, self.resampling.samples)
        found = {
            "energy_distance": Estimate(energy_distance(x, y), energy),
            "mmd": Estimate(mmd(x, y, bandwidth=self.bandwidth), -self._pairs(inside, between, kernel)),
            "sliced_wasserstein": self._sliced(x),
            "frechet_distance": moments.distance(self.moments),
        }
        return found | self._overlap(x, inside, between)

    def energy(self, samples: Tensor) -> Estimate:
        """The energy distance alone."""
        x, y = self.space(samples).flatten(1).double().cpu(), self.target
        return Estimate(
            energy_distance(x, y), self._pairs(distances(x, x), distances(x, y), lambda table: table)
        )

    def _pairs(self, inside: Tensor, between: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Draws of 2 E of(between) − E of(inside) − E of(apart)."""
        u, v = self.resampling.samples, self.resampling.reference
        return 2 * _between(of(between), u, v) - _within(of(inside), u) - _within(of(self.apart), v)

    def _sliced(self, x: Tensor) -> Estimate:
        """Order 2, over the directions."""
        ours, theirs = _Sorted.of(x @ self.theta.T), self.shadows
        draws = torch.stack(
            [
                (ours.drawn(u) - theirs.drawn(v)).square().mean().sqrt()
                for u, v in zip(self.resampling.samples, self.resampling.reference, strict=True)
            ]
        )
        return Estimate(float((ours.values - theirs.values).square().mean().sqrt()), draws)

    def _overlap(self, x: Tensor, inside: Tensor, between: Tensor) -> dict[str, Estimate]:
        """Precision, recall, density, coverage from who lies in whose ball."""
        ours = inside.fill_diagonal_(torch.inf).kthvalue(self.k, dim=1).values
        theirs = self.apart.clone().fill_diagonal_(torch.inf).kthvalue(self.k, dim=1).values
        held = between <= theirs
        per_item = {
            "precision": (held.any(1), self.resampling.samples),
            "recall": ((between <= ours[:, None]).any(0), self.resampling.reference),
            "density": (held.sum(1) / self.k, self.resampling.samples),
            "coverage": (held.any(0), self.resampling.reference),
        }
        exact = overlap(x, self.target, k=self.k)._asdict()
        return {
            name: Estimate(exact[name], counts @ values.double() / len(values))
            for name, (values, counts) in per_item.items()
        }


@dataclass(frozen=True)
class Copies:
    """How near items lie to the training set.

    Attributes:
        samples: distance of each sample to its nearest training item, `(n,)`.
        heldout: of each held-out item, `(m,)`.
        figures: `memorisation_ratio` (none where held-out items are copies themselves) and
            `memorisation_share`, as in `memorisation.py`.
    """

    samples: Tensor
    heldout: Tensor
    figures: dict[str, Estimate]


def copies(samples: Tensor, train: Tensor, heldout: Tensor, resampling: Resampling) -> Copies:
    """`memorised` with its draws; one sample, and one held-out item, for each count of the resampling."""
    ours, theirs = (nearest(values, train)[1].cpu() for values in (samples, heldout))
    middle, drawn = theirs.median(), _medians(theirs, resampling.reference)
    below = (ours < drawn[:, None]).double()
    share = Estimate(float((ours < middle).double().mean()), (below * resampling.samples).sum(1) / len(ours))
    figures = {"memorisation_share": share}
    if middle > 0 and bool((drawn > 0).all()):
        ratio = _medians(ours, resampling.samples) / drawn
        figures["memorisation_ratio"] = Estimate(float(ours.median() / middle), ratio)
    return Copies(ours, theirs, figures)


class TailYardstick:
    """The tails of held-out items of a table, all of them, and resamplings of these.

    Args:
        reference: held-out rows `(m, d)`.
        n: rows of each model.
        draws: resamplings.
        seed: of them.
    """

    def __init__(self, reference: Tensor, n: int, *, draws: int, seed: int = 0) -> None:
        y = rows(reference, "reference", least=20)
        self.n, self.draws, self.seed = n, draws, seed
        self.shadows, self.shares = Shadows.fit(y, seed=seed), survival_shares(min(n, len(y)))
        self.whole, self.drawn = self._profiles(y, part=1)

    @property
    def index(self) -> float:
        """Hill's index of the held-out rows themselves."""
        return self.whole.index

    def figures(self, samples: Tensor) -> dict[str, Estimate]:
        """The fields of `Tails` by name, each with `tail_` before it."""
        whole, drawn = self._profiles(rows(samples, "samples"), part=0)
        value = asdict(whole.against(self.whole))
        found = [asdict(ours.against(theirs)) for ours, theirs in zip(drawn, self.drawn, strict=True)]
        return {
            f"tail_{name}": Estimate(
                value[name], torch.tensor([one[name] for one in found], dtype=torch.float64)
            )
            for name in value
        }

    def _profiles(self, values: Tensor, part: int) -> tuple[Profile, list[Profile]]:
        sizes = self.shadows.sizes(values)
        upper = Upper(sizes, self.shares)
        counts = counted(len(values), draws=self.draws, seed=self.seed, part=part)
        return Profile.of(sizes, self.shares), [upper.drawn(times) for times in counts]


@dataclass(frozen=True)
class _Sorted:
    """Columns sorted, each with the order of its items."""

    values: Tensor  # (columns, n)
    order: Tensor

    @classmethod
    def of(cls, values: Tensor) -> _Sorted:
        return cls(*values.T.contiguous().sort(dim=1))

    def drawn(self, counts: Tensor) -> Tensor:
        """The sorted columns of a resampling, `(columns, n)`."""
        repeats = counts.long()[self.order]
        return self.values.flatten().repeat_interleave(repeats.flatten()).reshape(self.values.shape)


@dataclass(frozen=True)
class _Moments:
    """Means `(1 + draws, d)` and roots of covariances `(1 + draws, d, d)`: of the set, then of its draws."""

    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, x: Tensor, counts: Tensor) -> _Moments:
        weights = torch.cat([torch.ones(1, len(x), dtype=torch.float64), counts])
        mean = weights @ x / len(x)
        second = torch.stack([(x * w[:, None]).T @ x for w in weights]) / (len(x) - 1)
        covariance = second - len(x) / (len(x) - 1) * mean[:, :, None] * mean[:, None]
        size, axes = torch.linalg.eigh(covariance)
        return cls(mean, (axes * size.clamp_min(0).sqrt()[:, None]) @ axes.mT)

    def distance(self, other: _Moments) -> Estimate:
        """Fréchet's, as in `frechet.py`, draw by draw."""
        squares = self.root.square().sum((1, 2)) + other.root.square().sum((1, 2))
        spread = squares - 2 * torch.linalg.svdvals(self.root @ other.root).sum(1)
        found = ((self.mean - other.mean).square().sum(1) + spread).clamp_min(0)
        return Estimate(float(found[0]), found[1:])


def _between(table: Tensor, u: Tensor, v: Tensor) -> Tensor:
    return ((u @ table) * v).sum(1) / (u.sum(1) * v.sum(1))


def _within(table: Tensor, u: Tensor) -> Tensor:
    diagonal = (u.square() @ table.diagonal()[:, None])[:, 0]
    return (((u @ table) * u).sum(1) - diagonal) / (u.sum(1) ** 2 - u.square().sum(1))


def _medians(values: Tensor, counts: Tensor) -> Tensor:
    """The lower median of each draw, as torch has it."""
    ordered, order = values.sort()
    reached = counts[:, order].cumsum(1) > (len(values) - 1) // 2
    return ordered[reached.int().argmax(1)]
