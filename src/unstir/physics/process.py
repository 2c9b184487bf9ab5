"""A process: what happens forward in time, from data to equilibrium.

Time t grows from data (`t_min`) to prior (`t_max`), on each process's own clock. Everything random takes a
`torch.Generator`; nothing here learns, reads files or prints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.data.coder import Coder


class Process(ABC):
    """The one interface of the folder. Concrete processes are frozen dataclasses.

    A process whose state is more than the data (a velocity beside the position, say) says so by `state_shape`
    and `observed`; one that learns numbers from the data before any training, by `prepared`, `kept` and
    `restored`; one whose data are no real numbers, by `coder`.

    Attributes:
        prior_holds_data: whether the prior is made of training items, and so of all their classes together.
    """

    prior_holds_data: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """The name with parameters, such as `poisson:D=128`, that `physics.parse` reads back."""

    @property
    @abstractmethod
    def t_min(self) -> float:
        """The time of the data."""

    @property
    @abstractmethod
    def t_max(self) -> float:
        """The time of the prior."""

    @abstractmethod
    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t given x_0 = `data`, `(batch, *shape)`, at times `t`, `(batch,)`."""

    @abstractmethod
    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw `n` states at `t_max` for data of the given `shape`."""

    def coder(self, data: Dataset) -> Coder:
        """The map between the data's units and the model's: by default mean 0, standard deviation ½."""
        from unstir.data.coder import usual_coder

        return usual_coder(data)

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> Process:
        """This process with what it must know of the training items, `(n, *shape)` in model units.

        Args:
            items: the training data.
            partner: a second data set, for those that carry one to another.

        Raises:
            InputError: a second data set for a process that has no use for it.
        """
        if partner is not None:
            raise InputError(f"partner: process {self.name} takes one data set; use capacitor for two")
        return self

    def kept(self) -> dict[str, Tensor]:
        """What `prepared` learned, as a run keeps it beside the name."""
        return {}

    def restored(self, kept: Mapping[str, Tensor]) -> Process:
        """This process with what a run has kept.

        Raises:
            InputError: tensors of other names or shapes than `kept` gives.
        """
        if kept:
            raise InputError(f"process {self.name}: keeps nothing, but the run holds {', '.join(kept)}")
        return self

    def state_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of a state, for data of `shape`."""
        return tuple(shape)

    def observed(self, state: Tensor) -> Tensor:
        """The part of states that is data, `(batch, *shape)`."""
        return state

    def begin(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """States at `t_max` that belong to given items, where a process can start from them.

        Raises:
            InputError: this process starts from its prior alone.
        """
        raise InputError(f"start: process {self.name} starts from its own prior; give nothing to start from")


class FlowProcess(Process):
    """A process in continuous space whose law is carried by a deterministic flow."""

    @abstractmethod
    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log p_t(x given data) in nats, for every pair.

        Args:
            x: states `(batch, *shape)`.
            data: points `(points, *shape)`.
            t: times `(batch,)`.

        Returns:
            float64 `(batch, points)`, normalised densities.
        """

    @abstractmethod
    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The quantity whose posterior mean the field learns, `(batch, *shape)`."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt of the deterministic flow, from that posterior mean."""

    def times(self, n: int) -> Tensor:
        """`n` times from `t_max` down to `t_min`, float64, where steps are needed: evenly by default."""
        return torch.linspace(self.t_max, self.t_min, n, dtype=torch.float64)


def check_kept(name: str, kept: Mapping[str, Tensor], wanted: str, *, fits: bool) -> None:
    """Raise where what a run has kept does not fit: it should be `wanted`."""
    if not fits:
        raise InputError(
            f"process {name}: the run holds {', '.join(sorted(kept)) or 'nothing'} of it, "
            f"not {wanted}; train it again"
        )


def stratified(n: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """Uniform draws in [0, 1), `(n,)` on the CPU, one in each n-th: item i has its own share of a law."""
    draws = torch.rand(n, generator=generator, device=generator.device, dtype=dtype).cpu()
    return (torch.arange(n) + draws) / n


def check_state(name: str, x: Tensor, t: Tensor) -> None:
    """Raise where `x` is no floating batch or `t` is not one time for each of it."""
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(
            f"{name}: has dtype {x.dtype} and shape {tuple(x.shape)}; give floats of shape (batch, *shape)"
        )
    if t.shape != (len(x),):
        raise ValueError(
            f"t: has shape {tuple(t.shape)} for a batch of {len(x)}; give one time each: ({len(x)},)"
        )


def per_item(values: Tensor, like: Tensor) -> Tensor:
    """Shape one value an item, `(batch,)`, so that it broadcasts over `like`, `(batch, *shape)`."""
    return values.to(like.dtype).reshape(-1, *(1,) * (like.ndim - 1))
