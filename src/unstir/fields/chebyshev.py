"""Interpolation of a kernel between two cubes at Chebyshev nodes, and how far it is off.

A cube of half side a has n nodes an axis, z_j = cos(π(j + ½)/n), n^d in all, and

    k(x, y) ≈ Σ_ab S_a(x) k(x_a, y_b) S_b(y),     S_j(u) = 1/n + 2/n Σ_{k=1}^{n−1} T_k(z_j) T_k(u)

an axis each (Fong & Darve 2009). The matrix k(x_a, y_b) has a low rank for cubes apart, K ≈ U Vᵀ, and
depends on their distance alone: cubes that are mirrored, or whose axes are exchanged, share its factors.

The error, proved. Along one axis the n-th derivative of k = (ρ² + r²)^{−m/2} is at most
n! C(m+n−1, n) ρ^{−n} k (Gegenbauer polynomials), and so, with Λ the nodes' Lebesgue constant and ρ the least
distance of two cubes,

    |k̃ − k| ≤ 2 C(m+n−1, n) (a/2ρ)^n k(ρ) Σ_{i < 2d} Λ^i         4^{−n} where the cubes do not touch

That is ten to a hundred times too much. So `transfer` looks for the error of each pair of cubes itself,
relative to k at each pair of places, on a grid of them, and that is the bound we use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from unstir.fields.kernels import Charge, Kernel

_CHECKS = {1: 33, 2: 7, 3: 4}  # points an axis at which the error is looked for, ends included
_SAFETY = 1.25  # for what lies between them
_STEEPEST = 25.0  # nats between the kernel's ends beyond which nothing is interpolated
_MOST = {1: 24, 2: 16, 3: 10}  # nodes an axis


class Nodes:
    """Chebyshev nodes of a cube.

    Args:
        n: nodes an axis.
        d: axes.
    """

    def __init__(self, n: int, d: int) -> None:
        self.n, self.d = n, d
        angle = math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n
        self.line = angle.cos()
        self._matrix = (angle[:, None] * torch.arange(n)).cos() * (2 / n)
        self._matrix[:, 0] = 1 / n
        self.grid = _grid(self.line, d)

    def weights(self, u: Tensor) -> Tensor:
        """S_j(u), `(n, *shape)`, from u in [−1, 1] of any shape."""
        polynomials = u.new_ones(self.n, *u.shape)
        polynomials[1] = u
        for k in range(2, self.n):
            torch.mul(u, polynomials[k - 1], out=polynomials[k]).mul_(2).sub_(polynomials[k - 2])
        return (self._matrix.to(u) @ polynomials.flatten(1)).view_as(polynomials)

    def all_weights(self, u: Tensor) -> Tensor:
        """The product over axes, `(points, n^d)`, from `(points, d)`."""
        out, *others = self.weights(u.T).unbind(1)
        for more in others:
            out = (out[:, None] * more).flatten(0, 1)
        return out.T

    def turned(self, offset: tuple[int, ...]) -> tuple[tuple[int, ...], Tensor]:
        """The offset that stands for this one, components from 0 up, and where its nodes lie, `(n^d,)`."""
        rank = sorted(range(self.d), key=lambda axis: abs(offset[axis]))
        index = torch.zeros([self.n] * self.d, dtype=torch.int64)
        for place, axis in enumerate(rank):
            own = torch.arange(self.n)
            own = own if offset[axis] >= 0 else self.n - 1 - own
            shape = [1] * self.d
            shape[axis] = self.n
            index += own.reshape(shape) * self.n ** (self.d - 1 - place)
        return tuple(abs(offset[axis]) for axis in rank), index.flatten()


@dataclass(frozen=True)
class Transfer:
    """The kernel between two cubes, over its largest value there.

    Attributes:
        U: `(n^d, rank)`.
        V: `(n^d, rank)`.
        log_top: the logarithm of the largest value.
        relative: a bound on |k̃ − k|/k over all pairs of places in the cubes.
        absolute: a bound on |k̃ − k| over the largest value, of all nodes.
    """

    U: Tensor
    V: Tensor
    log_top: float
    relative: float
    absolute: float


def transfer(kernel: Kernel, nodes: Nodes, offset: tuple[int, ...], half: float, goal: float) -> Transfer:
    """Factors for cubes of half side `half` whose centres are `offset` sides apart, and their error.

    The error is the largest found on a grid of places in both cubes, corners included, times 1.25. It
    includes that of the low rank, which is as low as leaves a `goal` of relative error to half.
    """
    shift = 2 * torch.tensor(offset, dtype=torch.float64)
    line = torch.linspace(-1, 1, _CHECKS[nodes.d], dtype=torch.float64)
    checks = _grid(line, nodes.d)
    log_top = float(kernel.log(_least(offset) * (2 * half / kernel.unit) ** 2))

    log_low = float(kernel.log(_most(offset) * (2 * half / kernel.unit) ** 2))
    if not log_top - log_low < _STEEPEST:
        nothing = torch.empty(len(nodes.grid), 0, dtype=torch.float64)
        return Transfer(nothing, nothing, log_top, math.inf, math.inf)

    def values(a: Tensor, b: Tensor) -> Tensor:
        squared = torch.zeros(len(a), len(b), dtype=torch.float64)
        for axis in range(nodes.d):
            squared += (shift[axis] - a[:, axis, None] + b[:, axis]).square_()
        return (kernel.log(squared.mul_((half / kernel.unit) ** 2)) - log_top).exp_()

    K, W, true = values(nodes.grid, nodes.grid), nodes.all_weights(checks), values(checks, checks)
    full = (W @ K @ W.T - true).abs()
    if not _SAFETY * float((full / true).max()) <= goal:
        return Transfer(K[:, :0], K[:, :0], log_top, math.inf, _SAFETY * float(full.max()))
    U, V = _low_rank(K, W, (goal * true / _SAFETY - full) / 2, goal / 2)
    off = ((W @ U) @ (W @ V).T - true).abs()
    return Transfer(U, V, log_top, _SAFETY * float((off / true).max()), _SAFETY * float(off.max()))


def _low_rank(K: Tensor, W: Tensor, slack: Tensor, goal: float) -> tuple[Tensor, Tensor]:
    """U Vᵀ of the least rank within a relative `goal` at the nodes, and `slack` where W interpolates."""
    size = len(K)
    tried = 64 if size > 128 else size
    while True:
        Q = torch.eye(size, dtype=torch.float64)
        if tried < size:  # a random range, to which K's own is turned once more (Halko 2011, algorithm 4.4)
            generator = torch.Generator().manual_seed(0)
            probe = torch.randn(size, tried, generator=generator, dtype=torch.float64)
            Q = torch.linalg.qr(K @ (K.T @ (K @ probe)))[0]
        part = Q.T @ K
        # Singular vectors, by the smaller square; those below 1e-8 come in any order, and cost a few more.
        turn = torch.linalg.eigh(part @ part.T).eigenvectors.flip(1)
        U, V = Q @ turn, part.T @ turn
        rank = _least_rank(U, V, K, goal * K)
        rank = max(rank, _least_rank(W @ U, W @ V, W @ K @ W.T, slack))
        if rank <= tried or tried >= size:
            return U[:, :rank], V[:, :rank]
        tried = min(4 * tried, size)


def _least_rank(U: Tensor, V: Tensor, K: Tensor, slack: Tensor) -> int:
    """How many columns leave U Vᵀ within `slack` of K; one more than there are if none do."""
    low, high = 0, U.shape[1] + 1
    while low < high:
        rank = (low + high) // 2
        if bool(((U[:, :rank] @ V[:, :rank].T - K).abs() <= slack).all()):
            high = rank
        else:
            low = rank + 1
    return high


def _least(offset: tuple[int, ...]) -> Tensor:
    """The least squared distance between cubes of side 1, 0-d."""
    return torch.tensor(float(sum(max(abs(o) - 1, 0) ** 2 for o in offset)), dtype=torch.float64)


def _most(offset: tuple[int, ...]) -> Tensor:
    """The largest squared distance between cubes of side 1, 0-d."""
    return torch.tensor(float(sum((abs(o) + 1) ** 2 for o in offset)), dtype=torch.float64)


def proved(order: float, n: int, d: int, distance: float) -> float:
    """The bound above over k(ρ), for cubes of half side 1 at the `distance` ρ."""
    nodes = Nodes(n, d)
    lebesgue = float(nodes.weights(torch.linspace(-1, 1, 2001, dtype=torch.float64)).abs().sum(0).max())
    choose = math.exp(math.lgamma(order + n) - math.lgamma(n + 1) - math.lgamma(order))
    return 2 * choose * (0.5 / distance) ** n * sum(lebesgue**i for i in range(2 * d))


@lru_cache(maxsize=64)
def nodes_for(order: float, d: int, goal: float) -> Nodes:
    """As many nodes as bring the closest cubes that do not touch within `goal`, for (ρ²)^{−m/2}."""
    offset = (*(0,) * (d - 1), 2)
    for n in range(3, _MOST[d]):
        if transfer(Charge(order), Nodes(n, d), offset, 1.0, goal).relative <= goal:
            return Nodes(n, d)
    return Nodes(_MOST[d], d)


def _grid(line: Tensor, d: int) -> Tensor:
    return torch.cartesian_prod(*[line] * d).reshape(-1, d)
