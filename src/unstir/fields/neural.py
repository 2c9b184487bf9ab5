"""A trained field: a network F inside a preconditioning written once for every linear process.

For data of variance s² the state has variance V = A²s² + B², and

    D(x, t) = c_skip x + c_out F(c_in x, c_noise)
    c_skip = A s²/V     c_out = s B/√V     c_in = 1/√V     c_noise = ¼ ln(B/A)

keeps F's input and target at variance 1 for every A and B (Karras 2022, appendix B.6, with A free). Where the
law of noise mixes variances W, each coefficient is its mean over W, and over the variances v that items of
the data have (`widths.py`), given the state's own size

    p(W, v | x) ∝ p(W) p(v) V^{−ν/2} exp(−ν ‖x‖²/(2 N V))     V = A²v + B²W     ν = 4

with ν far below N, since an item's numbers hang together; and c_out² is the mean square that the skip path
leaves. So a Cauchy draw of 10⁴ σ enters the network at size 1 like any other, its loss weighs no more than
theirs, and where the data's own tails are as heavy a far state is not dropped for noise.

With a `Sketch` of the data its denoiser takes the place of c_skip x, is shown to the network beside the
state, and c_out is what it was measured to leave at each noise level: training begins where the sketch ends.
In use D is held within the data's least and greatest value, so that in training what lies beyond such an end
is no error where the data lie on it: the best D stays E[y | x], and a black ground comes out black.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.fields.learned import LearnedField
from unstir.fields.leftover import LEVELS, Leftover
from unstir.fields.modalsketch import SKETCHES
from unstir.fields.sketch import Most, Sketch
from unstir.fields.widths import EVIDENCE, WIDTHS, fit_widths
from unstir.moving import sent
from unstir.physics import DATA_STD, LinearProcess
from unstir.physics.process import per_item

_CALIBRATION = 128  # items for each level at which it is measured what a sketch leaves
# Where the signal is gone altogether (A = 0) the noise level is as good as this.
_SMALLEST_SIGNAL = 1e-6


class NeuralField(LearnedField[LinearProcess]):
    """E[y | x_t = x] by a network.

    Args:
        network: `network(x, noise, label) -> same shape as x`, `noise` and `label` of shape (batch,). With a
            sketch its x has twice the channels: the state, and what the sketch makes of it.
        process: any linear process.
        std: the data's standard deviation s.
        shape: of one item, so that sampling need not be told.
        sketch: the skip path in place of a multiple of x; `prepare` fits it.

    Raises:
        InputError: a sketch of a kind that is not among the field's `sketches`.
    """

    sketches: ClassVar[Mapping[str, Most]] = {"one": Most(64, 32, finer=4), "modes": Most(32, 16)}
    _nodes: Tensor
    _log_weights: Tensor
    widths: Tensor
    log_shares: Tensor

    def __init__(
        self,
        network: nn.Module,
        process: LinearProcess,
        std: float = DATA_STD,
        shape: Sequence[int] | None = None,
        sketch: Sketch | None = None,
    ) -> None:
        kinds = tuple(SKETCHES[name] for name in self.sketches)
        if sketch is not None and not isinstance(sketch, kinds):
            known = " or ".join(kind.__name__ for kind in kinds)
            raise InputError(f"sketch: a {type(sketch).__name__} is not for {process.name}; give a {known}")
        super().__init__(network, process, shape)
        self.std = std
        nodes, log_weights = process.noise.mixing_nodes(EVIDENCE)
        self.register_buffer("_nodes", nodes.float(), persistent=False)
        self.register_buffer("_log_weights", log_weights.float(), persistent=False)
        # Where there is nothing to tell the items' size from, or a sketch that does it, s² stands for all.
        self._sized = process.noise.mixed and sketch is None
        count = WIDTHS if self._sized else 1
        self.register_buffer("widths", torch.full((count,), std**2), persistent=self._sized)
        self.register_buffer("log_shares", torch.full((count,), -math.log(count)), persistent=self._sized)
        self.sketch = sketch
        self.left = None if sketch is None else Leftover(self._error_shape(sketch))

    @torch.no_grad()
    def prepare(self, items: Tensor, labels: Tensor | None = None) -> None:
        """Fit the sketch, and measure what it leaves at each noise level; without one the items' widths."""
        if self.sketch is None or self.left is None:
            if self._sized:
                variances, log_shares = fit_widths(items)
                self.widths.copy_(variances)
                self.log_shares.copy_(log_shares)
            return
        self.sketch.fit(items, labels)
        self.sketch.bounds.copy_(torch.stack([items.min(), items.max()]))
        generator = torch.Generator().manual_seed(0)
        places, squared = list[Tensor](), list[Tensor]()
        for time in self.process.times(LEVELS).float().to(items.device):
            chosen = torch.randint(len(items), (_CALIBRATION,), generator=generator)
            y, t = items[chosen.to(items.device)], time.expand(_CALIBRATION)
            label = None if labels is None else labels[chosen.to(labels.device)].to(items.device)
            base, _, _, level = self.parts(self.process.perturb(y, t, generator), t, label)
            places.append(self.place(level))
            squared.append(self._squared(base, y))
        self.left.measure(torch.cat(places), torch.cat(squared))

    def _error_shape(self, sketch: Sketch) -> tuple[int, ...]:
        """Of what the sketch leaves at one level: one number for all of an item."""
        return ()

    def _squared(self, base: Tensor, data: Tensor) -> Tensor:
        """The skip path's squared error, `(batch, *error_shape)`."""
        return (base - data).square().flatten(1).mean(1)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The denoised states, `(batch, *shape)`, for times `(batch,)`."""
        base, out, given, noise = self.parts(x, t, label)
        denoised = base + per_item(out, x) * self.answer(given, noise, label)
        return denoised if self.training else self.bounded(denoised)

    def bounded(self, denoised: Tensor) -> Tensor:
        """Answers held within the data's least and greatest value, where a sketch knows them."""
        return denoised if self.sketch is None else self.sketch.bounded(denoised)

    def at(self, t: float) -> Slice:
        """The field at one time: where W does not vary the coefficients are plain numbers."""
        if self.process.noise.mixed or self.sketch is not None:
            return lambda x, label: self(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), label)
        time = torch.tensor(t, dtype=torch.float64)
        A, B = self.process.A(time), self.process.B(time)
        variance = A**2 * self.std**2 + B**2
        scale, noise = float(variance.rsqrt()), float(_level(A, B**2))
        skip, out = float(A * self.std**2 / variance), float(self.std * B * variance.rsqrt())

        def denoise(x: Tensor, label: Tensor | None) -> Tensor:
            level = torch.full((len(x),), noise, dtype=x.dtype, device=x.device)
            return (x * skip).add_(self.answer(x * scale, level, label), alpha=out)

        return denoise

    def error(self, data: Tensor, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean squared error of F against its target, `(batch,)`: that of D with weight 1/c_out².

        Args:
            data: y, `(batch, *shape)`.
            x: its perturbation at times `t`, `(batch,)`.
            t: times.
            label: class numbers `(batch,)`, or None.
        """
        base, out, given, noise = self.parts(x, t, label)
        target = (self.process.target(data, x, t) - base) / per_item(out, x)
        miss = self.answer(given, noise, label).float() - target
        if self.sketch is not None:
            miss = self.sketch.felt(miss, data)
        return miss.square().flatten(1).mean(1)

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The mean error over noise levels drawn where it matters; by 1/c_out² each counts alike."""
        t = sent(self.process.training_times(len(data), *self.levels, generator), data.device)
        return self.error(data, self.process.perturb(data, t, generator), t, label).mean()

    def answer(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        """F, in the dtype of `x`."""
        out: Tensor = self.network(x, noise, label)
        return out if out.dtype == x.dtype else out.to(x.dtype)

    def parts(
        self, x: Tensor, t: Tensor, label: Tensor | None = None, base: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The skip path's answer, c_out `(batch,)`, what the network is given, c_noise `(batch,)`.

        Args:
            x: states.
            t: times.
            label: class numbers, or None.
            base: what a sketch's network is shown in place of the sketch's own answer.
        """
        if self.sketch is None or self.left is None:
            skip, out, scale, noise = self._coefficients(x, t)
            return per_item(skip, x) * x, out, per_item(scale, x) * x, noise
        with torch.autocast(x.device.type, enabled=False):
            A, B = self.process.A(t).to(x.dtype), self.process.B(t).to(x.dtype)
            variance = self.sketch.noise_variance(x, A, B, self._nodes, self._log_weights)
            base = self.sketch(x, A, variance, label) if base is None else base
            scale = (A.square() * self.std**2 + variance).rsqrt()
            given = torch.cat([per_item(scale, x) * x, base / self.std], 1)
            level = _level(A, variance)
            out = self.left(self.place(level))
        return base, out, given, level

    def place(self, level: Tensor) -> Tensor:
        """Where a noise level lies between those of the clock's ends, held within [0, 1]."""
        low, high = self._ends()
        place: Tensor = (level - low) / (high - low)
        return place.clamp(0, 1)

    def _ends(self) -> list[float]:
        """c_noise at the clock's ends."""
        ends = torch.tensor([self.process.t_min, self.process.t_max])
        levels: list[float] = _level(self.process.A(ends), self.process.B(ends).square()).tolist()
        return levels

    def _coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(c_skip, c_out, c_in, c_noise), each `(batch,)`."""
        A, B = self.process.A(t)[:, None], self.process.B(t)[:, None]
        energy = x.flatten(1).square().mean(1, keepdim=True).to(t.dtype)
        v, W = torch.cartesian_prod(self.widths, self._nodes).to(t.dtype).T
        log_weights = (self.log_shares[:, None] + self._log_weights).flatten().to(t.dtype)
        signal, noise = A**2 * v, B**2 * W
        variance = signal + noise
        logits = log_weights - 0.5 * EVIDENCE * (variance.log() + energy / variance)
        share = torch.softmax(logits, 1)
        best = A * v / variance
        skip = (share * best).sum(1, keepdim=True)
        left = v * noise / variance + (best - skip).square() * energy
        out = (share * left).sum(1).sqrt()
        scale = (share * variance.rsqrt()).sum(1)
        return skip[:, 0], out, scale, (share * _level(A, noise)).sum(1).to(x.dtype)


def _level(A: Tensor, squared: Tensor) -> Tensor:
    """c_noise = ¼ ln(B/A) from A and B²."""
    return 0.125 * torch.log(squared / A.clamp_min(_SMALLEST_SIGNAL) ** 2)
