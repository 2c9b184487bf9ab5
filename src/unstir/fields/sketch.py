"""A sketch of the data: a mixture of low-rank Gaussians, whose denoiser is closed form.

    y ~ Σ_k π_k N(μ_k, U_k diag(λ_k) U_kᵀ + f_k I)

with R columns in U_k. Given x = A y + B √W n, everything is Gaussian given k and W, and with r = x − A μ_k,
z = U_kᵀ r, v_j = A² (λ_j + f) + B² W and v = A² f + B² W:

    log p(x | k) = −½ [Σ_j (log v_j + z_j²/v_j) + (N − R) log v + (‖r‖² − ‖z‖²)/v]
    E[y | x, k] = μ_k + A f/v r + U_k diag(A (λ_j + f)/v_j − A f/v) z

so all components together cost two products with U. One component is the Wiener filter. As the skip path of a
network it leaves only what no such mixture knows to be learned. With class labels π_k becomes p(k | class).

Where the law of noise varies W, it is told by the state's energy across the directions of least variance, of
which W has the most to say there, and put in as one number, e^{E[log W | x]}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unstir.byparts import by_parts
from unstir.errors import InputError
from unstir.fields.widths import EVIDENCE

_LARGEST = 2**30  # numbers
_MOST = 20_000  # items that the principal axes are fitted to
_FACTOR = 4  # axes in which the components are fitted, for each of a component's own
PRIOR = 50  # items that the covariance of all counts for in a component's own
_SEED = 0
_ROUNDING = 1e-5  # in model units: far below a level of 256


class Most(NamedTuple):
    """The usual size of a sketch: components, axes of each, and how many times these for large items."""

    components: int
    axes: int
    finer: int = 1


class Sketch(nn.Module):
    """A Gaussian mixture of R axes a component and its denoiser, for items of `shape`.

    Args:
        shape: of one item; N is its size.
        components: K.
        rank: R.
        classes: of labels; 0 for none.

    Raises:
        InputError: K below 1, or R outside 1 to N − 1.
    """

    means: Tensor
    axes: Tensor
    variances: Tensor
    floors: Tensor
    log_shares: Tensor
    common: Tensor
    bounds: Tensor

    def __init__(self, shape: Sequence[int], components: int, rank: int, classes: int = 0) -> None:
        super().__init__()
        N, K, R = math.prod(shape), components, rank
        if K * N * R > _LARGEST:
            raise InputError(f"sketch={K}: takes {K * N * R:.1e} numbers for items of {N}; give fewer")
        if not (K >= 1 and 1 <= R < N):
            raise InputError(
                f"sketch={K}, rank={R}: for items of {N} numbers give 1 or more, and 1 to {N - 1}"
            )
        self.shape, self.classes = tuple(shape), classes
        self.register_buffer("means", torch.zeros(K, N))
        # Lies in memory as (N, K, R): all components' axes together are one matrix that is multiplied by.
        self.register_buffer("axes", torch.zeros(N, K, R).transpose(0, 1))
        self.register_buffer("variances", torch.ones(K, R))  # λ
        self.register_buffer("floors", torch.ones(K))  # f
        self.register_buffer("log_shares", torch.full((classes + 1, K), -math.log(K)))
        self.register_buffer("common", torch.zeros(N, R))  # principal axes of all items
        self.register_buffer("bounds", torch.tensor([-math.inf, math.inf]))

    @torch.no_grad()
    def fit(self, items: Tensor, labels: Tensor | None = None) -> None:
        """Fit to `items` `(n, *shape)`: k-means in principal axes, then each cluster's covariance.

        Args:
            items: in model units.
            labels: class numbers `(n,)`, where there are classes.
        """
        K, N, R = self.axes.shape
        flat = items.flatten(1).float()
        mean = flat.mean(0)
        generator = torch.Generator().manual_seed(_SEED)
        some = flat[torch.randperm(len(flat), generator=generator)[:_MOST]] - mean
        count = min(_FACTOR * R, N, max(R, len(some)))
        axes, spectrum = _principal(some, count)
        rest = (some.square().sum() / len(some) - spectrum.sum()).clamp_min(0)
        coordinates = by_parts(lambda part: (part - mean) @ axes, flat)
        squared = by_parts(lambda part: (part - mean).square().sum(1), flat)
        outside = (squared - coordinates.square().sum(1)).clamp_min(0)
        self.common.copy_(axes[:, :R])
        cluster = _clusters(coordinates, K, labels if 0 < self.classes <= K else None, self.classes)
        shares = torch.bincount(cluster, minlength=K).clamp_min(1)[:, None]
        centres = torch.zeros(K, count).index_add_(0, cluster, coordinates) / shares
        # A small cluster borrows the spread that items have about their centres in all clusters together.
        within = (coordinates - centres[cluster]).T.cov(correction=0).reshape(count, count)
        for k in range(K):
            mine = coordinates[cluster == k] - centres[k]
            weight = 1 / (len(mine) + PRIOR)
            values, vectors = torch.linalg.eigh(weight * (mine.T @ mine + PRIOR * within))
            left = weight * (outside[cluster == k].sum() + PRIOR * rest)
            floor = ((values[:-R].sum() + left) / (N - R)).clamp_min(1e-8)
            self.means[k] = mean + axes @ centres[k]
            self.axes[k] = axes @ vectors[:, -R:]
            self.variances[k] = (values[-R:] - floor).clamp_min(0)
            self.floors[k] = floor
        self._share(cluster, labels)
        self._remainder(flat, cluster)

    def _remainder(self, flat: Tensor, cluster: Tensor) -> None:
        """Hold what the axes leave of the items `(n, N)`: here the floors do."""

    def _share(self, cluster: Tensor, labels: Tensor | None) -> None:
        """π_k of each class and, in the last row, of all."""
        K = self.axes.shape[0]
        rows = [torch.ones_like(cluster, dtype=torch.bool)]
        if labels is not None:
            rows = [*(labels == c for c in range(self.classes)), *rows]
        for row, chosen in zip(self.log_shares[-len(rows) :], rows, strict=True):
            counts = torch.bincount(cluster[chosen], minlength=K).float() + 0.1
            row.copy_((counts / counts.sum()).log())

    def forward(self, x: Tensor, A: Tensor, variance: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x], `(batch, *shape)`.

        Args:
            x: states `(batch, *shape)`.
            A: the signal's coefficient, `(batch,)`.
            variance: that of the noise, B² W, `(batch,)`.
            label: class numbers `(batch,)`, or None.
        """
        K, N, R = self.axes.shape
        u = x.flatten(1) / A[:, None]  # all in units of y
        noise = (variance / A.square())[:, None]
        basis = self.axes.transpose(0, 1).flatten(1)
        z = (u @ basis).reshape(-1, K, R) - torch.einsum("kn,knr->kr", self.means, self.axes)
        squared = u.square().sum(1, keepdim=True) - 2 * u @ self.means.T + self.means.square().sum(1)
        across = (squared - z.square().sum(2)).clamp_min(0)
        signal = self.variances + self.floors[:, None]
        along, floor = signal + noise[..., None], self.floors + noise
        evidence = along.log().sum(2) + (z.square() / along).sum(2) + (N - R) * floor.log() + across / floor
        share = torch.softmax(self.rows(label) - 0.5 * evidence, 1)
        plain = self.floors / floor
        weight = share[..., None] * (signal / along - plain[..., None]) * z
        guess = (share * (1 - plain)) @ self.means + (share * plain).sum(1, keepdim=True) * u
        return (guess + weight.flatten(1) @ basis.T).reshape(x.shape)

    def rows(self, label: Tensor | None) -> Tensor:
        """log π_k of each item's class, `(batch, K)`, or of all classes together, `(1, K)`."""
        return self.log_shares[-1:] if label is None or not self.classes else self.log_shares[label]

    def bounded(self, denoised: Tensor) -> Tensor:
        """A posterior mean held where one can be: within the least and the greatest value of the data."""
        return denoised.clamp(*self.bounds)

    def felt(self, miss: Tensor, data: Tensor) -> Tensor:
        """An error that is 0 where `bounded` would make it 0: beyond an end that the data lie on.

        Args:
            miss: a positive multiple of D − y, `(batch, *shape)`.
            data: y.
        """
        low, high = self.bounds
        beyond = (data <= low + _ROUNDING) & (miss < 0) | (data >= high - _ROUNDING) & (miss > 0)
        return miss.masked_fill(beyond, 0)

    def noise_variance(self, x: Tensor, A: Tensor, B: Tensor, nodes: Tensor, log_weights: Tensor) -> Tensor:
        """B² W, `(batch,)`, with W as the state tells it.

        Args:
            x: states `(batch, *shape)`.
            A: `(batch,)`.
            B: `(batch,)`.
            nodes: of a quadrature over W, `(nodes,)`; see `Noise.mixing_nodes`.
            log_weights: `(nodes,)`.
        """
        if len(nodes) == 1:
            return B.square() * nodes
        misfit = self._misfit(x, A, B.square()[:, None] * nodes)
        share = torch.softmax(log_weights - 0.5 * EVIDENCE * misfit, 1)
        return B.square() * (share @ nodes.log()).exp()

    def _misfit(self, x: Tensor, A: Tensor, noise: Tensor) -> Tensor:
        """−2 log p(x) a number for each of the `noise` variances, `(batch, nodes)`, less what is constant."""
        N, R = self.common.shape
        flat = x.flatten(1) - A[:, None] * self.means.mean(0)
        energy = flat.square().sum(1) - (flat @ self.common).square().sum(1)
        energy = energy.clamp_min(0)[:, None] / (N - R)
        total = A.square()[:, None] * self.floors.mean() + noise
        return total.log() + energy / total


