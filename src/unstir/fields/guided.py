"""Guidance: a field that goes beyond what one knows, as seen from a field that knows less.

    D_w(x, t | c) = D_weak(x, t) + w (D_strong(x, t | c) − D_weak(x, t))

Classifier-free guidance (Ho & Salimans 2022, equation 6, whose weight is w − 1) takes for the weak field the
same network, told no class: with D = x + σ² ∇log p it walks by the score of p(x) p(c | x)^w at each noise
level. Autoguidance (Karras 2024) takes a smaller or shorter-trained network, told the same class: where both
err alike the difference shows the way out. w = 1 is the strong field itself, w = 0 the weak one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Field, Slice
from unstir.fields.learned import check_denoises

Blend = Callable[[Tensor, Tensor, float | Tensor], Tensor]
_LARGEST = 1000.0


class GuidedField:
    """A field guided by another, or by its own answer without a class.

    Args:
        strong: the field that is guided.
        weight: w.
        weak: the field that knows less; by default `strong` told no class, in one pass over a doubled batch.
        inside: whether to guide at times `(batch,)`, as booleans; outside the answer is `strong`'s
            (Kynkäänniemi 2024). By default guidance is everywhere.

    Attributes:
        shape: of one item, where `strong` knows it.

    Raises:
        InputError: a weight out of range, neither classes nor a weak field, or one of the two distilled.
    """

    def __init__(
        self,
        strong: Field,
        weight: float,
        weak: Field | None = None,
        inside: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.classes: int = getattr(strong, "classes", 0)
        check_denoises(strong, f"guidance={weight:g}")
        check_denoises(weak, "guide")
        if not 0 <= weight <= _LARGEST:
            raise InputError(f"guidance={weight:g}: give a weight from 0 to {_LARGEST:g}; 1 changes nothing")
        if weak is None and not self.classes:
            raise InputError(
                f"guidance={weight:g}: this field knows no classes; give a weaker field to guide it by"
            )
        self.strong = strong
        self.weak = weak
        self.weight = weight
        self.inside = inside
        self.shape: tuple[int, ...] | None = getattr(strong, "shape", None)
        self._blend: Blend = getattr(strong, "blend", _straight)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The guided prediction, for times `(batch,)`."""
        weight: float | Tensor = self.weight
        if self.weak is not None:
            weak, strong = self.weak(x, t, label), self.strong(x, t, label)
        elif label is None:
            return self.strong(x, t, None)
        else:
            both = self.strong(torch.cat([x, x]), torch.cat([t, t]), self._doubled(label))
            strong, weak = both.chunk(2)
        if self.inside is not None:
            chosen = torch.where(self.inside(t), self.weight, 1.0).to(strong)
            weight = chosen.reshape(-1, *(1,) * (strong.ndim - 1))
        return self._blend(weak, strong, weight)

    def at(self, t: float) -> Slice:
        """The field at one time: where there is no guidance it costs what `strong` costs."""
        strong = self.strong.at(t)
        here = self.inside is None or bool(self.inside(torch.tensor([t], dtype=torch.float64)))
        if self.weight == 1 or not here:
            return strong
        if self.weak is not None:
            weak = self.weak.at(t)
            return lambda x, label: self._blend(weak(x, label), strong(x, label), self.weight)

        def guide(x: Tensor, label: Tensor | None) -> Tensor:
            if label is None:
                return strong(x, None)
            found, plain = strong(torch.cat([x, x]), self._doubled(label)).chunk(2)
            return self._blend(plain, found, self.weight)

        return guide

    def _doubled(self, label: Tensor) -> Tensor:
        return torch.cat([label, torch.full_like(label, self.classes)])


def noise_interval(level: Callable[[Tensor], Tensor], low: float, high: float) -> Callable[[Tensor], Tensor]:
    """Whether times lie where the noise level does, above `low` and up to `high`.

    Args:
        level: of times of any shape: B/A, say.
        low: 0 or more.
        high: above `low`; may be infinite.

    Raises:
        InputError: a low end below 0, or a high one that is not above it.
    """
    if not (0 <= low < high and low < math.inf):
        raise InputError(
            f"guidance_interval={low:g},{high:g}: give two noise levels, the lower first, such as 0.2,3"
        )

    def inside(t: Tensor) -> Tensor:
        found = level(t)
        return (found > low) & (found <= high)

    return inside


def _straight(weak: Tensor, strong: Tensor, weight: float | Tensor) -> Tensor:
    return weak + weight * (strong - weak)
