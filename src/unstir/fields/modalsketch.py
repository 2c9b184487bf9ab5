"""The denoiser of a sketch where each mode is damped on its own: x̂ = A ŷ + B √W n, A one number a mode.

With V_k = U_k diag(√λ_k), d = A² f + B² W a mode (f the mean of the floors), r = x̂ − A μ_k and b² = B² W:

    S_k = I + V_kᵀ diag(A²/d) V_k      q_k = V_kᵀ (A r/d)      p_k = S_k⁻¹ q_k
    log p(x̂ | k) = −½ [log det S_k + Σ r²/d − q_kᵀ p_k] + what all components share
    E[ŷ | x̂, k] = μ_k + (b²/d) V_k p_k + f A r/d

by the matrix inversion lemma. All sums over modes are products of (A²/d, A x̂/d) with matrices that hold for
the whole run and are kept, so an item costs K systems of R equations beside them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields.sketch import Sketch


def denoise_modes(sketch: Sketch, u: Tensor, A: Tensor, variance: Tensor, label: Tensor | None) -> Tensor:
    """E[ŷ | x̂ = u], `(batch, *modes)`.

    Args:
        sketch: fitted to the items' coordinates.
        u: the state's coordinates `(batch, *modes)`.
        A: the signal's coefficient of each mode, `(batch, *modes)` or broadcast against it.
        variance: B² W, `(batch,)`.
        label: class numbers `(batch,)`, or None.
    """
    K, _, R = sketch.axes.shape
    flat, means = u.flatten(1), sketch.means
    A = A.expand(u.shape).flatten(1)
    floor, noise = sketch.floors.mean(), variance[:, None]
    d = A.square() * floor + noise
    told, shown = A * flat / d, A.square() / d
    columns, centred, pairs = _matrices(sketch)
    q = (told @ columns - shown @ centred).reshape(-1, K, R)
    below, across = torch.tril_indices(R, R, device=u.device)
    S = torch.zeros(len(u), K, R, R, device=u.device)
    S[..., below, across] = (shown @ pairs).reshape(len(u), K, -1)
    L = torch.linalg.cholesky(S + torch.eye(R, device=u.device))
    p = torch.cholesky_solve(q[..., None], L)[..., 0]
    squared = shown @ means.square().T - 2 * told @ means.T  # less what all components share
    evidence = 2 * L.diagonal(dim1=-2, dim2=-1).log().sum(2) + squared - (q * p).sum(2)
    share = torch.softmax(sketch.rows(label) - 0.5 * evidence, 1)
    centre = share @ means
    carried = (share[..., None] * p).flatten(1) @ columns.T
    guess = centre + noise / d * carried + floor * (told - shown * centre)
    return guess.reshape(u.shape)


def _matrices(sketch: Sketch) -> tuple[Tensor, Tensor, Tensor]:
    """V `(N, K R)`, V μ `(N, K R)` and the products of V's columns in pairs `(N, K R (R + 1)/2)`."""
    parts = (sketch.axes, sketch.variances, sketch.means)
    key = tuple((part.data_ptr(), part._version) for part in parts)  # what is fitted or loaded changes it
    if sketch.kept is None or sketch.kept[0] != key:
        V = sketch.axes.transpose(0, 1) * sketch.variances.sqrt()
        below, across = torch.tril_indices(*2 * (V.shape[2],), device=V.device)
        made = V.flatten(1), (V * sketch.means.T[..., None]).flatten(1), V[..., below] * V[..., across]
        sketch.kept = key, (made[0], made[1], made[2].flatten(1))
    return sketch.kept[1]
