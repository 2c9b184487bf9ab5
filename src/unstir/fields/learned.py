"""A learned field: a network, and around it what a family of processes needs to train it and to use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from unstir.data.wording import reason
from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.fields.sketch import Most
from unstir.physics import Process

P = TypeVar("P", bound=Process)


class LearnedField(nn.Module, ABC, Generic[P]):
    """A network that answers as a field, and its own loss.

    Args:
        network: `network(x, noise, label)`, with `noise` and `label` of shape (batch,).
        process: the process it is for.
        shape: of one item of the data, so that sampling need not be told.

    Attributes:
        levels: mean and deviation of ln(noise/signal) to train at, for processes that have such levels.
        classes: how many classes the network tells apart. Labels lie below it; `classes` itself, or None for
            a whole batch, stands for none: all classes together.
        progress: the share of its training that is done, as its trainer says.
        sketches: the kinds of sketch that can be its skip path by what they call `floors`, and how large.
        denoises: whether it answers with what solvers and likelihoods take: a posterior mean.
    """

    sketches: ClassVar[Mapping[str, Most]] = {}
    denoises: ClassVar[bool] = True
    process: P
    levels: tuple[float, float] = (-1.2, 1.2)
    classes: int = 0
    progress: float = 0.0

    def __init__(self, network: nn.Module, process: P, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.network = network
        self.process = process
        self.shape = None if shape is None else tuple(shape)

    @classmethod
    def sizes(cls, process: P, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of what the network is given and of what it answers, for data of `shape`."""
        return tuple(shape), tuple(shape)

    @classmethod
    def takes_augment(cls, process: P, *, told: bool) -> bool:
        """Whether items may be transformed at random, each of them being learned by itself.

        Args:
            process: of the field.
            told: whether the network is told how, so that it answers for each transformation apart.
        """
        return True

    def prepare(self, items: Tensor, labels: Tensor | None = None) -> None:
        """Work out before training what gradients do not: by default nothing.

        Args:
            items: the training items in model units, `(n, *shape)`.
            labels: class numbers `(n,)`, or None.
        """
        return

    @classmethod
    def usual_network(cls, kind: str) -> str:
        """The name of the network that suits data of a kind: a U-Net for images and signals, else an MLP."""
        return {"image": "patch-unet", "signal": "unet1d"}.get(kind, "mlp")

    @abstractmethod
    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The prediction for states at times `(batch,)`."""

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float32, device=x.device), label)

    @abstractmethod
    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The batch's mean loss, a scalar; random numbers are drawn on the generator's device."""

    def items(self, batch: int) -> int:
        """How many items of the data a step of `batch` needs."""
        return batch

    def blend(self, weak: Tensor, strong: Tensor, weight: float | Tensor) -> Tensor:
        """A prediction that goes from `weak` to `strong` and, for a weight above 1, as much further.

        Args:
            weak: a prediction, `(batch, …)`.
            strong: another for the same states.
            weight: w of weak + w (strong − weak), one number or one an item in the shape of a prediction.
        """
        return weak + weight * (strong - weak)

    def check(self) -> None:
        """Refuse a network that answers in another shape than it should.

        Raises:
            InputError: it does.
        """
        if self.shape is None:
            return
        given, wanted = self.sizes(self.process, self.shape)
        device = next(self.parameters()).device
        self.eval()  # nothing that a network keeps of its batches may change
        x, noise = torch.zeros(2, *given, device=device), torch.zeros(2, device=device)
        with torch.no_grad():
            answer = self.network(x, noise, None)
            if self.classes:
                self._check_label(x, noise)
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        if shape != (2, *wanted):
            raise InputError(
                f"network: gives {shape} for items {(2, *given)}; "
                f"give {'the same shape' if given == wanted else (2, *wanted)}"
            )

    def _check_label(self, x: Tensor, noise: Tensor) -> None:
        try:
            self.network(x, noise, torch.tensor([0, self.classes], device=x.device))
        except (IndexError, RuntimeError) as error:
            raise InputError(
                f"network: fails for labels [0, {self.classes}] ({reason(error)}); take 0 to "
                f"{self.classes - 1}, and {self.classes} for no label, or train with labels=False"
            ) from None


def check_denoises(field: object, what: str) -> None:
    """Refuse a field that tells the end of its flow in place of a posterior mean.

    Raises:
        InputError: it does, and `what` needs the mean.
    """
    if not getattr(field, "denoises", True):
        raise InputError(f"{what}: is not for a distilled run; give the run that it was distilled from")


def by_class(
    label: Tensor | None, places: int, classes: int
) -> Iterator[tuple[Tensor | slice, Tensor | slice]]:
    """For objectives that make a field of the batch: places of one class, and the items that are its charges.

    Places of class c see the items that are known to be of c; those whose label is withheld see all items, as
    all do without labels.

    Args:
        label: class numbers of the items `(items,)`, or None; the first `places` are those of the places.
        places: how many there are.
        classes: the number that stands for none.

    Yields:
        Two indices: into the places, and into the items.
    """
    if label is None:
        yield slice(None), slice(None)
        return
    for number in sorted(set(label[:places].tolist())):
        yield label[:places] == number, slice(None) if number == classes else label == number
