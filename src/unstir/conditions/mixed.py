"""Where W varies given a state: the laws of y for every W, of items of few numbers, and what o says of W.

For normal data y ~ N(μ, Σ) all is closed form. In the axes U of α Σ α = U diag(k) Uᵀ, α = A/B, with
z = Uᵀ(x/B − α μ) and R = Σ α U,

    p(W | x) ∝ p(W) Π_i (k_i + W)^{−½} exp(−½ z_i²/(k_i + W))
    D_w(W) = μ + R z/(k + W)        C_w(W) = Σ − R diag(1/(k + W)) Rᵀ

Σ is what the process knows of its data (`cloud.py`); where they are not normal the field knows better. So of
the cloud is taken how mean and covariance vary with W, and of the field where they lie (`view.py`):

    E[y | x, W] = D + D_w(W) − E D_w        Cov[y | x, W] = C_w(W) + S (M − M_w) S/w

Given each W all is as if W were known; by Bayes' rule each counts by p(o | x, W) too. This is exact for
normal data, whatever the law of W. It takes the whole slope, so that items have few numbers; of many, x tells
W.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from unstir.conditions.cloud import Cloud
from unstir.physics.noise import Noise

FEW = 32
"""Numbers in an item up to which it is done."""

_NODES = 8  # of W given x
_NONE = 1e-12  # a share that counts for nothing


class Mixed:
    """y given x and W for normal data, at Gauss's nodes of W given x; all in modes, float64.

    Args:
        noise: the law of W.
        cloud: the data as one normal law, in modes.
        modes: of the states, `(batch, *shape)`.
        A: the signal's coefficient of each mode, broadcast against `shape`.
        B: the noise's.

    Attributes:
        precision: w = E[1/W | x], `(batch,)`.
        weighted: M_w = E[(y − D_w)(y − D_w)ᵀ/W | x], `(batch, N, N)`.
    """

    def __init__(self, noise: Noise, cloud: Cloud, modes: Tensor, A: Tensor, B: float) -> None:
        shape, modes = modes.shape[1:], modes.flatten(1).double()
        A, N = A.expand(shape).flatten().double(), modes.shape[1]
        identity = torch.eye(N, dtype=torch.float64, device=modes.device)
        self._whole = cloud.covariance(identity.reshape(N, *shape)).reshape(N, N)
        alpha = A / B
        k, U = torch.linalg.eigh(alpha[:, None] * self._whole * alpha)
        k = k.clamp_min(0)
        self._back = self._whole @ (alpha[:, None] * U)
        centre = cloud.centre.to(modes).expand(shape).flatten()
        z = (modes / B - alpha * centre) @ U
        self._log_share, W = _given(noise, k, z)
        self._known = 1 / (k + W[..., None])  # (batch, nodes, N)
        share = self._log_share.exp()
        far = (self._known * z[:, None]) @ self._back.T
        self._about = far - (share[..., None] * far).sum(1, keepdim=True)
        self.precision = (share / W).sum(1)
        spread = torch.einsum("bk,bki->bi", share / W, self._known)
        self.weighted = (
            self.precision[:, None, None] * self._whole
            - (self._back * spread[:, None]) @ self._back.T
            + torch.einsum("bk,bki,bkj->bij", share / W, self._about, self._about)
        )

    def shift(self, more: Tensor, rows: Tensor, residual: Tensor, sigma: float, total: float) -> Tensor:
        """E[y | x, o] − D, `(batch, N)`.

        Args:
            more: S (M − M_w) S/w, `(batch, N, N)`.
            rows: H on modes, `(observed, N)`.
            residual: o − H D, `(batch, observed)`.
            sigma: σ.
            total: no step is longer than one of a covariance whose trace is this (`methods.py`).
        """
        carried = rows @ self._back
        columns = (self._whole @ rows.T + more @ rows.T)[:, None] - self._back @ (
            self._known[..., None] * carried.T
        )  # Cov[y | x, W] Hᵀ, (batch, nodes, N, observed)
        seen = rows @ columns
        values, vectors = torch.linalg.eigh(0.5 * (seen + seen.mT))
        values = values.clamp_min(0) + sigma**2
        missed = residual[:, None] - self._about @ rows.T
        along = (vectors.mT @ missed[..., None])[..., 0]
        fit = (along.square() / values).sum(2)
        step = (columns @ (vectors @ (along / values)[..., None]))[..., 0]
        length = step.norm(dim=2).clamp_min(torch.finfo(step.dtype).tiny)
        step = step * ((total * fit).sqrt() / length).clamp_max(1)[..., None]
        share = torch.softmax(self._log_share - 0.5 * (values.log().sum(2) + fit), 1)
        found: Tensor = (share[..., None] * (self._about + step)).sum(1)
        return found


def _given(noise: Noise, k: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Log shares and nodes of W given x, `(batch, nodes)` each."""
    points, log_weights = (values.to(z) for values in _law(noise, len(k)))
    variance = k[:, None] + points
    logits = log_weights - 0.5 * variance.log().sum(0) - 0.5 * z.square() @ (1 / variance)
    share = torch.softmax(logits, 1)
    some = share.amax(0) > _NONE
    share, log_W = gauss(points[some].log(), share[:, some], _NODES)
    return share.clamp_min(1e-300).log(), log_W.exp()


@lru_cache(maxsize=64)
def _law(noise: Noise, dimension: int) -> tuple[Tensor, Tensor]:
    return noise.mixing_nodes(dimension)


def gauss(points: Tensor, shares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Gauss's quadrature of laws on `points`, by Lanczos (Golub & Welsch 1969): shares and nodes.

    Args:
        points: `(Q,)`.
        shares: of each, adding up to 1, `(batch, Q)`.
        count: of nodes; polynomials of them up to degree 2 count − 1 have the same mean.
    """
    before, now = torch.zeros_like(shares), shares.sqrt()
    length = torch.zeros_like(shares[:, 0])
    jacobi = torch.zeros(len(shares), count, count, dtype=shares.dtype, device=shares.device)
    for i in range(count):
        image = torch.addcmul(points * now, before, length[:, None], value=-1)
        jacobi[:, i, i] = (now * image).sum(1)
        image.addcmul_(now, jacobi[:, i, i, None], value=-1)
        if i + 1 < count:
            length = image.norm(dim=1)
            # A law on fewer points than nodes has no more directions; the nodes that are over have no share.
            length = torch.where(length > 1e-9 * points.abs().max(), length, 0.0)
            before, now = now, torch.where(length[:, None] > 0, image / length[:, None], 0.0)
            jacobi[:, i, i + 1] = jacobi[:, i + 1, i] = length
    nodes, vectors = torch.linalg.eigh(jacobi)
    return vectors[:, 0].square(), nodes
