"""The field of patches: each pixel sees a window that widens with the noise, and takes the exact posterior
mean of that window among the windows of the data.

    x_t = A_t y + B_t √W n      D(x, t)_i = E[y_i | the window of x_t around i]

Where the exact field can only give its data back, this one puts their parts together in ways that no item
has: new images with no training at all (Kamb & Ganguli 2024, An analytic theory of creativity in
convolutional diffusion models). A window that covers the image makes it the exact field.

Windows are compared in pixels, whatever the basis: in a cosine basis with the data as the heat has blurred
them by then. Under a law of noise that mixes variances, W is one number for the whole image, so that a
window does not tell it alone: the whole state does (`loudness.py`), and given W the noise is Gaussian.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.exact import ExactField
from unstir.fields.field import Slice
from unstir.fields.loudness import Loudness
from unstir.fields.patches import Scale, posterior_mean
from unstir.fields.windows import Windows, calibrated, ladder
from unstir.physics import LinearProcess

_HELD = 30  # items by which windows are chosen
_POINTS = 6000  # others with which, or of each class a third of that
_LEVELS = 12
_RHO = 50.0  # levels nearly even in log(B/A)
_LARGEST_RATIO = 1e3  # B/A beyond which nothing is left to see
_SEED = 0


class LocalField:
    """The denoiser of images from windows of the data.

    Args:
        process: any linear process.
        data: images `(points, channels, height, width)` in model units.
        labels: their classes, int64 `(points,)` from 0. Asked with a label it compares
            with windows of this class alone.
        calibration: images like the data but not of them, by which the windows are chosen; by default some of
            the data, which the rest then denoise.
        windows: as chosen before, in place of a calibration.
        narrowest: radius of the smallest windows; 2 pixels by default, 1 in images below 24. Without one
            a pixel is in the end told by itself: the least error at low noise, but grainy samples.
        shift: how many pixels training images are moved by, each way.

    Raises:
        InputError: items that are not images, too few of them, values that are not finite, bad labels.
    """

    def __init__(
        self,
        process: LinearProcess,
        data: Tensor,
        labels: Tensor | None = None,
        *,
        calibration: Tensor | None = None,
        windows: Windows | None = None,
        narrowest: int | None = None,
        shift: int = 0,
    ) -> None:
        if data.ndim != 4:
            raise InputError(
                f"data: items have shape {tuple(data.shape[1:])}; a local field needs images "
                "(channels, height, width)"
            )
        self.exact = ExactField(process, data, labels=labels)  # checks the rest
        self.process = process
        self.shape = tuple(data.shape[1:])
        self._ranges = [slice(0, len(data))]
        if labels is not None:
            order = torch.argsort(labels, stable=True)
            data, labels, counts = data[order], labels[order], torch.bincount(labels).tolist()
            ends = list(itertools.accumulate(counts))
            self._ranges += [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self._values = _pixel_major(data)
        self._loudness = Loudness(process, data)
        if narrowest is None:
            narrowest = 1 if max(self.shape[1:]) < 24 else 2
        scales = ladder(self.shape[1], self.shape[2], narrowest, shift)
        self.windows = windows or self._calibrated(data, labels, calibration, scales)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | windows of x], `(batch, *shape)`, for times `(batch,)`."""
        out = torch.empty_like(x)
        for time in sorted(set(t.tolist())):
            at = t == time
            out[at] = self._at(x[at], time, None if label is None else label[at])
        return out

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self._at(x, t, label)

    def _at(self, x: Tensor, t: float, label: Tensor | None) -> Tensor:
        if x.shape[1:] != self.shape:
            raise InputError(f"x: items have shape {tuple(x.shape[1:])}, the field's data {self.shape}")
        time = torch.tensor(t, dtype=torch.float64)
        log_mixing = self._loudness.log_mixing(x, time)
        index = self.windows.index(self.process.level(time, log_mixing).expand(len(x)))
        out = torch.empty_like(x)
        numbers = torch.full((len(x),), -1) if label is None or len(self._ranges) == 1 else label.cpu()
        seen: Tensor | None = None
        for which in sorted(set(index.tolist())):
            whole = self.windows.scales[which] is None
            for number in sorted(set(numbers[index == which].tolist())):
                at = ((index == which) & (numbers == number)).nonzero()[:, 0].to(x.device)
                if whole:
                    out[at] = self.exact.at(t)(x[at], None if label is None else label[at])
                    continue
                seen = self._seen(time) if seen is None else seen
                out[at] = self._patched(x[at], time, log_mixing[at], which, seen, number)
        return out

    def _patched(
        self, x: Tensor, time: Tensor, log_mixing: Tensor, which: int, seen: Tensor, number: int
    ) -> Tensor:
        scale = self.windows.scales[which]
        if scale is None:
            raise TypeError("scale: the whole image is the exact field's")
        if (
            not -1 <= number < len(self._ranges) - 1
            or self._ranges[number + 1].start == self._ranges[number + 1].stop
        ):
            raise InputError(f"label={number}: no point of the field's data is of this class")
        A, B = float(self.process.A(time)), float(self.process.B(time))
        among = self._ranges[number + 1]
        precision = (A / B) ** 2 * torch.exp(-log_mixing)
        return posterior_mean(x / A, seen[..., among], self._values[..., among], precision, scale)

    def _seen(self, time: Tensor) -> Tensor:
        """The data as states show them, over A of the uniform mode, `(channels, height, width, points)`."""
        if self.process.damping is None:
            return self._values
        return _pixel_major(self._blurred(self._values.permute(3, 0, 1, 2), time))

    def _blurred(self, images: Tensor, time: Tensor) -> Tensor:
        """What is left of images without noise, over A of the uniform mode."""
        if self.process.damping is None:
            return images
        factor = self.process.signal(time, self.shape) / self.process.A(time)
        return self.process.basis.state(factor.to(images) * self.process.basis.coordinates(images))

    def _calibrated(
        self,
        data: Tensor,
        labels: Tensor | None,
        calibration: Tensor | None,
        scales: tuple[Scale | None, ...],
    ) -> Windows:
        """Windows by the squared error at W = 1, of items that are held out."""
        times = self.process.times(_LEVELS, rho=_RHO).flip(0)
        times = times[self.process.B(times) < _LARGEST_RATIO * self.process.A(times)]
        levels = self.process.level(times, torch.zeros_like(times)).tolist()
        generator = torch.Generator().manual_seed(_SEED)
        order = torch.randperm(len(data), generator=generator).to(data.device)
        if calibration is None:
            count = min(_HELD, len(data) // 4)
            held, rest = data[order[:count]], order[count:]
        else:
            held, rest = calibration[:_HELD].to(data), order
        if len(held) == 0:
            return Windows(scales, (0.0,), (len(scales) - 1.0,))
        parts = _parts(labels, None if calibration is not None else order[:count], rest)
        noise = torch.randn(held.shape, generator=generator, dtype=data.dtype).to(data.device)
        whole = Scale(0, max(self.shape[1:]))

        def error(level: int, scale: int) -> float:
            time, total = times[level], 0.0
            A, B = float(self.process.A(time)), float(self.process.B(time))
            x = self._blurred(held, time) + B / A * noise
            for mine, others in parts:
                values = _pixel_major(data[others])
                seen = (
                    values
                    if self.process.damping is None
                    else _pixel_major(self._blurred(data[others], time))
                )
                precision = torch.full((len(x[mine]),), (A / B) ** 2, dtype=torch.float64)
                denoised = posterior_mean(x[mine], seen, values, precision, scales[scale] or whole)
                total += float((denoised - held[mine]).square().sum())
            return total

        return calibrated(scales, levels, error)


def _pixel_major(images: Tensor) -> Tensor:
    return images.permute(1, 2, 3, 0).contiguous()


def _parts(labels: Tensor | None, held: Tensor | None, rest: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Which held-out items are denoised by which others: each class by itself, where classes are known."""
    if labels is None or held is None:
        return [(torch.arange(len(held) if held is not None else _HELD), rest[:_POINTS])]
    parts = []
    for number in sorted(set(labels[held].tolist())):
        mine = (labels[held] == number).nonzero()[:, 0]
        others = rest[labels[rest] == number][: _POINTS // 3]
        if len(others):
            parts.append((mine, others))
    return parts
