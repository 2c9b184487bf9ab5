"""The exact field of a Gaussian mixture: the oracle of the tests.

With y ~ Σ_k π_k N(μ_k, Σ_k), Σ_k = U_k diag(λ_k) U_kᵀ, and ε = √W n, everything is Gaussian given k and W:

    x | k, W ~ N(A μ_k, A² Σ_k + B² W I)
    E[y | x, k, W] = μ_k + U_k diag(A λ_k / (A² λ_k + B² W)) U_kᵀ (x − A μ_k)

so the field is closed form for Gaussian noise, and one quadrature over log W for every other law.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.physics import LinearProcess

_BLOCK = 4_000_000  # numbers in a block of (batch, components, nodes)


class MixtureField:
    """The denoiser and the density of a Gaussian mixture carried by a linear process.

    Args:
        process: any linear process.
        weights: shares `(components,)`, positive, normalised here.
        means: `(components, *shape)`.
        covariances: `(components, N, N)`, or `(components,)` for isotropic variances; N is the size of shape.

    Raises:
        InputError: shapes that do not fit, or a covariance that is not symmetric and positive definite.
    """

    def __init__(self, process: LinearProcess, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        means, weights, covariances = means.double(), weights.double(), covariances.double()
        count, shape = len(means), means.shape[1:]
        size = math.prod(shape)
        if means.ndim < 2 or weights.shape != (count,) or not bool((weights > 0).all()):
            raise InputError(
                f"weights: give one positive share for each of the {count} means (components, *shape)"
            )
        if covariances.shape == (count,):
            covariances = covariances[:, None, None] * torch.eye(size, dtype=torch.float64)
        if covariances.shape != (count, size, size) or not torch.allclose(covariances, covariances.mT):
            raise InputError(
                f"covariances: have shape {tuple(covariances.shape)}; "
                f"give symmetric ({count}, {size}, {size}), or one variance a component: ({count},)"
            )
        variances, vectors = torch.linalg.eigh(covariances)
        if not bool((variances > 0).all()):
            raise InputError(
                "covariances: one is not positive definite; add a small multiple of the identity"
            )
        self.process = process
        self.shape = shape
        self.weights = weights / weights.sum()
        self.means = means
        self.covariances = covariances
        self._variances, self._vectors = variances, vectors
        # The posterior of log W is about sqrt(2/N) wide or wider.
        self._nodes, self._log_node_weights = process.noise.mixing_nodes(math.sqrt(2 / size))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` data points, float64 `(n, *shape)`, and so the truth that samples are held against."""
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        normal = torch.randn((n, self._variances.shape[1]), generator=generator, dtype=torch.float64)
        root = self._vectors * self._variances.sqrt()[:, None, :]
        offset = torch.einsum("bij,bj->bi", root[component], normal)
        return self.means[component] + offset.reshape(n, *self.means.shape[1:])

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, *shape)`, for times `(batch,)`."""
        if bool((t == t[0]).all()):
            return self.at(float(t[0]))(x, label)
        return torch.cat([self.at(float(ti))(xi[None], None) for xi, ti in zip(x, t, strict=True)])

    def at(self, t: float) -> Slice:
        """The field at one time."""

        def denoise(x: Tensor, label: Tensor | None) -> Tensor:
            return torch.cat([self._denoise(part, t) for part in self._parts(x)])

        return denoise

    def log_density(self, x: Tensor, t: float) -> Tensor:
        """log p_t(x) in nats, float64 `(batch,)`: the analytic density that likelihoods are held against."""
        parts = [torch.logsumexp(self._logits(part, t)[0], (1, 2)) for part in self._parts(x)]
        return torch.cat(parts)

    def log_data_density(self, y: Tensor) -> Tensor:
        """log p_0(y) in nats, float64 `(batch,)`: the mixture itself."""
        z = self._rotated(y.flatten(1).double(), 1.0)
        terms = (2 * math.pi * self._variances).log() + z**2 / self._variances
        return torch.logsumexp(self.weights.log() - 0.5 * terms.sum(2), 1)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(x, max(1, _BLOCK // (len(self.weights) * len(self._nodes))))

    def _rotated(self, u: Tensor, A: float) -> Tensor:
        """U_kᵀ(u − A μ_k), `(batch, components, N)`."""
        offset = u[:, None, :] - A * self.means.flatten(1)
        return torch.einsum("bki,kij->bkj", offset, self._vectors)

    def _logits(self, x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x, k, W_q) `(batch, components, nodes)`, the rotated offsets, the variances `(k, q, N)`."""
        time = torch.tensor(t, dtype=torch.float64)
        A, B = float(self.process.A(time)), float(self.process.B(time))
        z = self._rotated(self.process.basis.coordinates(x).flatten(1).double(), A)
        variance = A**2 * self._variances[:, None, :] + B**2 * self._nodes[:, None]
        distance = torch.einsum("bkn,kqn->bkq", z**2, 1 / variance)
        log_norm = 0.5 * (2 * math.pi * variance).log().sum(2)
        prior = self.weights.log()[:, None] + self._log_node_weights
        return prior - log_norm - 0.5 * distance, z, variance

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        logits, z, variance = self._logits(x, t)
        A = float(self.process.A(torch.tensor(t, dtype=torch.float64)))
        share = torch.softmax(logits.flatten(1), 1).reshape(logits.shape)
        gain = torch.einsum("bkq,kqn->bkn", share, A * self._variances[:, None, :] / variance)
        mean = torch.einsum("bk,kn->bn", share.sum(2), self.means.flatten(1))
        mean = mean + torch.einsum("bkj,kij->bi", gain * z, self._vectors)
        return self.process.basis.state(mean.reshape(x.shape).to(x.dtype))
