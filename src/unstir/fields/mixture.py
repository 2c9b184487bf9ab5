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

# Numbers in a block of (components, batch, nodes or axes): what a processor's cache holds.
_BLOCK = 120_000


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
        isotropic = covariances.shape == (count,)
        if isotropic:
            variances, vectors = covariances[:, None], None
        else:
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
        # λ_k, `(components, N)`, or `(components, 1)` where one stands for all N; U_k, or None for any.
        self._variances: Tensor = variances
        self._vectors: Tensor | None = vectors
        self._multiplicity = size if isotropic else 1
        flat = means.flatten(1)[:, None, :]
        self._centres = flat if vectors is None else flat @ vectors
        nodes, log_weights = process.noise.mixing_nodes(size)
        self._nodes, self._log_node_weights = nodes.to(means.device), log_weights.to(means.device)

    @property
    def covariances(self) -> Tensor:
        """Σ_k, float64 `(components, N, N)`."""
        if self._vectors is None:
            size = self.means[0].numel()
            identity = torch.eye(size, dtype=torch.float64, device=self.means.device)
            return self._variances[:, :, None] * identity
        return (self._vectors * self._variances[:, None, :]) @ self._vectors.mT

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` data points, float64 `(n, *shape)`, and so the truth that samples are held against."""
        source = generator.device
        component = torch.multinomial(self.weights.to(source), n, replacement=True, generator=generator)
        normal = torch.randn(
            (n, math.prod(self.shape)), generator=generator, device=source, dtype=torch.float64
        )
        component, normal = component.to(self.means.device), normal.to(self.means.device)
        offset = self._variances[component].sqrt() * normal
        if self._vectors is not None:
            offset = torch.einsum("bij,bj->bi", self._vectors[component], offset)
        return self.means[component] + offset.reshape(n, *self.shape)

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
        parts = [torch.logsumexp(self._logits(part, t)[0], (0, 2)) for part in self._parts(x)]
        return torch.cat(parts)

    def log_data_density(self, y: Tensor) -> Tensor:
        """log p_0(y) in nats, float64 `(batch,)`: the mixture itself."""
        squared = self._squared(self._rotated(y.flatten(1).double(), 1.0))
        variance = self._variances[:, None, :]
        terms = self._multiplicity * (2 * math.pi * variance).log() + squared / variance
        return torch.logsumexp(self.weights.log()[:, None] - 0.5 * terms.sum(2), 0)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        widest = max(math.prod(self.shape), len(self._nodes))
        return torch.split(x, max(1, _BLOCK // (len(self.weights) * widest)))

    def _rotated(self, u: Tensor, A: float) -> Tensor:
        """U_kᵀ(u − A μ_k), `(components, batch, N)`."""
        if self._vectors is None:
            return u - A * self._centres
        return torch.baddbmm(self._centres, u.expand(len(self.means), -1, -1), self._vectors, beta=-A)

    def _squared(self, z: Tensor) -> Tensor:
        """z² along each axis, or summed where all axes have one variance."""
        return z.square().sum(2, keepdim=True) if self._vectors is None else z.square()

    def _logits(self, x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor, float]:
        """log p(x, k, W_q) `(components, batch, nodes)`, the rotated offsets, variances `(k, N, q)`, A."""
        time = torch.tensor(t, dtype=torch.float64)
        A, B = float(self.process.A(time)), float(self.process.B(time))
        z = self._rotated(self.process.basis.coordinates(x).flatten(1).double(), A)
        variance = A**2 * self._variances[:, :, None] + B**2 * self._nodes
        log_norm = 0.5 * self._multiplicity * (2 * math.pi * variance).log().sum(1, keepdim=True)
        constant = self.weights.log()[:, None, None] + self._log_node_weights - log_norm
        return torch.baddbmm(constant, self._squared(z), -0.5 / variance), z, variance, A

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        logits, z, variance, A = self._logits(x, t)
        share = torch.exp(logits - logits.detach().amax((0, 2), keepdim=True))
        total = share.sum((0, 2))[:, None]
        gain = share @ (A * self._variances[:, :, None] / variance).mT
        offset = gain * z if self._vectors is None else (gain * z) @ self._vectors.mT
        mean = (share.sum(2).T @ self.means.flatten(1) + offset.sum(0)) / total
        return self.process.basis.state(mean.reshape(x.shape).to(x.dtype))
