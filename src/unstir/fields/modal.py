"""The learned field of a process that damps modes: the preconditioning of `neural.py`, mode by mode.

With s_k² the variance of mode k in the data, the state's is V_k = A_k² s_k² + B² W, and

    D_k = c_skip,k x_k + c_out,k F_k(Σ_k c_in,k x_k)
    c_skip,k = A_k s_k²/V_k     c_out,k = s_k B √W/√V_k     c_in,k = 1/√V_k

so the network sees an image of white modes and answers with one. For a law of noise that mixes variances W,
each coefficient is its mean over W given the sizes of all modes together, as in `neural.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields.field import Slice
from unstir.fields.neural import EVIDENCE, NeuralField
from unstir.physics import DATA_STD, DampedProcess
from unstir.physics.process import per_item


class ModalField(NeuralField):
    """E[y | x_t = x] by a network that works on whitened modes."""

    process: DampedProcess

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The denoised states, `(batch, *shape)`, for times `(batch,)`."""
        basis = self.process.basis
        u = basis.coordinates(x)
        skip, out, scale, level = self._modes(u, t)
        answer = self._network(basis.state(scale * u), level, label)
        return basis.state(skip * u + out * basis.coordinates(answer))

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), label)

    def error(self, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean squared error of F against its target, `(batch,)`: each mode of D with weight 1/c_out²."""
        basis = self.process.basis
        u, y = basis.coordinates(x), basis.coordinates(data)
        skip, out, scale, level = self._modes(u, t)
        answer = self._network(basis.state(scale * u), level, label)
        wanted = (y - skip * u) / out
        return (basis.coordinates(answer.float()) - wanted).square().flatten(1).mean(1)

    def _modes(self, u: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(c_skip, c_out, c_in), each `(batch, *modes)`, and c_noise `(batch,)`."""
        process, shape = self.process, u.shape[1:]
        A = process.signal(t, shape).to(u.dtype)[:, None]
        B2 = per_item(process.B(t).square(), u)[:, None]
        spectrum = DATA_STD**2 if process.spectrum is None else process.spectrum.to(u)
        noise = B2 * self._nodes.to(u.dtype).reshape(1, -1, *(1,) * len(shape))
        variance = A**2 * spectrum + noise
        evidence = (variance.log() + u[:, None].square() / variance).flatten(2).mean(2)
        share = torch.softmax(self._log_weights.to(u.dtype) - 0.5 * EVIDENCE * evidence, 1)
        share = share.reshape(*share.shape, *(1,) * len(shape))
        best = A * spectrum / variance
        skip = (share * best).sum(1)
        left = spectrum * noise / variance + (best - skip[:, None]).square() * variance
        out = (share * left).sum(1).sqrt()
        scale = (share * variance.rsqrt()).sum(1)
        mixing = (share.flatten(2)[:, :, 0] * self._nodes.to(u.dtype).log()).sum(1)
        return skip, out, scale, process.level(t, mixing).to(u.dtype)
