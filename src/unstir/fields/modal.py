"""The learned field of a process that damps modes: the preconditioning of `neural.py`, mode by mode.

With s_k² the variance of mode k in the data, the state's is V_k = A_k² s_k² + B² W, and

    D_k = c_skip,k x_k + c_out,k F_k(Σ_k c_in,k x_k)
    c_skip,k = A_k s_k²/V_k     c_out,k = s_k B √W/√V_k     c_in,k = 1/√V_k

so the network sees an image of white modes and answers with one. For a law of noise that mixes variances W,
each coefficient is its mean over W given the sizes of all modes together, as in `neural.py`. A sketch of the
data takes the skip path's place there too, damped mode by mode, and c_out,k is what it was measured to leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from unstir.fields.field import Slice
from unstir.fields.modalsketch import ModalSketch
from unstir.fields.neural import NeuralField
from unstir.fields.sketch import Most, Sketch
from unstir.fields.widths import EVIDENCE
from unstir.physics import DATA_STD, DampedProcess
from unstir.physics.process import per_item


class ModalField(NeuralField):
    """E[y | x_t = x] by a network that works on whitened modes."""

    # Each item has its own systems of equations to solve.
    sketches: ClassVar[Mapping[str, Most]] = {"modes": Most(32, 16)}
    process: DampedProcess
    sketch: ModalSketch | None

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The denoised states, `(batch, *shape)`, for times `(batch,)`."""
        basis = self.process.basis
        base, out, given, level = self.parts(x, t, label)
        denoised = basis.state(base + out * basis.coordinates(self.answer(given, level, label)))
        return denoised if self.training else self.bounded(denoised)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), label)

    def error(self, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean squared error of F against its target, `(batch,)`: each mode of D with weight 1/c_out²."""
        basis = self.process.basis
        base, out, given, level = self.parts(x, t, label)
        wanted = (basis.coordinates(data) - base) / out
        answer = basis.coordinates(self.answer(given, level, label).float())
        return (answer - wanted).square().flatten(1).mean(1)

    def parts(
        self, x: Tensor, t: Tensor, label: Tensor | None = None, base: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The skip path's modes, c_out `(batch, *modes)`, what the network is given, c_noise `(batch,)`."""
        process, basis = self.process, self.process.basis
        with torch.autocast(x.device.type, enabled=False):
            u = basis.coordinates(x)
            skip, out, scale, mixing = self._modes(u, t)
            level = process.level(t, mixing).to(u.dtype)
            white = basis.state(scale * u)
            if self.sketch is None or self.left is None:
                return skip * u, out, white, level
            A = process.signal(t, u.shape[1:]).to(u.dtype)
            variance = (process.B(t).square() * mixing.exp()).to(u.dtype)
            if base is None:
                base = self.sketch.denoised_modes(u, A, variance, label)
            out = self.left(self.place(level))
            return base, out, torch.cat([white, basis.state(base) / self.std], 1), level

    def _error_shape(self, sketch: Sketch) -> tuple[int, ...]:
        return sketch.shape

    def _squared(self, base: Tensor, data: Tensor) -> Tensor:
        return (base - self.process.basis.coordinates(data)).square()

    def _ends(self) -> list[float]:
        ends = torch.tensor([self.process.t_min, self.process.t_max])
        levels: list[float] = self.process.level(ends, torch.zeros(2)).tolist()
        return levels

    def _modes(self, u: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(c_skip, c_out, c_in), each `(batch, *modes)`, and E[log W | x] `(batch,)`."""
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
        return skip, out, scale, mixing
