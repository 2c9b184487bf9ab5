"""The exact field of a finite data set: D(x, t) = Σ_i softmax_i(log p_t(x | y_i) + log w_i) y_i.

It needs no training, and it only ever gives the data back: sampled to the end it lands on them with the
right shares. Where noise is high all points count, and the field is attention over them (`exact_dense.py`).
Where it is low few do, and a cheap pass with a certain bound finds which (`exact_near.py`). Neither's memory
grows with the data.

For every batch the cheapest way that serves is chosen by trying it on a few of the states: what is left out
is bounded whichever it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.exact_bytes import served
from unstir.fields.exact_dense import dense
from unstir.fields.exact_near import Candidates, decide
from unstir.fields.exact_order import alike
from unstir.fields.exact_points import Points, Question
from unstir.fields.exact_rounded import Rounded
from unstir.fields.exact_shadow import Frame, Shadow
from unstir.fields.field import Slice
from unstir.physics import LinearProcess
from unstir.physics.linear import expanded

Precision = Literal["float32", "bfloat16"]

_FEW = 2048  # points of which all are always taken
_PROBES = 8  # states on which a pass is tried
_STRIDE = 16  # and the share of the points on which it is
_MOST = 0.02  # of all points: more candidates than this cost more than to take all
_LEAST = 64
_MANY = 8192  # points from which on they are put in order, where whole numbers are faster


class ExactField:
    """The denoiser of the empirical law of `data`.

    Args:
        process: any linear process.
        data: points `(points, *shape)` of any floating dtype.
        weights: their shares `(points,)`, normalised here; equal by default.
        labels: their classes, int64 `(points,)` from 0. Asked with a label the field is that of this class
            alone, and without one that of all the data; where there are none a label makes no difference.
        precision: `float32`, or `bfloat16` to take all points in half the time where noise is high, with an
            error of about 1e-3 of the data's size. What lands on the data at low noise is the same. Where
            whole numbers are faster, `float32` is off by up to 3e-4 for data that are no pictures.
        prune: whether points that do not count may be left out: they weigh 1e-5 together at most.

    Raises:
        InputError: no data, values that are not finite, weights or labels of another length or sign.
    """

    def __init__(
        self,
        process: LinearProcess,
        data: Tensor,
        weights: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        precision: Precision = "float32",
        prune: bool = True,
    ) -> None:
        if data.ndim < 2 or len(data) == 0 or not data.is_floating_point():
            raise InputError(
                f"data: has shape {tuple(data.shape)} and dtype {data.dtype}; give floats (points, *shape)"
            )
        if not bool(data.isfinite().all()):
            raise InputError(f"data: {int((~data.isfinite()).sum())} values are NaN or infinite; remove them")
        if precision not in ("float32", "bfloat16"):
            raise InputError(f"precision={precision}: give float32 or bfloat16")
        if weights is None:
            weights = torch.ones(len(data), device=data.device)
        if (
            weights.shape != (len(data),)
            or not bool((weights >= 0).all())
            or not 0 < float(weights.sum()) < math.inf
        ):
            raise InputError(f"weights: give one non-negative share for each of the {len(data)} points")
        self.process = process
        self.shape = data.shape[1:]
        self._how = {"low": precision == "bfloat16", "prune": prune}
        # A block of nothing but points of no weight would leave 0/0.
        if not bool((weights > 0).all()):
            kept = weights > 0
            data, weights = data[kept], weights[kept]
            labels = labels[kept] if labels is not None and len(labels) == len(kept) else labels
        parts: list[slice] = []
        if labels is not None:
            if labels.shape != (len(data),) or labels.dtype != torch.int64 or bool((labels < 0).any()):
                raise InputError(
                    f"labels: give an int64 class number from 0 for each of the {len(data)} points"
                )
            counts = torch.bincount(labels).tolist()
            ends = itertools.accumulate(counts)
            parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        basis, shape = process.basis, self.shape
        values = basis.coordinates(data).flatten(1)
        if values.dtype not in (torch.float32, torch.float64):
            values = values.float()
        orderly = len(values) >= _MANY and values.dtype == torch.float32 and served(values.device)
        order = alike(values) if orderly else torch.arange(len(values), device=values.device)
        if labels is not None:
            order = order[labels[order].argsort(stable=True)]
        if orderly or labels is not None:
            values, weights = values[order], weights[order]
        log_weights = (weights.double() / weights.double().sum()).log()
        turns = (
            lambda u: basis.state(u.reshape(-1, *shape)).flatten(1),
            lambda y: basis.coordinates(y.reshape(-1, *shape)).flatten(1),
        )
        points = Points(values.contiguous(), log_weights, turns)
        self._all = _Known(points, lambda: self._frame)
        self._classes = [_Known(self._all.points.some(part), lambda: self._frame) for part in parts]

    @classmethod
    def of_classes(
        cls,
        process: LinearProcess,
        data: Tensor,
        labels: Tensor | None,
        *,
        precision: Precision = "float32",
    ) -> ExactField:
        """The field of points of equal shares in classes."""
        return cls(process, data, labels=labels, precision=precision)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, *shape)`, for times `(batch,)` and class numbers `(batch,)` or None."""
        self._check(x)
        if len(t) and bool((t == t[0]).all()):
            t = t[:1]
        return self._answer(x, t.double(), label)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor([t], dtype=torch.float64, device=self._all.points.values.device)
        return lambda x, label: self._answer(x, time, label)

    @cached_property
    def _frame(self) -> Frame:
        """Principal directions of the data, in the coordinates of the basis."""
        return Frame.of(self._all.points.values)

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != self.shape:
            raise InputError(
                f"x: items have shape {tuple(x.shape[1:])}, the field's data {tuple(self.shape)}"
            )

    def _answer(self, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        """Each state by the points of its class."""
        basis, process = self.process.basis, self.process
        u = basis.coordinates(x).flatten(1)
        A = expanded(process.signal(t, self.shape), self.shape)
        question = Question(u, A, process.B(t)[:, None], process.noise)
        if label is None or not self._classes:
            return basis.state(self._all.answer(question, **self._how).reshape(x.shape))
        mean = torch.empty_like(u)
        for number in sorted(set(label.tolist())):
            if not 0 <= number < len(self._classes) or not len(self._classes[number].points):
                raise InputError(f"label={number}: no point of the field's data is of this class")
            rows = torch.nonzero(label == number)[:, 0]
            mean[rows] = self._classes[number].answer(question.of(rows), **self._how)
        return basis.state(mean.reshape(x.shape))


class _Known:
    """Points with what the cheap passes know of them, made when it is first needed."""

    def __init__(self, points: Points, frame: Callable[[], Frame]) -> None:
        self.points, self._frame = points, frame

    @cached_property
    def _some(self) -> Points:
        return self.points.some(slice(None, None, _STRIDE))

    @cached_property
    def _shadow(self) -> Shadow:
        return Shadow.of(self.points, self._frame())

    @cached_property
    def _cheapest(self) -> tuple[Shadow | Rounded, Shadow | Rounded]:
        """The pass for low noise, and what of it is tried."""
        if self.points.bytes is None and self.points.digits is None:
            return self._shadow, self._shadow
        return Rounded(self.points, digits=1), Rounded(self._some, digits=1)

    def answer(self, question: Question, *, low: bool, prune: bool) -> Tensor:
        """D in coordinates, `(batch, N)`."""
        points, u = self.points, question.u
        plain = u.requires_grad or u.dtype == torch.float64 or len(question.f) > 1
        if not prune or plain or len(points) <= _FEW:
            return dense(question, points, low=low)
        mean, left = torch.empty_like(u), torch.arange(len(u), device=u.device)
        for chosen in (self._of_all, self._of_likely):
            rows, candidates = chosen(question.of(left))
            found = candidates.counts > 0
            if not bool(found.any()):
                continue
            mean[left[rows[found]]] = decide(question.of(left[rows]), points, candidates)[found]
            kept = torch.ones(len(left), dtype=torch.bool, device=u.device)
            kept[rows[found]] = False
            left = left[kept]
            if not len(left):
                return mean
        mean[left] = dense(question.of(left), points, low=low)
        return mean

    def _of_all(self, question: Question) -> tuple[Tensor, Candidates]:
        """Candidates of all states by the cheapest pass, where they are few for many of a few states."""
        seen, some = self._cheapest
        rows = torch.arange(len(question), device=question.u.device)
        if not some.promising(_probes(question), _most(some.points)):
            return rows[:0], Candidates.none(0, rows.device)
        return rows, seen.candidates(question, _most(self.points))

    def _of_likely(self, question: Question) -> tuple[Tensor, Candidates]:
        """Candidates of those states that have few among a few of the points."""
        most, rows = _most(self._some), torch.arange(len(question), device=question.u.device)
        for asked in (_probes(question), question):
            rows = torch.nonzero(Rounded(self._some).candidates(asked, most).counts)[:, 0]
            if not len(rows):
                return rows, Candidates.none(0, rows.device)
        return rows, Rounded(self.points).candidates(question.of(rows), _most(self.points))


def _most(points: Points) -> float:
    return max(_LEAST, _MOST * len(points))


def _probes(question: Question) -> Question:
    """A few of the states."""
    return question.of(
        torch.arange(0, len(question), max(1, len(question) // _PROBES), device=question.u.device)
    )
