"""A field conditioned on an observation: E[y | x, o] in place of E[y | x], for any solver as it is.

By Bayes' rule ∇ log p(x | o) = ∇ log p(x) + ∇ log p(o | x), so the flow of the posterior is that of the prior
with its denoiser moved; `methods.py` says how far.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.conditions.cloud import cloud_of
from unstir.conditions.measurement import Measurement
from unstir.conditions.methods import Method, Moments
from unstir.conditions.view import View
from unstir.conditions.wiener import wiener
from unstir.errors import InputError
from unstir.fields import Field, FieldFunction, Slice, as_field
from unstir.flow import Streams
from unstir.physics import LinearProcess


class ConditionedField:
    """A field told what was measured of its items.

    Args:
        field: of any linear process.
        process: that process.
        measurement: what is seen of an item in model units.
        observed: o of each item of the batches to come, `(batch, *observed)`, or `(1, *observed)` for all.
        method: how; moments by default.
        lost: below which A s/B a mode's slope counts for nothing; for a trained network 0.03 serves.

    Attributes:
        shape: of one item, where `field` knows it.

    Raises:
        InputError: a measurement that is not linear, for a method that asks for it, or σ not above 0.
    """

    def __init__(
        self,
        field: Field | FieldFunction,
        process: LinearProcess,
        measurement: Measurement,
        observed: Tensor,
        method: Method | None = None,
        lost: float = 1e-5,
    ) -> None:
        method = method or Moments()
        if method.needs_linear and not measurement.linear:
            raise InputError(
                f"method: {type(method).__name__} takes linear measurements only, and this is none; give dps"
            )
        if not 0 < measurement.sigma < float("inf"):
            raise InputError(
                f"sigma={measurement.sigma:g}: give a positive noise, if only a small one such as 0.01"
            )
        self.field, self.process, self.measurement = as_field(field), process, measurement
        self.observed, self.method, self.lost = observed, method, lost
        self.shape: tuple[int, ...] | None = getattr(field, "shape", None)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x, o], for times `(batch,)`."""
        rows = []
        for i, time in enumerate(t.tolist()):
            own = None if label is None else label[i : i + 1]
            rows.append(self._mean(x[i : i + 1], time, own, self._observed(x)[i : i + 1]))
        return torch.cat(rows)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self._mean(x, t, label, self._observed(x))

    def view(self, x: Tensor, t: float, label: Tensor | None = None, *, laws: bool = False) -> View:
        """What the field and the observation say at one time.

        Args:
            x: states.
            t: the time.
            label: class numbers, or None.
            laws: whether, where W varies, Wiener's filter is to tell it from y (`view.py`).
        """
        return self._view(x, t, label, self._observed(x), laws=laws)

    def start(self, streams: Streams, shape: Sequence[int] | None = None) -> Tensor | None:
        """Items to begin a walk from, one a stream, where the process's prior is made of data; else None.

        Such a prior knows nothing of o. These are drawn from the posterior as if the data were normal. Not
        for particles, which weigh the prior by what o says.

        Args:
            streams: random numbers, one stream a sample.
            shape: of one item; the field's own by default.
        """
        shape = self.shape if shape is None else shape
        if not self.process.prior_holds_data or not self.measurement.linear:
            return None
        if shape is None:
            raise InputError("shape: this field does not know its own; give the shape of one item")
        observed = self.observed.expand(len(streams), *self.observed.shape[1:])
        cloud = cloud_of(self.process, shape)
        return wiener(self.measurement, observed, self.process.basis, cloud, shape, streams)

    def _mean(self, x: Tensor, t: float, label: Tensor | None, observed: Tensor) -> Tensor:
        return self.method.mean(self._view(x, t, label, observed, laws=self.method.takes_laws))

    def _view(self, x: Tensor, t: float, label: Tensor | None, observed: Tensor, *, laws: bool) -> View:
        time, field = torch.tensor([t], dtype=torch.float64), self.field.at(t)
        return View(field, self.process, x, time, label, self.measurement, observed, self.lost, laws=laws)

    def _observed(self, x: Tensor) -> Tensor:
        if len(self.observed) not in (1, len(x)):
            raise InputError(f"observed: holds {len(self.observed)} for a batch of {len(x)}; give one each")
        return self.observed.to(x).expand(len(x), *self.observed.shape[1:])