def _principal(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` principal axes `(N, count)` and the variances along them.

    Fewer items than axes have no variance along some, which are any that are orthogonal to the others.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        _, singular, axes = torch.svd_lowrank(centred, q=min(count + 8, *centred.shape), niter=2)
        lacking = max(0, count - axes.shape[1])
        others = torch.randn(len(axes), lacking)
    if lacking:
        others = torch.linalg.qr(others - axes @ (axes.T @ others))[0]
        axes = torch.cat([axes, others - axes @ (axes.T @ others)], 1)
        singular = torch.cat([singular, torch.zeros(lacking)])
    return axes[:, :count], singular[:count].square() / len(centred)


def _clusters(coordinates: Tensor, count: int, labels: Tensor | None, classes: int) -> Tensor:
    """The number of each item's cluster, int64 `(n,)`: within each class where there are labels."""
    if labels is not None:
        cluster = torch.zeros(len(coordinates), dtype=torch.int64)
        first = 0
        for label in range(classes):
            own = count // classes + (label < count % classes)
            mine = labels == label
            if len(coordinates[mine]) >= own:
                cluster[mine] = first + _clusters(coordinates[mine], own, None, 0)
            else:
                cluster[mine] = first
            first += own
        return cluster
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    count = min(count, len(coordinates))
    if count == 1:
        return torch.zeros(len(coordinates), dtype=torch.int64)
    few = coordinates[:, :48].numpy()
    with threadpool_limits(1):
        fitted = MiniBatchKMeans(count, random_state=_SEED, n_init=1, batch_size=4096, max_iter=20).fit(few)
        return torch.as_tensor(fitted.predict(few)).long()
