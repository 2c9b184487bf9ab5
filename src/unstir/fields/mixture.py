"""The exact field of a Gaussian mixture: the oracle of the tests.

With y ~ Σ_k π_k N(μ_k, Σ_k), Σ_k = U_k diag(λ_k) U_kᵀ, and ε = √W n, everything is Gaussian given k and W:

    x | k, W ~ N(A μ_k, A² Σ_k + B² W I)
    E[y | x, k, W] = μ_k + U_k diag(A λ_k / (A² λ_k + B² W)) U_kᵀ (x − A μ_k)

so the field is closed form for Gaussian noise, and one quadrature over log W for every other law. Where heat
damps the modes, A is a matrix: A Σ_k A = U_k diag(λ_k) U_kᵀ at each time, and Σ_k A U_k carries back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
        self._flat = means.flatten(1)[:, None, :]
        self._centres = self._flat if vectors is None else self._flat @ vectors
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
        z = self._rotated(y.flatten(1).double(), 1.0, self._centres, self._vectors)
        squared = z.square() if self._multiplicity == 1 else z.square().sum(2, keepdim=True)
        variance = self._variances[:, None, :]
        terms = self._multiplicity * (2 * math.pi * variance).log() + squared / variance
        return torch.logsumexp(self.weights.log()[:, None] - 0.5 * terms.sum(2), 0)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        widest = max(math.prod(self.shape), len(self._nodes))
        return torch.split(x, max(1, _BLOCK // (len(self.weights) * widest)))

    def _rotated(self, u: Tensor, A: float, centres: Tensor, vectors: Tensor | None) -> Tensor:
        """U_kᵀ(u − A μ_k), `(components, batch, N)`."""
        if vectors is None:
            return u - A * centres
        return torch.baddbmm(centres, u.expand(len(centres), -1, -1), vectors, beta=-A)

    def _frame(self, t: float) -> _Frame:
        """The mixture in its own axes at one time."""
        time = torch.tensor([t], dtype=torch.float64)
        A = float(self.process.A(time))
        if self.process.damping is None:
            lift = None if self._vectors is None else self._vectors * (A * self._variances[:, None, :])
            return _Frame(A, A**2 * self._variances, self._centres, self._vectors, lift)
        modes = self.process.signal(time, self.shape)[0].expand(self.shape)
        # A as a matrix on states: into modes, damped, and back.
        size = modes.numel()
        identity = torch.eye(size, dtype=torch.float64).reshape(size, *self.shape)
        basis = self.process.basis
        blur = basis.state(modes * basis.coordinates(identity)).reshape(size, size)
        variances, vectors = torch.linalg.eigh(blur @ self.covariances @ blur)
        centres = (self._flat @ blur) @ vectors
        lift = self.covariances @ blur @ vectors
        return _Frame(1.0, variances.clamp_min(0), centres, vectors, lift)

    def _logits(self, x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor, _Frame]:
        """log p(x, k, W_q) `(components, batch, nodes)`, the rotated offsets, variances `(k, N, q)`, axes."""
        frame = self._frame(t)
        B = float(self.process.B(torch.tensor(t, dtype=torch.float64)))
        z = self._rotated(x.flatten(1).double(), frame.A, frame.centres, frame.vectors)
        variance = frame.variances[:, :, None] + B**2 * self._nodes
        multiplicity = math.prod(self.shape) // variance.shape[1]
        log_norm = 0.5 * multiplicity * (2 * math.pi * variance).log().sum(1, keepdim=True)
        constant = self.weights.log()[:, None, None] + self._log_node_weights - log_norm
        squared = z.square() if multiplicity == 1 else z.square().sum(2, keepdim=True)
        return torch.baddbmm(constant, squared, -0.5 / variance), z, variance, frame

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        logits, z, variance, frame = self._logits(x, t)
        share = torch.exp(logits - logits.detach().amax((0, 2), keepdim=True))
        total = share.sum((0, 2))[:, None]
        if frame.lift is None:
            # One variance for all axes, and no damping: the lift is a number.
            offset = (share @ (frame.A * self._variances[:, :, None] / variance).mT) * z
        else:
            offset = ((share @ (1 / variance).mT) * z) @ frame.lift.mT
        mean = (share.sum(2).T @ self.means.flatten(1) + offset.sum(0)) / total
        return mean.reshape(x.shape).to(x.dtype)


@dataclass(frozen=True)
class _Frame:
    """A mixture at one time, in the axes of each component.

    Attributes:
        A: what multiplies the centres.
        variances: of the signal along each axis, `(components, N or 1)`.
        centres: the means along them, `(components, 1, N)`.
        vectors: the axes, `(components, N, N)`, or None for those of the state.
        lift: from offsets over variances back to data, `(components, N, N)`; None where it is A λ_k.
    """

    A: float
    variances: Tensor
    centres: Tensor
    vectors: Tensor | None
    lift: Tensor | None
